//! `RUST_LOG`: which records are logged, in the words that many Rust programs take.
//!
//! ```text
//! warn                       warnings and errors, wherever they come from
//! info,readyd::server=debug  more from there: of several targets that fit, the longest counts
//! mio                        all that comes from there, and nothing else
//! debug/connected            only what contains "connected"
//! ```
//!
//! A target is the path of the module that logs, or the beginning of one.

use log::{LevelFilter, Metadata, Record};
use std::fmt::Display;

#[cfg(test)]
mod tests;

/// Records whose target begins like this, up to this level.
struct Rule {
    target: String,
    level: LevelFilter,
}

/// See the [module](self). Without a rule, nothing is logged.
pub(super) struct Filter {
    rules: Vec<Rule>,
    /// What a record has to contain.
    text: String,
}

impl Filter {
    /// All records up to this level.
    pub(super) fn of_level(level: LevelFilter) -> Filter {
        let everywhere = Rule { target: String::new(), level };
        Filter { rules: vec![everywhere], text: String::new() }
    }

    /// What `words` ask for. What is wrong in them is told to `warn`, and left out. If nothing is left,
    /// errors are logged.
    pub(super) fn of_words(words: &str, mut warn: impl FnMut(&dyn Display)) -> Filter {
        let (rules, text) = words.split_once('/').unwrap_or((words, ""));
        let mut filter = Filter { rules: Vec::new(), text: text.to_owned() };
        if text.contains('/') {
            warn(&format_args!("invalid logging spec '{words}' (too many '/'s)"));
            return Filter::of_level(LevelFilter::Error);
        }
        for rule in rules.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            match parse(rule) {
                Ok(rule) => filter.add(rule),
                Err(wrong) => warn(&format_args!("invalid logging spec '{wrong}'")),
            }
        }
        if filter.rules.is_empty() {
            filter.rules = Filter::of_level(LevelFilter::Error).rules;
        }
        filter
    }

    /// Adds a rule, in place of one for the same target.
    fn add(&mut self, rule: Rule) {
        self.rules.retain(|earlier| earlier.target != rule.target);
        self.rules.push(rule);
    }

    /// The level beyond which nothing is logged.
    pub(super) fn most_verbose(&self) -> LevelFilter {
        self.rules.iter().map(|rule| rule.level).max().unwrap_or(LevelFilter::Off)
    }

    /// Whether a record of this level and target may be logged, as far as that tells.
    pub(super) fn is_enabled(&self, metadata: &Metadata<'_>) -> bool {
        let rules = self.rules.iter().filter(|rule| metadata.target().starts_with(&rule.target));
        let closest = rules.max_by_key(|rule| rule.target.len());
        closest.is_some_and(|rule| metadata.level() <= rule.level)
    }

    /// Whether the record is to be logged.
    pub(super) fn matches(&self, record: &Record<'_>) -> bool {
        let has_text = || self.text.is_empty() || record.args().to_string().contains(&self.text);
        self.is_enabled(record.metadata()) && has_text()
    }
}

/// One rule: `LEVEL`, `TARGET`, `TARGET=LEVEL`; or what of it is none.
fn parse(text: &str) -> Result<Rule, &str> {
    let rule = |target: &str, level| Rule { target: target.to_owned(), level };
    let Some((target, level)) = text.split_once('=') else {
        let of_level = text.parse().map(|level| rule("", level));
        return Ok(of_level.unwrap_or_else(|_| rule(text, LevelFilter::Trace)));
    };
    match level.trim() {
        _ if level.contains('=') => Err(text),
        "" => Ok(rule(target, LevelFilter::Trace)),
        level => level.parse().map(|level| rule(target, level)).map_err(|_| level),
    }
}
