//! `--sandbox`: this process gives up the rights that serving does not need, and says what is in
//! force; and `--check-sandbox`.
//!
//! Invariants: only a process that reads clients' bytes is confined, never a supervisor, which
//! starts programs and reads the files of its shards. A process is confined while it has one thread
//! and before it reads the first byte, so each thread that loads a table or writes a capture is
//! confined as well. The files of traces and captures are open by then.

use crate::output::print_for_people;
use crate::start::StartError;
use crate::zone;
use readyd::config::Config;
use readyd::config::listen::{BindTarget, TlsFiles};
use readyd::config::sandbox::Sandbox;
use readyd::os::landlock::{self, COMPLETE_ABI, Confined, FORBIDDEN, Kept, LandlockError};
use readyd::os::memory;
use readyd::zone::source::{ZONEINFO, ZoneSource};
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[cfg(test)]
mod tests;

/// Why `--sandbox=require` ends the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SandboxError {
    /// There is no Landlock, or it failed.
    Landlock(LandlockError),
    /// The kernel's ABI is older than [`COMPLETE_ABI`].
    TooOld(u32),
}

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("--sandbox=require: ")?;
        match self {
            SandboxError::Landlock(error) => write!(f, "{error}")?,
            SandboxError::TooOld(abi) => {
                write!(f, "this kernel's Landlock (ABI {abi}) cannot forbid ")?;
                write!(f, "{}", Missing(*abi))?;
            }
        }
        f.write_str("; --sandbox=try starts with what the kernel can")
    }
}

/// What an ABI cannot forbid, with the kernels that can.
struct Missing(u32);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = FORBIDDEN.iter().filter(|(_, since, _)| *since > self.0);
        for (index, (what, _, linux)) in missing.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{what} (Linux {linux})")?;
        }
        Ok(())
    }
}

/// The folders that this process may read beneath, once it is confined.
static READABLE: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// An error if `--sandbox=require` asks for more than this kernel can.
pub(crate) fn check_required(config: &Config) -> Result<(), SandboxError> {
    if config.sandbox != Sandbox::Require {
        return Ok(());
    }
    match landlock::abi() {
        Ok(abi) if abi < COMPLETE_ABI => Err(SandboxError::TooOld(abi)),
        Ok(_) => Ok(()),
        Err(error) => Err(SandboxError::Landlock(error)),
    }
}

/// Whether [`enter`] will confine this process.
pub(crate) fn will_confine(config: &Config) -> bool {
    config.sandbox != Sandbox::Off && landlock::abi().is_ok()
}

/// Confines this process, if `--sandbox` says so, and logs what is in force. Returns the ABI of
/// Landlock, 0 if the process is not confined.
///
/// Call it when everything is open and `--user` is in force, while there is one thread.
/// `config_file` is the one that a reload reads again.
pub(crate) fn enter(
    config: &Config,
    config_file: Option<&Path>,
    is_shard: bool,
) -> Result<u32, StartError> {
    if config.sandbox == Sandbox::Off {
        return Ok(0);
    }
    check_required(config).map_err(StartError::Sandbox)?;
    // A reload of the configuration may ask for it, and it is read from /proc.
    memory::limit_for_buffers();
    // A shard gets table, time zone and limits from its supervisor.
    let kept = match is_shard {
        true => Kept::default(),
        false => needed_by_reloads(config, config_file),
    };
    match landlock::confine(kept) {
        Ok(confined) => {
            log::info!("{}", InForce(&confined));
            let _ = READABLE.set(confined.kept.read);
            Ok(confined.abi)
        }
        Err(error) if config.sandbox == Sandbox::Require => {
            Err(StartError::Sandbox(SandboxError::Landlock(error)))
        }
        Err(error) => {
            log::info!("not sandboxed: {error}");
            Ok(0)
        }
    }
}

/// The advice for an error of opening a file, if the sandbox may be its cause.
pub(crate) fn advice(error: &io::Error) -> String {
    let folders = READABLE.get().filter(|_| error.kind() == ErrorKind::PermissionDenied);
    let Some(folders) = folders else { return String::new() };
    let folders = shown(folders);
    format!(" (the sandbox lets it read beneath {folders} only; see --sandbox)")
}

