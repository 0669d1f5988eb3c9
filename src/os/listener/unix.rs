//! Listening unix sockets, unix(7).
//!
//! bind(2) creates a file, which stays when the socket is closed, and it fails if any file is
//! there.
//!
//! Invariant: a file that was there before is left alone, unless it is a socket that no process has
//! open. The file that bind(2) made is removed when the last [`Listener`] with it is dropped,
//! unless another file has taken its place.

use super::Listener;
use crate::io::address::{Address, UnixAddress};
use crate::os::privileges::owner::OwnerIds;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod stale;
#[cfg(test)]
mod tests;

/// A socket that is bound and does not listen yet: connect(2) to it says ECONNREFUSED.
#[derive(Debug)]
pub struct Bound {
    // Fields are dropped in this order: the file is gone before the socket is closed.
    file: Option<Arc<SocketFile>>,
    socket: Socket,
}

/// Which users may connect: those that may write to the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileRights {
    /// Its permission bits, chmod(2). Without them the umask of the process decides.
    pub mode: Option<u32>,
    /// Its owner. Without one the user of the process is.
    pub owner: Option<OwnerIds>,
}

/// Binds, and sets the rights on the file: before anyone can connect, because it does not listen
/// yet. A socket that was left behind by a process that has ended is replaced.
///
/// # Errors
///
/// What socket(2), bind(2), chmod(2) or lchown(2) say: EADDRINUSE if there is a file that is not
/// ours to replace; ENOENT if there is no such directory.
pub fn bind(address: &UnixAddress, rights: FileRights) -> io::Result<Bound> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let name = sock_addr(address)?;
    match socket.bind(&name) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if !stale::replace(address, || socket.bind(&name))? {
                return Err(error);
            }
            log::info!("{address} was left behind by a process that has ended; replaced");
        }
        bound => bound?,
    }
    let Some(path) = address.path() else { return Ok(Bound { file: None, socket }) };
    // Without its identity the file could be another one by then, so it is not removed.
    let file = SocketFile::at(path).ok().map(Arc::new);
    if let Some(owner) = rights.owner {
        owner.own(path)?;
    }
    // After lchown(2), which may clear bits of the mode.
    if let Some(mode) = rights.mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(Bound { file, socket })
}

/// Sets the rights that the file of a socket does not have yet. Does nothing without a file.
///
/// # Errors
///
/// What chmod(2) or lchown(2) say.
pub fn set_rights(address: &UnixAddress, rights: FileRights) -> io::Result<()> {
    let Some(path) = address.path() else { return Ok(()) };
    let Ok(file) = fs::symlink_metadata(path) else { return Ok(()) };
    if let Some(owner) = rights.owner.filter(|owner| !owner.owns(&file)) {
        owner.own(path)?;
    }
    match rights.mode {
        Some(mode) if file.mode() & 0o7777 != mode => {
            fs::set_permissions(path, Permissions::from_mode(mode))
        }
        _ => Ok(()),
    }
}

/// The address as bind(2) and connect(2) take it.
///
/// # Errors
///
/// None: it was checked when it was read.
pub fn sock_addr(address: &UnixAddress) -> io::Result<SockAddr> {
    match address.as_str().strip_prefix('@') {
        Some(name) => SockAddr::unix(format!("\0{name}")),
        None => SockAddr::unix(address.as_str()),
    }
}

/// Whether both are the address of one socket that is there, however its path is written.
pub fn is_same(one: &UnixAddress, other: &UnixAddress) -> bool {
    let file = |address: &UnixAddress| {
        fs::symlink_metadata(address.path()?).ok().map(|file| identity(&file))
    };
    one == other || file(one).is_some_and(|one| file(other) == Some(one))
}

