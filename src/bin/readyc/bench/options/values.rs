//! How the values of `readyc bench`'s options are parsed.

use crate::args::some_time;
use readyd::config::values;
use readyd::loadgen::plan::{Lifetime, Sizes, Step};
use std::time::Duration;

/// Bytes given as text with escapes. (A `Vec<u8>` would be taken for a list of numbers.)
#[derive(Clone, Debug)]
pub(in crate::bench) struct Bytes(pub(in crate::bench) Vec<u8>);

/// More are not to be had from any system.
const MOST_CONNECTIONS: u64 = 100_000_000;

pub(super) fn connections(text: &str) -> Result<usize, String> {
    bounded(text, 0, MOST_CONNECTIONS)
}

pub(super) fn pipeline(text: &str) -> Result<usize, String> {
    bounded(text, 1, 1_000_000)
}

pub(super) fn workers(text: &str) -> Result<usize, String> {
    bounded(text, 1, 1024)
}

fn bounded(text: &str, least: u64, most: u64) -> Result<usize, String> {
    match values::count(text) {
        Ok(count) if count < least => Err(format!("must be at least {least}")),
        Ok(count) if count > most => Err(format!("must be at most {most}")),
        Ok(count) => Ok(count as usize),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn any_time(text: &str) -> Result<Duration, String> {
    values::duration(text).map_err(|error| error.to_string())
}

/// Longest payload; as much has to be held for each connection.
const LONGEST: u64 = 1 << 30;

fn size(text: &str) -> Result<usize, String> {
    match values::size(text) {
        Ok(size) if size > LONGEST => Err("must be at most 1 GiB".to_owned()),
        Ok(size) => Ok(size as usize),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn answer_size(text: &str) -> Result<usize, String> {
    match size(text)? {
        0 => Err("must be at least 1".to_owned()),
        size => Ok(size),
    }
}

pub(super) fn sizes(text: &str) -> Result<Sizes, String> {
    match text.split_once('-') {
        None => Ok(Sizes::fixed(size(text)?)),
        Some((min, max)) => match (size(min)?, size(max)?) {
            (min, max) if min <= max => Ok(Sizes { min, max }),
            (min, max) => Err(format!("the range ends at {max}, before its start at {min}")),
        },
    }
}

/// Requests a second that no schedule of nanoseconds can hold.
const HIGHEST_RATE: f64 = 1e9;

pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate = match text.parse::<f64>() {
        Ok(rate) => rate,
        Err(_) => values::count(text).map_err(|error| error.to_string())? as f64,
    };
    if rate.is_finite() && rate > 0.0 && rate <= HIGHEST_RATE {
        Ok(rate)
    } else {
        Err(format!("must be more than 0 and at most {HIGHEST_RATE}"))
    }
}

pub(super) fn step(text: &str) -> Result<Step, String> {
    let (rate_text, duration) =
        text.split_once(':').ok_or("write RATE:DURATION, such as 1000:10s")?;
    Ok(Step { rate: rate(rate_text)?, duration: some_time(duration)? })
}

pub(super) fn weight(text: &str) -> Result<(String, u32), String> {
    let (kind, weight) = text.split_once('=').ok_or("write KIND=WEIGHT, such as echo=80")?;
    if !["echo", "lookup", "daytime"].contains(&kind) {
        return Err(format!("{kind:?} is not echo, lookup or daytime"));
    }
    let weight = weight.parse().map_err(|_| format!("{weight:?} is not a whole number"))?;
    Ok((kind.to_owned(), weight))
}

pub(super) fn lifetime(text: &str) -> Result<Lifetime, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("must be at least 1 request".to_owned()),
        Ok(requests) => Ok(Lifetime::Requests(requests)),
        Err(_) => some_time(text).map(Lifetime::Time),
    }
}

pub(super) fn escaped(text: &str) -> Result<Bytes, String> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        match rest.next() {
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('0') => bytes.push(0),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                let is_hex = digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit());
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
                bytes.push(byte.ok_or_else(|| format!("\\x{digits} is not \\x and two digits"))?);
            }
            Some(other) => return Err(format!("\\{other} is not an escape (write \\\\ for \\)")),
            None => return Err("ends with a single \\ (write \\\\ for \\)".to_owned()),
        }
    }
    if bytes.is_empty() { Err("must not be empty".to_owned()) } else { Ok(Bytes(bytes)) }
}
