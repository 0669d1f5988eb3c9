//! Without the feature `ops` no process confines itself, and `--sandbox` is refused.

use crate::start::StartError;
use readyd::config::Config;
use std::fmt;
use std::io;
use std::path::Path;

/// There is none: nothing can be required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SandboxError {}

impl fmt::Display for SandboxError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

pub(crate) fn check_required(_: &Config) -> Result<(), SandboxError> {
    Ok(())
}

pub(crate) fn will_confine(_: &Config) -> bool {
    false
}

pub(crate) fn enter(
    _: &Config,
    _config_file: Option<&Path>,
    _is_shard: bool,
) -> Result<u32, StartError> {
    Ok(0)
}

pub(crate) fn advice(_: &io::Error) -> String {
    String::new()
}

/// Never called: `--check-sandbox` is refused.
pub(crate) fn check() -> Result<(), StartError> {
    Ok(())
}
