//! The counters of a server as one JSON object.

use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

#[cfg(test)]
mod tests;

/// The reply to `STATS`, a name and a value a line, in its order. A value that is no number is a
/// string.
struct Counters<'a>(Vec<(&'a str, Value)>);

impl Serialize for Counters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The object, on one line.
pub(super) fn json(reply: &[u8]) -> String {
    let reply = String::from_utf8_lossy(reply);
    let counters = Counters(reply.lines().filter_map(counter).collect());
    // Strings and numbers always become JSON.
    serde_json::to_string(&counters).unwrap_or_default()
}

fn counter(line: &str) -> Option<(&str, Value)> {
    let (name, value) = line.split_once(' ')?;
    let value = value.trim();
    let number = value.parse::<Number>();
    Some((name, number.map_or_else(|_| value.into(), Value::Number)))
}
