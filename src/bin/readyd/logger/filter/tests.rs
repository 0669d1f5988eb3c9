use super::*;
use log::Level;
use std::fmt;

/// The filter, and what was wrong with the words.
fn filter(words: &str) -> (Filter, Vec<String>) {
    let mut warnings = Vec::new();
    let filter = Filter::of_words(words, |error| warnings.push(error.to_string()));
    (filter, warnings)
}

/// The most verbose level that is logged of what comes from `target`.
fn level(words: &str, target: &str) -> Option<Level> {
    let (filter, warnings) = filter(words);
    assert_eq!(warnings, [""; 0], "{words}");
    level_of(&filter, target)
}

fn level_of(filter: &Filter, target: &str) -> Option<Level> {
    let is_enabled = |level: &Level| {
        filter.is_enabled(&Metadata::builder().level(*level).target(target).build())
    };
    let enabled: Vec<Level> = Level::iter().filter(is_enabled).collect();
    assert!(enabled.iter().copied().eq(Level::iter().take(enabled.len())), "none is left out");
    enabled.last().copied()
}

#[test]
fn a_level_is_for_all() {
    for (word, expected) in [
        ("off", None),
        ("error", Some(Level::Error)),
        ("WARN", Some(Level::Warn)),
        ("Info", Some(Level::Info)),
        (" debug ", Some(Level::Debug)),
        ("trace", Some(Level::Trace)),
        ("=info", Some(Level::Info)),
    ] {
        assert_eq!(level(word, "readyd::server"), expected, "{word}");
    }
    assert_eq!(level_of(&Filter::of_level(LevelFilter::Info), "mio"), Some(Level::Info));
}

#[test]
fn the_longest_target_that_fits_counts_wherever_it_stands() {
    for words in ["info,readyd=warn,readyd::server=debug", "readyd::server=debug,readyd=warn,info"]
    {
        assert_eq!(level(words, "readyd::server::accept"), Some(Level::Debug));
        assert_eq!(level(words, "readyd::start"), Some(Level::Warn));
        assert_eq!(level(words, "mio"), Some(Level::Info));
    }
}

#[test]
fn a_target_alone_is_logged_in_full_and_the_others_not_at_all() {
    for words in ["mio", "mio=", "mio= "] {
        assert_eq!(level(words, "mio::poll"), Some(Level::Trace), "{words}");
        assert_eq!(level(words, "readyd"), None, "{words}");
    }
}

#[test]
fn a_later_rule_for_the_same_target_replaces_the_earlier() {
    assert_eq!(level("debug,mio=trace,warn,mio=info", "readyd"), Some(Level::Warn));
    assert_eq!(level("debug,mio=trace,warn,mio=info", "mio"), Some(Level::Info));
    assert_eq!(filter("debug,warn").0.most_verbose(), LevelFilter::Warn);
}

#[test]
fn the_most_verbose_level_is_that_of_any_target() {
    assert_eq!(filter("info,mio=debug,readyd=off").0.most_verbose(), LevelFilter::Debug);
    assert_eq!(filter("off").0.most_verbose(), LevelFilter::Off);
}

#[test]
fn without_a_rule_errors_are_logged() {
    for words in ["", " , ", "/text"] {
        assert_eq!(level(words, "readyd"), Some(Level::Error), "{words}");
    }
}

#[test]
fn what_is_wrong_is_told_and_left_out() {
    for (words, warning, expected) in [
        ("warn,readyd=loud", "invalid logging spec 'loud'", Some(Level::Warn)),
        ("warn,readyd=a=b", "invalid logging spec 'readyd=a=b'", Some(Level::Warn)),
        ("readyd=loud", "invalid logging spec 'loud'", Some(Level::Error)),
        ("warn/a/b", "invalid logging spec 'warn/a/b' (too many '/'s)", Some(Level::Error)),
    ] {
        let (filter, warnings) = filter(words);
        assert_eq!(warnings, [warning]);
        assert_eq!(level_of(&filter, "readyd"), expected, "{words}");
    }
}

#[test]
fn the_text_has_to_contain_what_was_asked_for() {
    let logged = |words: &str, text: fmt::Arguments<'_>| {
        let metadata = Metadata::builder().level(Level::Info).target("readyd").build();
        filter(words).0.matches(&Record::builder().metadata(metadata).args(text).build())
    };
    assert!(logged("info/connected", format_args!("somebody connected")));
    assert!(!logged("info/connected", format_args!("somebody left")));
    assert!(!logged("warn/connected", format_args!("somebody connected")));
    assert!(logged("info", format_args!("somebody left")));
    assert!(logged("info/", format_args!("somebody left")));
}
