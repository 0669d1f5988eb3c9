use super::{FLAGS, NAMES_A_FILE};
use readyd::config;

#[test]
fn every_flag_that_help_tells_of_is_fuzzed() {
    let help = config::help(config::HelpLength::Long);
    let told = help.lines().filter_map(|line| line.strip_prefix("  --"));
    let mut told: Vec<&str> = told.filter_map(|line| line.split(' ').next()).collect();
    told.retain(|name| *name != NAMES_A_FILE);
    let mut fuzzed: Vec<&str> = FLAGS.iter().map(|(name, _)| *name).collect();
    // The corpora hold positions in FLAGS, so its order differs from the help's.
    told.sort_unstable();
    fuzzed.sort_unstable();
    assert_eq!(fuzzed, told);
}
