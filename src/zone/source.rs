//! Where the rules of the time zone come from: the variables `TZ` and `TZDIR`, as in `tzset(3)`,
//! and the file that they name.
//!
//! Invariant: reading a zone never blocks on another process, and takes no more memory than
//! [`MAX_SIZE`] and the rules. A FIFO or a device in place of the file is refused.

use super::{MAX_SIZE, RulesError, Zone, ZoneRules};
use nix::fcntl::OFlag;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

#[cfg(test)]
mod tests;

/// The file of the machine's zone, used if `TZ` is not set.
const LOCALTIME: &str = "/etc/localtime";

/// The directory of zones, used if `TZDIR` is not set.
pub const ZONEINFO: &str = "/usr/share/zoneinfo";

/// Where the rules of the time zone come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneSource {
    /// Nowhere: UTC.
    Utc,
    /// The machine's file. A machine without one is in UTC.
    Machine(PathBuf),
    /// The file that `TZ` names by an absolute path.
    File(PathBuf),
    /// The file that `TZ` names in the folder of zones; or the POSIX rule that `TZ` holds.
    Name {
        /// The name, or the rule.
        name: OsString,
        /// The folder of zones.
        folder: PathBuf,
    },
}

impl ZoneSource {
    /// The source of `zone`, if `tz` and `tzdir` are the values of the variables `TZ` and `TZDIR`.
    pub fn new(zone: Zone, tz: Option<&OsStr>, tzdir: Option<&OsStr>) -> ZoneSource {
        let tz = match (zone, tz) {
            (Zone::Utc, _) => return ZoneSource::Utc,
            (Zone::Local, None) => return ZoneSource::Machine(LOCALTIME.into()),
            (Zone::Local, Some(tz)) => tz.as_bytes(),
        };
        // POSIX leaves the meaning of a colon to the system; glibc and musl pass over it.
        let name = OsStr::from_bytes(tz.strip_prefix(b":").unwrap_or(tz));
        let folder = tzdir.filter(|folder| !folder.is_empty()).unwrap_or(ZONEINFO.as_ref());
        if name.is_empty() || name == "UTC" {
            ZoneSource::Utc
        } else if Path::new(name).is_absolute() {
            ZoneSource::File(name.into())
        } else {
            ZoneSource::Name { name: name.into(), folder: folder.into() }
        }
    }

    /// Reads the rules.
    ///
    /// # Errors
    ///
    /// The name is unknown, or the file cannot be read or is not a time zone.
    pub fn load(&self) -> Result<ZoneRules, ZoneError> {
        match self {
            ZoneSource::Utc => Ok(ZoneRules::utc()),
            ZoneSource::Machine(path) => match read(path) {
                Err(FileError::System(error)) if is_missing(&error) => Ok(ZoneRules::utc()),
                other => other.map_err(|error| ZoneError::File(path.clone(), error)),
            },
            ZoneSource::File(path) => {
                read(path).map_err(|error| ZoneError::File(path.clone(), error))
            }
            ZoneSource::Name { name, folder } => by_name(name, folder),
        }
    }
}

/// The rules in the file called `name` in `folder`. If there is no such file, `name` is parsed as a
/// POSIX rule.
fn by_name(name: &OsStr, folder: &Path) -> Result<ZoneRules, ZoneError> {
    let is_upward = |component: Component<'_>| component == Component::ParentDir;
    if Path::new(name).components().any(is_upward) {
        return Err(ZoneError::Upward(shown(name)));
    }
    let path = folder.join(name);
    match read(&path) {
        Err(FileError::System(error)) if is_missing(&error) => {
            ZoneRules::from_posix(name.as_bytes())
                .map_err(|_| ZoneError::Unknown { name: shown(name), folder: folder.into() })
        }
        other => other.map_err(|error| ZoneError::File(path, error)),
    }
}

/// Whether the error means that there is no file of this name. A POSIX rule may contain a slash
/// (ENOTDIR), and may be longer than a file name (ENAMETOOLONG).
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename
    )
}

fn shown(name: &OsStr) -> String {
    name.as_bytes().escape_ascii().to_string()
}

/// Reads the rules in a file.
fn read(path: &Path) -> Result<ZoneRules, FileError> {
    // Without O_NONBLOCK, open(2) of a FIFO waits until another process opens it for writing.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
        .map_err(FileError::System)?;
    if !file.metadata().map_err(FileError::System)?.is_file() {
        return Err(FileError::NotRegular);
    }
    let bytes = read_up_to(MAX_SIZE + 1, &file).map_err(FileError::System)?;
    ZoneRules::from_tzif(&bytes).map_err(FileError::Rules)
}

fn read_up_to(limit: usize, file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why a time zone cannot be loaded.
#[derive(Debug)]
pub enum ZoneError {
    /// `TZ` is neither the name of a file nor a POSIX rule.
    Unknown {
        /// The value of `TZ`, escaped.
        name: String,
        /// Where a file of this name was looked for.
        folder: PathBuf,
    },
    /// `TZ` leads out of the folder of zones.
    Upward(String),
    /// The file cannot be used.
    File(PathBuf, FileError),
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum FileError {
    /// It cannot be opened or read.
    System(io::Error),
    /// It is a folder, a FIFO or a device.
    NotRegular,
    /// It holds no time zone.
    Rules(RulesError),
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ZoneError::Unknown { name, folder } => write!(
                f,
                "unknown time zone TZ=\"{name}\": {} has no file of this name, and it is no POSIX \
                 rule such as CET-1CEST,M3.5.0,M10.5.0/3",
                folder.display()
            ),
            ZoneError::Upward(name) => write!(
                f,
                "unknown time zone TZ=\"{name}\": a name may not contain \"..\" (give an absolute \
                 path)"
            ),
            ZoneError::File(path, error) => {
                write!(f, "cannot read the time zone from {}: {error}", path.display())
            }
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::System(error) => write!(f, "{error}"),
            FileError::NotRegular => f.write_str("it is not a regular file"),
            FileError::Rules(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ZoneError {}