/// The log line.
struct InForce<'a>(&'a Confined);

impl fmt::Display for InForce<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Confined { abi, kept: Kept { read, remove } } = self.0;
        write!(f, "sandboxed by Landlock ABI {abi}: ")?;
        match read.is_empty() {
            true => f.write_str("opens no file")?,
            false => write!(f, "reads only beneath {}", shown(read))?,
        }
        if !remove.is_empty() {
            write!(f, ", removes only beneath {}", shown(remove))?;
        }
        match Missing(*abi).to_string() {
            missing if missing.is_empty() => Ok(()),
            missing => write!(f, "; not forbidden: {missing}"),
        }
    }
}

fn shown(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

/// What a server without a supervisor opens later: the table, the configuration, the time zone, and
/// the folder in which it removes its unix socket.
///
/// Folders, because a file is best replaced by rename(2), and the new one is another file.
fn needed_by_reloads(config: &Config, config_file: Option<&Path>) -> Kept {
    let of_tls = config.listeners.iter().filter_map(|listen| listen.tls.as_deref());
    let files = config.table.as_deref().into_iter().chain(config_file);
    let files = files.chain(of_tls.flat_map(TlsFiles::paths));
    let mut read = files.flat_map(folders_of).chain(places_of_zone(&zone::source(config)));
    let sockets = config.listeners.iter().filter_map(|listen| match &listen.target {
        BindTarget::Unix(address) => address.path(),
        _ => None,
    });
    let mut remove = sockets.filter_map(Path::parent).map(Path::to_owned);
    Kept { read: highest(&mut read), remove: highest(&mut remove) }
}

/// The paths that are not beneath another of them, each once.
fn highest(paths: &mut dyn Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut highest: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !highest.iter().any(|earlier| path.starts_with(earlier)) {
            highest.retain(|earlier| !earlier.starts_with(&path));
            highest.push(path);
        }
    }
    highest
}

/// The files and folders in which the rules of the time zone are looked for.
fn places_of_zone(source: &ZoneSource) -> Vec<PathBuf> {
    match source {
        ZoneSource::Utc => Vec::new(),
        // Its folder is /etc, where secrets are: the file alone, and the zones that it can be a
        // symbolic link to.
        ZoneSource::Machine(path) => {
            let mut places = folders_of(path);
            places.retain(|folder| Some(folder.as_path()) != path.parent());
            places.extend([path.clone(), ZONEINFO.into()]);
            places
        }
        ZoneSource::File(path) => folders_of(path),
        ZoneSource::Name { name, folder } => {
            let mut places = folders_of(&folder.join(name));
            places.push(folder.clone());
            places
        }
    }
}

/// The folder in which the path names a file, and the folder of the file that it leads to, if there
/// are symbolic links. A FIFO can be replaced by a regular file, so its folder is one, too.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Vec::new(),
    };
    let target = fs::canonicalize(path).ok().and_then(|path| Some(path.parent()?.to_owned()));
    let named = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mut folders: Vec<PathBuf> = target.into_iter().chain([named]).collect();
    // /dev/stdin and /dev/fd/63 are names of other files. Devices are no table.
    folders.retain(|folder| folder != Path::new("/dev") && !folder.starts_with("/proc"));
    folders
}

/// `--check-sandbox`: confines this process, and prints what is in force.
///
/// # Errors
///
/// Why `--sandbox=require` would not start.
pub(crate) fn check() -> Result<(), StartError> {
    let confined = landlock::confine(Kept::default())
        .map_err(|error| StartError::Sandbox(SandboxError::Landlock(error)))?;
    let abi = confined.abi;
    let mut text = format!("Landlock ABI {abi}\n");
    for (what, since, linux) in FORBIDDEN {
        text += &match abi >= since {
            true => format!("{what}: forbidden\n"),
            false => format!("{what}: not forbidden (Linux {linux})\n"),
        };
    }
    text += "UDP, unix sockets with a path: not forbidden\n";
    print_for_people(&text)?;
    match abi {
        COMPLETE_ABI.. => Ok(()),
        _ => Err(StartError::Sandbox(SandboxError::TooOld(abi))),
    }
}
