//! Files that the operator names: the configuration, the lookup table.
//!
//! Invariant: only accepted kinds of file are read, and no device except /dev/null is opened.
//! Opening a device can have effects (a tape rewinds, a terminal waits for a carrier), and opening
//! a FIFO waits for a writer; so stat(2) comes before open(2), and fstat(2) after it, because the
//! path may lead to another file by then.

use nix::fcntl::OFlag;
use nix::sys::stat::makedev;
use std::error::Error;
use std::fmt;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

#[cfg(test)]
mod tests;

/// What a path leads to, inode(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    Regular,
    /// A pipe, with a name (a FIFO) or without (`/dev/fd/63`, `/dev/stdin`).
    Pipe,
    /// /dev/null, an empty file that has no other effect.
    Null,
    /// A directory.
    Directory,
    /// A Unix socket.
    Socket,
    /// A character device other than /dev/null.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

impl Kind {
    /// The kind of the file that `metadata` describes.
    fn of(metadata: &Metadata) -> Kind {
        let file_type: FileType = metadata.file_type();
        match file_type {
            _ if file_type.is_dir() => Kind::Directory,
            _ if file_type.is_fifo() => Kind::Pipe,
            _ if file_type.is_socket() => Kind::Socket,
            _ if file_type.is_block_device() => Kind::BlockDevice,
            // The numbers of /dev/null, null(4).
            _ if file_type.is_char_device() && metadata.rdev() == makedev(1, 3) => Kind::Null,
            _ if file_type.is_char_device() => Kind::CharacterDevice,
            _ => Kind::Regular,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Regular => "a regular file",
            Kind::Pipe => "a pipe",
            Kind::Directory => "a directory",
            Kind::Socket => "a socket",
            Kind::Null | Kind::CharacterDevice => "a character device",
            Kind::BlockDevice => "a block device",
        })
    }
}

/// Which kinds of file may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Regular files, pipes and /dev/null. Opening a FIFO blocks until it has a writer, and reading
    /// a pipe blocks until all writers have closed it: for a start, which can be interrupted.
    Streams,
    /// Only regular files. Opening one never blocks: for a reload.
    RegularFiles,
}

impl Accepted {
    fn check(self, metadata: &Metadata) -> Result<(), OpenError> {
        let kind = Kind::of(metadata);
        let is_accepted = match self {
            Accepted::Streams => matches!(kind, Kind::Regular | Kind::Pipe | Kind::Null),
            Accepted::RegularFiles => kind == Kind::Regular,
        };
        if is_accepted { Ok(()) } else { Err(OpenError::Kind(WrongKind { kind, accepted: self })) }
    }

    fn flags(self) -> OFlag {
        match self {
            Accepted::Streams => OFlag::O_NOCTTY,
            Accepted::RegularFiles => OFlag::O_NOCTTY | OFlag::O_NONBLOCK,
        }
    }
}

/// A file of a kind that is not accepted; the operator's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongKind {
    /// What it is.
    pub kind: Kind,
    /// What it should be.
    pub accepted: Accepted,
}

impl fmt::Display for WrongKind {
    /// Continues a sentence that begins with the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.accepted) {
            (Kind::Pipe, Accepted::RegularFiles) => {
                f.write_str("is a pipe, which is read at the start only; name a regular file")
            }
            (kind, Accepted::RegularFiles) => write!(f, "is {kind}; name a regular file"),
            (kind, Accepted::Streams) => write!(f, "is {kind}; name a regular file or a pipe"),
        }
    }
}

/// Why a file was not opened.
#[derive(Debug)]
pub enum OpenError {
    /// It is of another kind.
    Kind(WrongKind),
    /// The system refused.
    System(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        OpenError::System(error)
    }
}

/// Opens the file at `path` for reading. Returns its size in bytes too, which is 0 for pipes and
/// for some files of proc(5).
///
/// # Errors
///
/// [`OpenError`], if it is of another kind than `accepted`, or the system refuses.
pub fn open(path: &Path, accepted: Accepted) -> Result<(File, u64), OpenError> {
    accepted.check(&fs::metadata(path)?)?;
    let file = OpenOptions::new().read(true).custom_flags(accepted.flags().bits()).open(path)?;
    let metadata = file.metadata()?;
    accepted.check(&metadata)?;
    Ok((file, metadata.len()))
}

/// Whether `path` leads to a pipe now; `false` if stat(2) fails.
pub fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| Kind::of(&metadata) == Kind::Pipe)
}

/// Why a file cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// It is of another kind.
    Kind(WrongKind),
    /// It has more than this many bytes.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The system refused, or there is no memory.
    System(io::Error),
}

impl fmt::Display for ReadError {
    /// Stands behind a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Kind(wrong) => write!(f, "it {wrong}"),
            ReadError::TooLong { limit } => {
                write!(f, "it is longer than the limit of {limit} bytes; shorten it")
            }
            ReadError::System(error) => write!(f, "{error}"),
        }
    }
}

impl Error for ReadError {}

impl From<OpenError> for ReadError {
    fn from(error: OpenError) -> ReadError {
        match error {
            OpenError::Kind(wrong) => ReadError::Kind(wrong),
            OpenError::System(error) => ReadError::System(error),
        }
    }
}

/// All bytes of the file or pipe at `path`, at most `limit`. Of a longer one, no more than one byte
/// beyond the limit is read.
///
/// # Errors
///
/// [`ReadError`].
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, ReadError> {
    let (file, _) = open(path, Accepted::Streams)?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(ReadError::System)?;
    if bytes.len() > limit { Err(ReadError::TooLong { limit }) } else { Ok(bytes) }
}
