//! Files that a result goes to: opened before the work begins, and complete or unchanged after it.
//!
//! Invariant: a regular file is replaced by a complete one with rename(2) or stays as it is. Until
//! then the contents are in a temporary file in the same folder, which goes when its owner does.
//! Standard output, FIFOs and devices are written to as they are.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// The name of standard output in messages.
const STANDARD_OUTPUT: &str = "standard output";

/// Why a file could not be written: the step, the file, and the error.
#[derive(Debug)]
pub struct SaveError {
    doing: &'static str,
    path: PathBuf,
    /// The error of the system call.
    pub error: io::Error,
    /// Where the contents are, although they could not be moved to `path`.
    kept: Option<PathBuf>,
}

impl SaveError {
    fn new(doing: &'static str, path: &Path, error: io::Error) -> SaveError {
        SaveError { doing, path: path.to_owned(), error, kept: None }
    }

    /// Whether this is EPIPE of standard output: its reader has closed it.
    pub fn is_closed_output(&self) -> bool {
        self.path == Path::new(STANDARD_OUTPUT) && self.error.kind() == ErrorKind::BrokenPipe
    }
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, self.path.display(), self.error)?;
        match &self.kept {
            None => Ok(()),
            Some(kept) => write!(f, " (what was to be in it is in {})", kept.display()),
        }
    }
}

impl std::error::Error for SaveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// A file that is open for a result that is still to come.
#[derive(Debug)]
pub struct Output {
    /// As it was given, for messages.
    path: PathBuf,
    destination: Destination,
    identity: Option<Identity>,
}

#[derive(Debug)]
enum Destination {
    StandardOutput,
    StandardError,
    /// A FIFO or a device.
    Special(File),
    /// A FIFO that no process reads yet.
    FifoWithoutReader,
    /// A regular file at `target`, or none yet.
    Replaced {
        temporary: Temporary,
        target: PathBuf,
    },
}

/// What tells one file from another, under whatever name.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    /// The device and the inode of a file that is there.
    Inode(u64, u64),
    /// The device and the inode of the folder, and the name, of a file that is not.
    Absent(u64, u64, std::ffi::OsString),
}

