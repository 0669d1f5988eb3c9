//! The examples in documents: `console` blocks with commands and what they print.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A document, and the blocks in it.
pub(crate) struct Document {
    path: PathBuf,
    text: String,
}

/// A command and the lines shown under it.
pub(crate) struct Example<'a> {
    pub(crate) command: &'a str,
    pub(crate) shown: String,
    /// Where these lines are in the document.
    pub(crate) place: Range<usize>,
}

impl Document {
    pub(crate) fn read(name: &str) -> Document {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = fs::read_to_string(&path).expect("a document");
        Document { path, text }
    }

    /// The examples, in their order. A command goes on after a backslash, and until `END` if it
    /// writes a file with `<<'END'`.
    pub(crate) fn examples(&self) -> Vec<Example<'_>> {
        let mut examples = Vec::new();
        for block in blocks(&self.text, "console") {
            let starts: Vec<usize> = self.text[block.clone()]
                .match_indices("$ ")
                .map(|(at, _)| block.start + at)
                .filter(|&at| self.text[..at].ends_with('\n'))
                .collect();
            let ends = starts.iter().copied().skip(1).chain([block.end]);
            for (&start, end) in starts.iter().zip(ends) {
                let part = &self.text[start + 2..end];
                let length = length_of_command(part);
                let shown = (start + 2 + length + 1).min(end)..end;
                examples.push(Example {
                    command: &part[..length],
                    shown: self.text[shown.clone()].to_owned(),
                    place: shown,
                });
            }
        }
        examples
    }

    /// The program in Python, if there is one.
    pub(crate) fn program(&self) -> Option<&str> {
        blocks(&self.text, "python").first().map(|block| &self.text[block.clone()])
    }

    /// Puts these texts at these places, and writes the document.
    pub(crate) fn update(&mut self, mut printed: Vec<(Range<usize>, String)>) {
        if printed.is_empty() {
            return;
        }
        printed.sort_by_key(|(place, _)| place.start);
        for (place, text) in printed.into_iter().rev() {
            let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            self.text.replace_range(place, &(text.replace('\r', "") + line_end));
        }
        fs::write(&self.path, &self.text).expect("write a document");
    }
}

/// What is inside the fenced blocks of this language.
fn blocks(text: &str, language: &str) -> Vec<Range<usize>> {
    let fence = format!("```{language}\n");
    let block = |(at, _): (usize, &str)| {
        let start = at + fence.len();
        let length = text[start..].find("```").expect("the end of a block");
        start..start + length
    };
    text.match_indices(&fence).map(block).collect()
}

fn length_of_command(part: &str) -> usize {
    let mut ends = part.match_indices('\n').map(|(at, _)| at);
    let end = if part.lines().next().is_some_and(|line| line.ends_with("<<'END'")) {
        part.find("\nEND\n").map(|at| at + "\nEND".len())
    } else {
        ends.find(|&at| !part[..at].ends_with('\\'))
    };
    end.unwrap_or(part.len())
}

/// The words of a command.
pub(crate) fn in_words(command: &str) -> Vec<&str> {
    command.split_whitespace().collect()
}

/// What does not change from run to run: every number, and the sign before it, stands for any
/// other.
pub(crate) fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.trim_end().chars() {
        match c {
            '\r' => {}
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            '+' | '-' => shape.push('±'),
            _ => shape.push(c),
        }
    }
    // The names of days and months change too, but not in which places they stand. A day of one
    // digit has a space before it.
    let is_name = |word: &str| word.len() == 3 && word.chars().all(|c| c.is_ascii_alphabetic());
    let words = shape.split_inclusive([' ', '\n']).map(|word| match word.get(..3) {
        Some(name) if is_name(word.trim_end()) => word.replacen(name, "aaa", 1),
        _ => word.to_owned(),
    });
    words.collect::<String>().replace("aaa  #", "aaa #")
}

#[test]
fn the_day_of_a_sample_is_of_no_matter() {
    let (friday, tuesday) = ("hello\nFri Nov 27\non Fri\nFri", "hello\nTue Dec  1\non Tue\nTue");
    assert_eq!(shape(friday), shape(tuesday));
    assert_ne!(shape("hello\nFri"), shape("hello\nFriday"));
}

/// The lines printed that have the shapes of those shown, where `...` stands for any others; `None`
/// if they are not there. Durations may have other units.
pub(crate) fn shortened(shown: &str, printed: &str) -> Option<String> {
    let printed: Vec<&str> = printed.lines().collect();
    let shapes: Vec<String> = printed.iter().map(|line| shape_of_line(line)).collect();
    let shown: Vec<&str> = shown.lines().collect();
    let (mut found, mut from) = (Vec::new(), 0);
    for (index, part) in shown.split(|line| *line == "...").enumerate() {
        let wanted: Vec<String> = part.iter().map(|line| shape_of_line(line)).collect();
        let is_here = |&at: &usize| shapes[at..].starts_with(&wanted);
        let at = (from..=printed.len()).find(is_here).filter(|&at| index > 0 || at == 0)?;
        from = at + wanted.len();
        found.push(printed[at..from].to_vec());
    }
    let ends = shown.last() == Some(&"...") || from == printed.len();
    ends.then(|| found.join(&"...").join("\n") + "\n")
}

/// As [`shape`], whatever the unit of a duration, and whatever the gaps; and one thing or several.
fn shape_of_line(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut shape = shape(&words.join(" ")).replace("#.#", "#");
    for unit in ["ns", "us", "µs", "ms"] {
        for gap in ["", " "] {
            shape = shape.replace(&format!("#{gap}{unit}"), &format!("#{gap}s"));
        }
    }
    let mut is_counted = false;
    let singular = shape.split(' ').map(|word| {
        let noun = word.strip_suffix('s').filter(|noun| is_counted && !noun.is_empty());
        is_counted = word == "#";
        noun.unwrap_or(word)
    });
    singular.collect::<Vec<_>>().join(" ")
}

/// The names of the lines: what stands before the first number, colon or gap.
pub(crate) fn labels(text: &str) -> Vec<String> {
    let label = |line: &str| {
        let line = line.trim();
        let end = line.find(|c: char| c.is_ascii_digit() || c == ':').unwrap_or(line.len());
        let gap = line.find("  ").unwrap_or(line.len());
        line[..end.min(gap)].trim().to_owned()
    };
    text.lines().map(label).filter(|label| label.contains(char::is_alphabetic)).collect()
}
