//! Files, and parts of files, that tests make from the code.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What makes the tests write what they would otherwise compare.
const UPDATE: &str = "UPDATE_DOCS";

/// Two tests must not write the same file at once.
static WRITING: Mutex<()> = Mutex::new(());

/// Compares the part of the file `name` that is called `part` with `text`. With `UPDATE_DOCS=1` in
/// the environment, writes it instead. The part stands between the lines `<!-- PART: begin -->` and
/// `<!-- PART: end -->`; in a manual page, between `.\" PART: begin` and `.\" PART: end`.
///
/// # Panics
///
/// If they differ, with the command that updates the file; or if there is no such part.
pub(crate) fn compare(name: &str, part: &str, text: &str) {
    let _guard = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let whole = fs::read_to_string(path(name)).expect("a file that can be read");
    let (begin, end) = if name.ends_with(".md") {
        (format!("<!-- {part}: begin -->\n"), format!("<!-- {part}: end -->"))
    } else {
        (format!(".\\\" {part}: begin\n"), format!(".\\\" {part}: end"))
    };
    let (before, rest) = whole.split_once(&begin).expect("the begin of the part");
    let (written, after) = rest.split_once(&end).expect("the end of the part");
    if written != text {
        update(name, text, &[before, &begin, text, &end, after].concat());
    }
}

/// Compares the whole file `name` with `text`, or writes it.
///
/// # Panics
///
/// If they differ, with the command that updates the file.
pub(crate) fn compare_file(name: &str, text: &str) {
    let _guard = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    if fs::read_to_string(path(name)).is_ok_and(|written| written == text) {
        return;
    }
    update(name, text, text);
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn update(name: &str, text: &str, whole: &str) {
    assert!(
        std::env::var_os(UPDATE).is_some(),
        "{name} is out of date: it should have\n{text}\nTo update it:\n    \
         {UPDATE}=1 cargo test --lib --bin readyc documented"
    );
    fs::write(path(name), whole).expect("a file that can be written");
}

/// `text` as running text of mdoc(7): each sentence on a line of its own, and nothing that roff
/// would take for a request or an escape.
pub(crate) fn mdoc(text: &str) -> String {
    let mut lines = String::new();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut line = String::new();
    for (index, word) in words.iter().enumerate() {
        let is_full = line.len() + word.len() >= MDOC_COLUMNS;
        let ends_sentence = index > 0 && words[index - 1].trim_end_matches(')').ends_with('.');
        if !line.is_empty() && (is_full || ends_sentence) {
            lines += &mdoc_line(&line);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines + &mdoc_line(&line)
}

/// `text` as one argument of a macro of mdoc(7).
pub(crate) fn mdoc_word(text: &str) -> String {
    let text = mdoc_escape(text);
    match text.contains(' ') {
        true => format!("\"\\&{text}\""),
        false => format!("\\&{text}"),
    }
}

/// Bytes of a line of running text: mandoc(1) wants 80 at most, escapes included.
const MDOC_COLUMNS: usize = 70;

/// `line` as a line of running text or of a display.
pub(crate) fn mdoc_line(line: &str) -> String {
    let line = mdoc_escape(line);
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}\n"),
        false => format!("{line}\n"),
    }
}

/// Dashes that a reader may copy stay ASCII.
fn mdoc_escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace("--", "\\-\\-").replace('"', "\\(dq");
    text.replace(" -", " \\-").replace('µ', "\\(mcs").replace('\u{2019}', "'")
}
