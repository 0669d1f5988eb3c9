//! Whether a reply is the one that is owed, wherever that leaves a choice.

use super::{Model, Owed, Scene};
use crate::{tables, wire};
use readyd::io::clock::WallTime;

/// What a refusal begins with.
const REFUSAL: &[u8] = b"Error: ";

/// A text that a reply may be, and the table's version if it tells one.
type Candidate = (Vec<u8>, Option<usize>);

impl Model {
    /// The texts that may stand for what is owed, each with the table's version if it tells one.
    pub(super) fn candidates(
        &self,
        owed: &Owed,
        scene: &Scene<'_>,
    ) -> Result<Vec<Candidate>, String> {
        let plain = |bytes: Vec<u8>| (bytes, None);
        Ok(match owed {
            Owed::Exactly(text) => vec![plain(text.clone())],
            Owed::Value(key, from) => {
                let versions = (*from).max(self.version)..=scene.version;
                let found = versions.map(|version| {
                    (tables::value(version, key).unwrap_or(b"Not Found".to_vec()), Some(version))
                });
                found.collect()
            }
            Owed::Date(format, from) => {
                let mut texts: Vec<_> = scene.readings[*from..]
                    .iter()
                    .filter_map(|&wall| wire::daytime(format, wall))
                    .map(|text| plain(text.into_bytes()))
                    .collect();
                texts.dedup();
                texts
            }
            Owed::TwoStamps(from) => {
                let pairs = scene.readings[*from..].windows(2);
                let stamp = |wall: &WallTime| format!("{}.{:09}", wall.seconds, wall.nanos);
                let texts = pairs.map(|pair| format!("{} {}", stamp(&pair[0]), stamp(&pair[1])));
                texts.map(|text| plain(text.into_bytes())).collect()
            }
            Owed::SecondsSince1900(from) => scene.readings[*from..]
                .iter()
                .map(|&wall| plain(wire::seconds_since_1900(wall).to_vec()))
                .collect(),
            Owed::Statistics | Owed::Help | Owed::Refusal => Vec::new(),
        })
    }

    pub(super) fn match_frame(
        &mut self,
        owed: &Owed,
        candidates: &[Candidate],
        end: usize,
    ) -> Result<usize, String> {
        let body = &self.unmatched[64..end];
        if self.unmatched[..end] != wire::frame(body) {
            return Err("a reply's header is not the shortest there is".to_owned());
        }
        if is_like(owed, body) {
            return Ok(end);
        }
        match candidates.iter().find(|(text, _)| text == body) {
            Some((_, version)) => {
                self.version = version.unwrap_or(self.version);
                Ok(end)
            }
            None => Err(wrong(owed, candidates, body)),
        }
    }

    /// Where the reply ends; `None` if it is not there whole.
    pub(super) fn match_bare(
        &mut self,
        owed: &Owed,
        candidates: &[Candidate],
        tail: &[u8],
    ) -> Result<Option<usize>, String> {
        let sent = &self.unmatched[..];
        if let Owed::Refusal = owed {
            let is_begun = sent.starts_with(REFUSAL) || REFUSAL.starts_with(sent);
            let end = sent.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2);
            return if is_begun { Ok(end) } else { Err(wrong(owed, candidates, sent)) };
        }
        let mut is_begun = false;
        for (text, version) in candidates {
            let whole = [text, tail].concat();
            if sent.starts_with(&whole) {
                self.version = version.unwrap_or(self.version);
                return Ok(Some(whole.len()));
            }
            is_begun |= whole.starts_with(sent);
        }
        if is_begun { Ok(None) } else { Err(wrong(owed, candidates, sent)) }
    }
}

/// Whether `body` has the shape of what is owed, where nothing more can be said.
fn is_like(owed: &Owed, body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    match owed {
        Owed::Refusal => body.starts_with(REFUSAL),
        Owed::Help => text.starts_with("ECHO text") && text.ends_with('\n'),
        Owed::Statistics => text.lines().all(|line| {
            let (name, value) = line.split_once(' ').unwrap_or(("", ""));
            // The one value that is text.
            name == "version" || (!name.is_empty() && value.parse::<f64>().is_ok())
        }),
        _ => false,
    }
}

fn wrong(owed: &Owed, candidates: &[Candidate], got: &[u8]) -> String {
    let cut = |bytes: &[u8]| bytes[..bytes.len().min(80)].escape_ascii().to_string();
    let shown: Vec<String> = candidates.iter().take(4).map(|(text, _)| cut(text)).collect();
    let owed = format!("{owed:?}");
    let owed = owed.split(['(', ' ']).next().unwrap_or_default();
    format!("wrong answer: \"{}\", owed is {owed}, one of {shown:?}", cut(got))
}