/// The address that a unix socket is bound to.
///
/// # Errors
///
/// What getsockname(2) says; [`io::ErrorKind::InvalidData`] if the socket has an address that
/// cannot be written, such as a relative path.
pub fn address_of(socket: &impl AsFd) -> io::Result<Address> {
    let address = SockRef::from(socket).local_addr()?;
    let text = match (address.as_pathname(), address.as_abstract_namespace()) {
        (Some(path), _) => path.to_str().map(str::to_owned),
        (None, Some(name)) => std::str::from_utf8(name).ok().map(|name| format!("@{name}")),
        (None, None) => None,
    };
    let not_written = || io::Error::from(ErrorKind::InvalidData);
    let address = UnixAddress::new(&text.ok_or_else(not_written)?);
    address.map(Address::Unix).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

impl Bound {
    /// Listens, as [`super::listen`].
    ///
    /// # Errors
    ///
    /// What listen(2) says.
    pub fn listen(self, backlog: u32) -> io::Result<Listener> {
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(Listener::Unix { file: self.file, socket: self.socket.into() })
    }
}

/// The file of a socket that was bound here. It is removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
    /// Whether another process removes it.
    is_left: AtomicBool,
}

/// Device and inode: no other file has both while this one exists.
type Identity = (u64, u64);

fn identity(file: &Metadata) -> Identity {
    (file.dev(), file.ino())
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<SocketFile> {
        let identity = identity(&fs::symlink_metadata(path)?);
        Ok(SocketFile { path: path.to_owned(), identity, is_left: AtomicBool::new(false) })
    }

    /// The file of a socket that another process has bound and hands over, if `path` leads to a
    /// socket. It is removed here once [`SocketFile::keep`] was called.
    ///
    /// # Errors
    ///
    /// What lstat(2) says.
    pub fn handed_over(path: &Path) -> io::Result<SocketFile> {
        let file = SocketFile::at(path)?;
        file.leave();
        Ok(file)
    }

    /// The file belongs to this process from now on: it is removed with its listener.
    pub fn keep(&self) {
        self.is_left.store(false, Ordering::Relaxed);
    }

    /// The file belongs to another process from now on: it is not removed here.
    pub fn leave(&self) {
        self.is_left.store(true, Ordering::Relaxed);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_left.load(Ordering::Relaxed) {
            return;
        }
        let Ok(there) = fs::symlink_metadata(&self.path) else { return };
        if identity(&there) != self.identity {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            log::warn!("cannot remove the socket {}: {error}", self.path.display());
        }
    }
}

/// Why bind(2) to a unix address says EADDRINUSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A socket on which a process listens.
    Listener,
    /// A socket that a process has open, and does not listen on yet.
    Silent,
    /// A socket that is not of our type, or to which we may not connect.
    OtherSocket,
    /// A file that is no socket.
    OtherFile,
    /// Another socket with this name in the abstract namespace.
    Name,
    /// The file is gone by now.
    Nothing,
}

impl Obstacle {
    /// Looks at the file. If it is a socket, connect(2) tells whether it listens; the connection is
    /// closed at once.
    pub fn at(address: &UnixAddress) -> Obstacle {
        let Some(path) = address.path() else { return Obstacle::Name };
        match fs::symlink_metadata(path) {
            Err(_) => Obstacle::Nothing,
            Ok(file) if !file.file_type().is_socket() => Obstacle::OtherFile,
            Ok(_) => match try_to_connect(address) {
                Ok(()) => Obstacle::Listener,
                // Its backlog is full.
                Err(error) if error.kind() == ErrorKind::WouldBlock => Obstacle::Listener,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => Obstacle::Silent,
                Err(_) => Obstacle::OtherSocket,
            },
        }
    }
}

fn try_to_connect(address: &UnixAddress) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&sock_addr(address)?)
}

/// What is there, and what to do.
impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Obstacle::Listener => {
                "another program listens on this socket; stop it, or choose another path"
            }
            Obstacle::Silent => {
                "there is a socket on which its program does not listen yet; wait for it, or \
                 choose another path"
            }
            Obstacle::OtherSocket => {
                "there is a socket of another program; stop it, or choose another path"
            }
            Obstacle::OtherFile => {
                "there is a file with this path that is no socket; choose another path"
            }
            Obstacle::Name => "another socket has this name; choose another name",
            Obstacle::Nothing => "the socket of this path is gone; try again",
        })
    }
}
