//! Reports as JSON.
//!
//! Invariant: a report that was written is read as it was, by this version and by later ones.

use super::{OLDER_SCHEMA, Report, SCHEMA, identity};
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, PrettyFormatter};
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

#[cfg(test)]
mod tests;

/// Why a report cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The file cannot be opened or read.
    File(io::Error),
    /// It is not JSON.
    NotJson(String),
    /// It ends in the middle, as after a full disk or a broken transfer.
    Truncated,
    /// It is JSON, but no report of a load run.
    NotAReport,
    /// It was made by a newer program, whose schema this one does not know.
    Newer(String),
    /// It claims our schema and violates it.
    Malformed(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::File(error) => write!(f, "{error}"),
            ReadError::NotJson(why) => {
                write!(f, "not JSON: {why} (give a file that `readyc bench --json` wrote)")
            }
            ReadError::Truncated => {
                f.write_str("the file ends in the middle of the report (copy or make it again)")
            }
            ReadError::NotAReport => {
                write!(f, "JSON, but not a report of readyc bench: no \"schema\": {SCHEMA:?} in it")
            }
            ReadError::Newer(schema) => write!(
                f,
                "made by a newer readyc: its schema is {schema:?}, this one knows {SCHEMA:?} \
                 (use the newer readyc)"
            ),
            ReadError::Malformed(why) => write!(f, "not a whole {SCHEMA} report: {why}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::File(error) => Some(error),
            _ => None,
        }
    }
}

impl Report {
    /// The report as indented JSON, ending with a line end. docs/report-schema.md describes it.
    #[cfg_attr(not(test), expect(clippy::expect_used, reason = "what is written is our own"))]
    pub fn to_json(&self) -> String {
        let mut json = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut json, Pairs::default());
        self.serialize(&mut serializer).expect("its keys are strings, and memory takes it all");
        json.push(b'\n');
        String::from_utf8(json).expect("JSON is UTF-8")
    }

    /// Parses a report.
    ///
    /// # Errors
    ///
    /// Any [`ReadError`] except [`ReadError::File`].
    pub fn from_json(json: &[u8]) -> Result<Report, ReadError> {
        // The schema is checked first: with another schema, an error about a missing field would
        // not help.
        let claim: SchemaClaim = serde_json::from_slice(json).map_err(not_a_report)?;
        match claim.schema.as_deref() {
            Some(SCHEMA | OLDER_SCHEMA) => {}
            Some(schema) if is_newer(schema) => return Err(ReadError::Newer(schema.to_owned())),
            _ => return Err(ReadError::NotAReport),
        }
        let malformed = |error: serde_json::Error| ReadError::Malformed(error.to_string());
        let mut report: Report = serde_json::from_slice(json).map_err(malformed)?;
        if report.id.is_empty() {
            // As a value, its keys are sorted and its spaces gone.
            let document: serde_json::Value = serde_json::from_slice(json).map_err(malformed)?;
            report.id = identity::hash(document.to_string().as_bytes());
        }
        // Earlier versions wrote 0 where the rate of a single answer is unknown.
        if report.achieved.answered_in_window > 0 && report.achieved.rate == Some(0.0) {
            report.achieved.rate = None;
        }
        Ok(report)
    }

    /// The report in the file at `path`; `-` is standard input.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn read(path: &Path) -> Result<Report, ReadError> {
        let json = match path.to_str() {
            Some("-") => io::read_to_string(io::stdin()).map(String::into_bytes),
            _ => fs::read(path),
        };
        Report::from_json(&json.map_err(ReadError::File)?)
    }
}

/// Indented JSON with each inner array on one line: otherwise the thousands of pairs of a histogram
/// would take a line for each number.
#[derive(Default)]
struct Pairs<'a> {
    pretty: PrettyFormatter<'a>,
    arrays: usize,
}

impl Formatter for Pairs<'_> {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.arrays += 1;
        match self.arrays {
            1 => self.pretty.begin_array(writer),
            _ => writer.write_all(b"["),
        }
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.arrays -= 1;
        match self.arrays {
            0 => self.pretty.end_array(writer),
            _ => writer.write_all(b"]"),
        }
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        match (self.arrays, first) {
            (1, _) => self.pretty.begin_array_value(writer, first),
            (_, true) => Ok(()),
            (_, false) => writer.write_all(b", "),
        }
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.pretty.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(writer)
    }
}

#[derive(Deserialize)]
struct SchemaClaim {
    schema: Option<String>,
}

fn not_a_report(error: serde_json::Error) -> ReadError {
    match error.classify() {
        serde_json::error::Category::Eof => ReadError::Truncated,
        serde_json::error::Category::Data => ReadError::NotAReport,
        _ => ReadError::NotJson(error.to_string()),
    }
}

fn is_newer(schema: &str) -> bool {
    let version = |schema: &str| {
        let (name, version) = schema.split_once('/')?;
        Some((name.to_owned(), version.parse::<u64>().ok()?))
    };
    match (version(schema), version(SCHEMA)) {
        (Some((name, theirs)), Some((our_name, ours))) => name == our_name && theirs > ours,
        _ => false,
    }
}
