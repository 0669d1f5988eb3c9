//! The files of the repository, and as much of Rust as tells code, comments and texts apart.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

pub(crate) struct RustFile {
    /// From the root of the repository, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with blanks for comments and strings.
    pub(crate) code: String,
    /// The text with blanks for all but comments.
    pub(crate) comments: String,
    /// The text with blanks for all but literals: what the program says, and its names.
    pub(crate) literals: String,
}

/// All Rust of the repository, sorted by path.
pub(crate) static RUST_FILES: LazyLock<Vec<RustFile>> = LazyLock::new(|| {
    let files = files(&["src", "tests", "benches", "fuzz"], "rs").into_iter();
    let file = |(path, text): (String, String)| {
        let [code, comments, literals] = separate(&text);
        RustFile { path, text, code, comments, literals }
    };
    files.map(file).collect()
});

/// All files below `folders` with this extension, sorted: path and text. Build output and hidden
/// folders are left out.
pub(crate) fn files(folders: &[&str], extension: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    let mut pending: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                pending.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let relative = |path: &Path| {
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        path.trim_start_matches("./").to_owned()
    };
    paths.iter().map(|path| (relative(path), fs::read_to_string(path).unwrap())).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether there is a file or a folder of this path.
pub(crate) fn is_there(path: &str) -> bool {
    root().join(path).exists()
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

pub(crate) fn is_production(path: &str) -> bool {
    path.starts_with("src/") && !path.contains("/tests/") && !path.ends_with("tests.rs")
}

pub(crate) fn is_function(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let is_modifier = |word: &&str| {
        matches!(*word, "pub" | "const" | "async" | "unsafe" | "extern") || word.starts_with("pub(")
    };
    words.find(|word| !is_modifier(word)) == Some("fn")
}

/// Lines from the first one, which holds `fn`, to the closing brace: the first that stands under
/// `fn` and ends with one. What has no body ends with a semicolon.
pub(crate) fn function_length(lines: &[&str]) -> usize {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let ends = |line: &&str| {
        let is_outer = !line.trim().is_empty() && indent(line) <= indent(lines[0]);
        is_outer && line.trim_end().ends_with(['}', ';'])
    };
    lines.iter().position(ends).map_or(lines.len(), |last| last + 1)
}

/// Whether the lines before an item end with a doc, attributes aside. What clap makes arguments of
/// needs none: clap would print it as help.
pub(crate) fn has_doc(before: &[&str]) -> bool {
    let mut lines = before.iter().rev();
    while let Some(line) = lines.next() {
        if line.contains("clap::Args") {
            return true;
        }
        if !line.ends_with(']') || line.starts_with("//") {
            return line.starts_with("///");
        }
        if !line.starts_with("#[") {
            lines.find(|line| line.starts_with("#["));
        }
    }
    false
}

/// Lower-case words of a text, each with its line. Phrases are found across line ends.
pub(crate) fn words(prose: &str) -> Vec<(usize, String)> {
    let split = |line: &str| -> Vec<String> {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '`');
        words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    numbered(prose)
        .flat_map(|(number, line)| split(line).into_iter().map(move |word| (number, word)))
        .collect()
}

pub(crate) fn without_fenced_blocks(markdown: &str) -> String {
    let mut is_fenced = false;
    let mut prose = String::new();
    for line in markdown.lines() {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        prose.push_str(if is_fenced || is_fence { "" } else { line });
        prose.push('\n');
    }
    prose
}

/// The code, the comments and the literals of a file, each in its place, with blanks for all else.
fn separate(text: &str) -> [String; 3] {
    let [mut code, mut comments, mut literals] = [const { String::new() }; 3];
    let mut rest = text;
    while let Some(head) = rest.chars().next() {
        let (kind, length) = piece(rest);
        let (piece, after) = rest.split_at(length.max(head.len_utf8()));
        rest = after;
        for c in piece.chars() {
            let blank = if c == '\n' { c } else { ' ' };
            code.push(if kind == Kind::Code { c } else { blank });
            comments.push(if kind == Kind::Comment { c } else { blank });
            literals.push(if kind == Kind::Text { c } else { blank });
        }
    }
    [code, comments, literals]
}

#[derive(PartialEq)]
enum Kind {
    Code,
    Comment,
    Text,
}

/// What the text begins with, and how many bytes of it are that.
fn piece(text: &str) -> (Kind, usize) {
    let until = |end: &str| text[1..].find(end).map_or(text.len(), |at| at + 1 + end.len());
    if text.starts_with("//") {
        return (Kind::Comment, text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return (Kind::Comment, until("*/"));
    }
    if text.starts_with('"') {
        return (Kind::Text, escaped(text, '"'));
    }
    if text.starts_with("r\"") || text.starts_with("r#") {
        let hashes = text[1..].chars().take_while(|&c| c == '#').count();
        if text[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = 2 + hashes;
            let length = text[body..].find(&end).map_or(text.len(), |at| body + at + end.len());
            return (Kind::Text, length);
        }
    }
    // A lifetime has no closing quote behind its first character.
    let quoted = text.strip_prefix('\'').and_then(|rest| rest.chars().nth(1));
    if text.starts_with("'\\") || quoted == Some('\'') {
        return (Kind::Text, escaped(text, '\''));
    }
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (Kind::Code, if text.starts_with("b'") { 1 } else { word.max(1) })
}

/// Bytes of a literal that begins and ends with `quote`, in which a backslash hides what follows.
fn escaped(text: &str, quote: char) -> usize {
    let mut is_hidden = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_hidden => is_hidden = false,
            '\\' => is_hidden = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[test]
fn comments_and_texts_are_told_from_code() {
    let text = "let a = \"// no\"; // yes 'it\nlet b = ('\"', b'\\'', r#\"\"x\"#, f::<'a>());\n";
    let [code, comments, literals] = separate(text);
    assert_eq!(comments.trim(), "// yes 'it");
    let literals: Vec<&str> = literals.split_whitespace().collect();
    assert_eq!(literals, ["\"//", "no\"", "'\"'", "'\\''", "r#\"\"x\"#"]);
    let code: String = code.split_whitespace().collect();
    assert_eq!(code, "leta=;letb=(,b,,f::<'a>());");
}

#[test]
fn a_function_ends_with_the_brace_under_it() {
    let text =
        "    fn f(\n        a: u8,\n    ) -> u8 {\n        if a {\n        }\n    }\n    fn g();\n";
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((function_length(&lines), function_length(&lines[6..])), (6, 1));
}
