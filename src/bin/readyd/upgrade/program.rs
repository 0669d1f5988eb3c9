//! Which program SIGUSR2 starts: the path by which this process was executed, made absolute at the
//! start, with the arguments of this process.
//!
//! Not /proc/self/exe: that leads to the file that runs, and an upgrade is to start the file that
//! has taken its path. A symbolic link in the path is followed at the upgrade.

use crate::child::own_path;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// An absolute path.
    pub(super) program: CString,
    /// Its arguments; the first is its name.
    pub(super) arguments: Vec<OsString>,
}

impl Command {
    /// The program and the arguments of this process. Call it before the working directory changes.
    pub(crate) fn own() -> Command {
        let arguments: Vec<OsString> = env::args_os().collect();
        let executed = Path::new(OsStr::from_bytes(own_path().to_bytes()));
        let name = arguments.first().map(OsString::as_os_str).unwrap_or_default();
        let path = absolute(named(executed, name, env::var_os("PATH").as_deref()));
        let program = CString::new(path.into_os_string().into_vec()).unwrap_or_default();
        Command { program, arguments }
    }

    /// The program's path, for people.
    pub(super) fn shown(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }
}

/// The path that execve(2) was given, unless that names a descriptor: then the first argument,
/// which is looked for in the folders of `search` if it has no slash.
fn named(executed: &Path, name: &OsStr, search: Option<&OsStr>) -> PathBuf {
    let is_descriptor = ["/dev/fd", "/proc"].iter().any(|folder| executed.starts_with(folder));
    if !is_descriptor && !executed.as_os_str().is_empty() {
        return executed.to_owned();
    }
    if name.as_bytes().contains(&b'/') {
        return name.into();
    }
    let folders = search.map(env::split_paths).into_iter().flatten();
    let found = folders.map(|folder| folder.join(name)).find(|path| is_executable(path));
    found.unwrap_or_else(|| executed.to_owned())
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn absolute(path: PathBuf) -> PathBuf {
    match env::current_dir() {
        Ok(folder) => folder.join(path),
        Err(_) => path,
    }
}
