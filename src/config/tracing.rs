//! The values of `--trace`, `--trace-on` and `--trace-addresses`.

use super::Reason;
use super::values::{self, ValueError};
use crate::trace::{AddressPolicy, Trigger};
use std::path::PathBuf;
use std::time::Duration;

/// The file of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Whether recording waits for signal 40.
    pub is_paused: bool,
}

impl TraceFile {
    /// 64 MiB: some ten million events.
    pub const USUAL_SIZE: u64 = 64 << 20;

    /// The smallest.
    pub const LEAST_SIZE: u64 = 64 << 10;

    /// The largest.
    pub const MOST_SIZE: u64 = 64 << 30;
}

const SIZE: &str = ",size=";
const PAUSED: &str = ",paused";

/// `FILE[,size=SIZE][,paused]`. What stands before may have commas, too.
pub(super) fn file(value: &str) -> Result<TraceFile, Reason> {
    if cfg!(not(feature = "trace")) {
        return Err("this readyd was built without the feature `trace`".into());
    }
    let (value, is_paused) = match value.strip_suffix(PAUSED) {
        Some(rest) => (rest, true),
        None => (value, false),
    };
    let (path, size) = match value.rsplit_once(SIZE) {
        Some((path, size)) => (path, values::size(size)?),
        None => (value, TraceFile::USUAL_SIZE),
    };
    if !(TraceFile::LEAST_SIZE..=TraceFile::MOST_SIZE).contains(&size) {
        return Err("not from 64KiB to 64GiB".into());
    }
    if path.is_empty() {
        return Err("no file (write FILE, or FILE,size=64MiB)".into());
    }
    Ok(TraceFile { path: path.into(), size, is_paused })
}

/// `turn>DURATION`, `close=REASON` and `accept-paused`, with commas between.
pub(super) fn triggers(value: &str) -> Result<Vec<Trigger>, Reason> {
    value.split(',').map(|part| trigger(part.trim())).collect()
}

fn trigger(text: &str) -> Result<Trigger, Reason> {
    if text == "accept-paused" {
        return Ok(Trigger::AcceptPaused);
    }
    if let Some(limit) = text.strip_prefix("turn>") {
        return match values::duration(limit)? {
            Duration::ZERO => Err(ValueError::NoNumber("turn>10ms").into()),
            limit => Ok(Trigger::TurnLongerThan(limit)),
        };
    }
    if let Some(word) = text.strip_prefix("close=") {
        return Trigger::reason(word).map(Trigger::Close).ok_or_else(|| {
            format!("{word:?} is no reason (as write_timeout; docs/statistics.md has all)").into()
        });
    }
    Err(format!("{text:?} is not one of turn>DURATION, close=REASON, accept-paused").into())
}

/// `full` or `hash`.
pub(super) fn addresses(value: &str) -> Result<AddressPolicy, &'static str> {
    match value {
        "full" => Ok(AddressPolicy::Full),
        "hash" => Ok(AddressPolicy::Hash),
        _ => Err("not full or hash"),
    }
}
