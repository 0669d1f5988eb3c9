use super::{FLAGS, NAMES_A_FILE};
use readyd::config;

#[test]
fn every_flag_that_help_tells_of_is_fuzzed() {
    let help = config::help();
    let told = help.lines().filter_map(|line| line.strip_prefix("  --"));
    let mut told: Vec<&str> = told.filter_map(|line| line.split(' ').next()).collect();
    told.retain(|name| *name != NAMES_A_FILE);
    let fuzzed: Vec<&str> = FLAGS.iter().map(|(name, _)| *name).collect();
    assert_eq!(fuzzed, told);
}
