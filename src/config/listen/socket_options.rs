//! Options of the socket of a listener: the rights on the file of a unix socket, and `IP_FREEBIND`.

use super::{BindTarget, ListenError};
use crate::os::privileges::owner::FileOwner;
use std::fmt;
use std::str::FromStr;

/// What is set on a socket before it listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// The mode of the file of a unix socket. Without it the umask of the process decides.
    pub mode: Option<FileMode>,
    /// The owner of the file of a unix socket. Without it the user of the process is.
    pub owner: Option<FileOwner>,
    /// Whether the address may be one that no interface has yet: `IP_FREEBIND`, ip(7).
    pub is_freebind: bool,
}

/// The permission bits of a file, chmod(2): at most 0777.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(u32);

impl FileMode {
    /// Its bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<FileMode, ListenError> {
        let is_octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = u32::from_str_radix(text, 8).ok().filter(|&mode| is_octal && mode <= 0o777);
        mode.map(FileMode).ok_or_else(|| ListenError::BadMode(text.to_owned()))
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// As they are written behind an address, each after a comma.
impl fmt::Display for SocketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mode.iter().try_for_each(|mode| write!(f, ",mode={mode}"))?;
        self.owner.iter().try_for_each(|owner| write!(f, ",owner={owner}"))?;
        if self.is_freebind { f.write_str(",freebind") } else { Ok(()) }
    }
}

impl SocketOptions {
    /// An error if one of them means nothing for this target.
    pub(super) fn check(&self, target: &BindTarget) -> Result<(), ListenError> {
        let has_file = matches!(target, BindTarget::Unix(address) if address.path().is_some());
        if !has_file && self.mode.is_some() {
            return Err(ListenError::NoFile("mode"));
        }
        if !has_file && self.owner.is_some() {
            return Err(ListenError::NoFile("owner"));
        }
        if self.is_freebind && target.addresses().is_empty() {
            return Err(ListenError::NothingToBind("freebind"));
        }
        Ok(())
    }
}
