//! What is told of a change.

use super::*;

fn config(words: &[&str]) -> Config {
    let words = words.iter().map(OsString::from);
    match config::from_args(words) {
        Ok(Command::Run(config)) => *config,
        other => panic!("{other:?}"),
    }
}

fn changes(before: &[&str], after: &[&str]) -> (Vec<String>, Vec<String>) {
    let changes = Changes::between(&config(before), config(after));
    changes.map(|Changes { live, at_a_restart, .. }| (live, at_a_restart)).unwrap_or_default()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn the_same_configuration_has_no_changes() {
    let words = ["--deny", "10.0.0.0/8", "--table", "/x", "--utc", "--idle-timeout", "60"];
    assert!(Changes::between(&config(&words), config(&words)).is_none());
    assert!(
        Changes::between(&config(&["--idle-timeout=60"]), config(&["--idle-timeout=1m"])).is_none()
    );
}

#[test]
fn changes_are_told_with_their_new_values() {
    let before = ["--deny", "10.0.0.0/8", "--max-connections", "5", "--backlog", "7", "--utc"];
    let after =
        ["--deny", "10.0.0.0/8", "--deny", "192.0.2.1", "--idle-timeout", "60", "--table", "/a=b"];
    let (live, at_a_restart) = changes(&before, &after);
    let expected = ["deny 10.0.0.0/8,192.0.2.1/32", "idle-timeout 60s", "max-connections is gone"];
    assert_eq!(live, texts(&expected));
    assert_eq!(at_a_restart, texts(&["backlog 4096", "table /a=b", "utc is gone"]));
}

#[test]
fn a_level_of_the_file_is_a_change() {
    let mut after = config(&[]);
    after.log_from_file = Some(log::LevelFilter::Debug);
    let changes = Changes::between(&config(&[]), after).expect("a change");
    assert_eq!(changes.live, texts(&["log debug"]));
}

#[test]
fn a_configuration_reaches_a_shard_as_it_is() {
    let config = config(&["--listen", "echo=fd:3", "--table", "/a b", "--allow", "::1"]);
    assert_eq!(map(seal(&config).expect("a memfd")).expect("a configuration"), config);
}

#[test]
fn every_flag_is_known_to_be_live_or_not() {
    assert!(LIVE.is_sorted());
    let help = config::help(config::HelpLength::Long);
    for flag in LIVE {
        assert!(help.contains(&format!("--{flag} ")), "{flag} is no flag");
    }
}
