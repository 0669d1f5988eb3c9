//! Reports as JSON, and writing files atomically.
//!
//! Invariant: a file is replaced by a complete one or stays as it is. On a full disk only a
//! temporary file beside it is incomplete, and it is removed.

use super::{Report, SCHEMA, identity};
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, PrettyFormatter};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

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

/// The name of standard output in messages.
const STANDARD_OUTPUT: &str = "standard output";

/// Why a file could not be written: the step, the file, and the error.
#[derive(Debug)]
pub struct SaveError {
    doing: &'static str,
    path: PathBuf,
    /// The error of the system call.
    pub error: io::Error,
}

impl SaveError {
    /// Whether this is EPIPE of standard output: its reader has closed it.
    pub fn is_closed_output(&self) -> bool {
        self.path == Path::new(STANDARD_OUTPUT) && self.error.kind() == ErrorKind::BrokenPipe
    }
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, self.path.display(), self.error)
    }
}

impl std::error::Error for SaveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
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
            Some(SCHEMA) => {}
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

/// Stores `contents` at `path`; `-` is standard output.
///
/// A regular file is replaced with rename(2) by a finished one, so no reader sees half of it, and a
/// failure leaves the old one. Other files, such as a pipe or `/dev/null`, are written to.
///
/// # Errors
///
/// [`SaveError`] if a part could not be written.
pub fn save(path: &Path, contents: &[u8]) -> Result<(), SaveError> {
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |error| SaveError { doing, path, error }
    };
    if path == Path::new("-") {
        let mut stdout = io::stdout().lock();
        return stdout
            .write_all(contents)
            .and_then(|()| stdout.flush())
            .map_err(failed("write to", Path::new(STANDARD_OUTPUT)));
    }
    // A symbolic link stays, and the file it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let existing = fs::metadata(&path).ok();
    if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
        return OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(contents))
            .map_err(failed("write to", &path));
    }
    let temporary = beside(&path);
    let written = write_whole(&temporary, contents, existing.map(|file| file.permissions()))
        .map_err(failed("write", &path))
        .and_then(|()| fs::rename(&temporary, &path).map_err(failed("replace", &path)));
    if written.is_err() {
        // The first error is reported; the file may not even exist.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A name in the same directory: rename(2) works only within a file system.
fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn write_whole(
    path: &Path,
    contents: &[u8],
    permissions: Option<fs::Permissions>,
) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(contents)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    // Some file systems report ENOSPC only at fsync(2).
    file.sync_all()
}