impl Output {
    /// Opens the file at `path`; `-` is standard output.
    ///
    /// # Errors
    ///
    /// [`SaveError`] if it could not be written to later: the folder is missing, or not writable.
    pub fn open(path: &Path) -> Result<Output, SaveError> {
        let failed = |error| SaveError::new("write", path, error);
        let output = |destination, identity| Output { path: path.into(), destination, identity };
        match path.to_str() {
            Some("-" | "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") => {
                let identity = stream_identity(io::stdout());
                return Ok(output(Destination::StandardOutput, identity));
            }
            Some("/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => {
                let identity = stream_identity(io::stderr());
                return Ok(output(Destination::StandardError, identity));
            }
            _ => {}
        }
        match fs::metadata(path) {
            Ok(existing) if existing.is_dir() => Err(failed(ErrorKind::IsADirectory.into())),
            Ok(existing) if existing.is_file() => {
                // A symbolic link stays, and the file it leads to is replaced.
                let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
                let temporary = Temporary::beside(&target).map_err(failed)?;
                // Nobody else shall read the new file who could not read the old one.
                temporary.file.set_permissions(existing.permissions()).map_err(failed)?;
                let identity = identity(&existing);
                Ok(output(Destination::Replaced { temporary, target }, identity))
            }
            Ok(existing) => {
                let destination = open_special(path)
                    .map_err(|error| SaveError::new("write to", path, error))?
                    .map_or(Destination::FifoWithoutReader, Destination::Special);
                Ok(output(destination, identity(&existing)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if path.as_os_str().as_bytes().ends_with(b"/") {
                    return Err(failed(ErrorKind::IsADirectory.into()));
                }
                let target = end_of_links(path);
                // The folder is missing, too, or the path is empty.
                let identity = identity_of_absent(&target).ok_or_else(|| failed(error))?;
                let temporary = Temporary::beside(&target).map_err(failed)?;
                Ok(output(Destination::Replaced { temporary, target }, Some(identity)))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether it is standard output.
    pub fn is_standard_output(&self) -> bool {
        matches!(self.destination, Destination::StandardOutput)
    }

    /// Whether writing waits until another process reads the FIFO.
    pub fn waits_for_reader(&self) -> bool {
        matches!(self.destination, Destination::FifoWithoutReader)
    }

    /// Whether both would be written to the same file or FIFO, by whatever names.
    pub fn is_same_file(&self, other: &Output) -> bool {
        self.identity.is_some() && self.identity == other.identity
            || self.is_standard_output() && other.is_standard_output()
    }

    /// Whether it is the file or FIFO to which `stream`, standard output or standard error, goes.
    pub fn is_stream(&self, stream: impl AsFd) -> bool {
        self.identity.is_some() && self.identity == stream_identity(stream)
    }

    /// Writes the contents, all of them.
    ///
    /// # Errors
    ///
    /// [`SaveError`] if a part could not be written. A regular file is then as it was.
    pub fn write(self, contents: &[u8]) -> Result<(), SaveError> {
        self.write_with(|out| out.write_all(contents))
    }

    /// Has `fill` write the contents, which need not be in memory at once.
    ///
    /// # Errors
    ///
    /// As of [`Output::write`]. An error that `fill` returns counts as one of the file.
    pub fn write_with(
        self,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), SaveError> {
        let Output { path, destination, .. } = self;
        let written_to = |path: &Path, result: io::Result<()>| {
            result.map_err(|error| SaveError::new("write to", path, error))
        };
        match destination {
            Destination::StandardOutput => {
                let mut out = io::stdout().lock();
                let result = fill(&mut out).and_then(|()| out.flush());
                written_to(Path::new(STANDARD_OUTPUT), result)
            }
            Destination::StandardError => written_to(&path, fill(&mut io::stderr().lock())),
            Destination::Special(mut file) => written_to(&path, fill(&mut file)),
            Destination::FifoWithoutReader => {
                // This open(2) waits for a reader.
                let opened = OpenOptions::new().write(true).open(&path);
                written_to(&path, opened.and_then(|mut file| fill(&mut file)))
            }
            Destination::Replaced { mut temporary, target } => {
                let file = &mut temporary.file;
                // Some file systems report ENOSPC only at fsync(2).
                fill(file)
                    .and_then(|()| file.sync_all())
                    .map_err(|error| SaveError::new("write", &path, error))?;
                temporary.rename(&target).map_err(|(error, kept)| SaveError {
                    kept: Some(kept),
                    ..SaveError::new("replace", &path, error)
                })
            }
        }
    }
}

/// Stores `contents` at `path`, as [`Output`] does: opened and written at once.
///
/// # Errors
///
/// [`SaveError`] if a part could not be written.
pub fn save(path: &Path, contents: &[u8]) -> Result<(), SaveError> {
    Output::open(path)?.write(contents)
}

/// Opens a FIFO or a device. `None`: a FIFO without a reader, for which open(2) would wait.
fn open_special(path: &Path) -> io::Result<Option<File>> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = match OpenOptions::new().write(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
            // A socket says ENXIO, too.
            let is_fifo = fs::metadata(path)?.file_type().is_fifo();
            return if is_fifo { Ok(None) } else { Err(error) };
        }
        Err(error) => return Err(error),
    };
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags.difference(OFlag::O_NONBLOCK)))?;
    Ok(Some(file))
}

/// The identity of a file in which two results would be mixed up: not a terminal's or the like of
/// `/dev/null`.
fn identity(file: &Metadata) -> Option<Identity> {
    let is_device = file.file_type().is_char_device();
    (!is_device).then(|| Identity::Inode(file.dev(), file.ino()))
}

fn stream_identity(stream: impl AsFd) -> Option<Identity> {
    let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
    identity(&file.metadata().ok()?)
}

fn identity_of_absent(target: &Path) -> Option<Identity> {
    let folder = fs::metadata(folder_of(target)).ok()?;
    Some(Identity::Absent(folder.dev(), folder.ino(), target.file_name()?.to_owned()))
}

/// The folder in which a file is.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Links that are followed; the kernel follows as many, path_resolution(7).
const MOST_LINKS: usize = 40;

/// Where the links from `path` lead to a file that is not there yet.
fn end_of_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = folder_of(&path).join(next),
            Err(_) => break,
        }
    }
    path
}

/// A file that is removed unless it is renamed.
#[derive(Debug)]
struct Temporary {
    file: File,
    path: PathBuf,
}

/// Names that are tried: those of processes that were killed, or have the same pid in another
/// namespace, may be there.
const MOST_NAMES: u32 = 1000;

impl Temporary {
    /// A new file in the folder of `target`: rename(2) works only within a file system. Its name
    /// does not hold the target's, which may have no room for more.
    fn beside(target: &Path) -> io::Result<Temporary> {
        let mut number = 0;
        loop {
            let name = format!(".readyc-{}-{number}.tmp", std::process::id());
            let path = folder_of(target).join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Temporary { file, path }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && number < MOST_NAMES => {
                    number += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts it in the place of `target`. If that fails it stays, and its path is told.
    fn rename(mut self, target: &Path) -> Result<(), (io::Error, PathBuf)> {
        let path = std::mem::take(&mut self.path);
        fs::rename(&path, target).map_err(|error| (error, path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Once it was renamed, the path is empty.
        if self.path != Path::new("") {
            // An error cannot be helped: the file may be gone with its folder.
            let _ = fs::remove_file(&self.path);
        }
    }
}
