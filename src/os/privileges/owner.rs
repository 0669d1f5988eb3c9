//! The owner of a file, as chown(1) takes it.

use super::{AccountError, look_up_group, number_or_name};
use nix::unistd::{Uid, User};
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::str::FromStr;

/// `USER`, `USER:GROUP` or `:GROUP`, each a name or a number. A part that is not given stays as it
/// is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOwner {
    user: Option<String>,
    group: Option<String>,
}

impl FromStr for FileOwner {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<FileOwner, AccountError> {
        let (user, group) = match text.split_once(':') {
            Some((_, "")) => return Err(AccountError::NoGroup),
            Some((user, group)) => (user, Some(group.to_owned())),
            None if text.is_empty() => return Err(AccountError::NoUser),
            None => (text, None),
        };
        Ok(FileOwner { user: (!user.is_empty()).then(|| user.to_owned()), group })
    }
}

impl fmt::Display for FileOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.user.iter().try_for_each(|user| f.write_str(user))?;
        self.group.iter().try_for_each(|group| write!(f, ":{group}"))
    }
}

/// The numbers of an owner: lchown(2) leaves a part alone that is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerIds {
    uid: Option<u32>,
    gid: Option<u32>,
}

impl FileOwner {
    /// Looks up the names, passwd(5) and group(5). Numbers need no look-up.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if there is no such user or group.
    pub fn resolve(&self) -> Result<OwnerIds, AccountError> {
        let uid = self.user.as_deref().map(|user| match number_or_name(user) {
            Ok(number) => Ok(Uid::from_raw(number)),
            Err(name) => {
                let entry = User::from_name(name).map_err(AccountError::Unreadable)?;
                let unknown = || AccountError::UnknownUser(name.to_owned());
                entry.map(|entry| entry.uid).ok_or_else(unknown)
            }
        });
        let gid = self.group.as_deref().map(|group| match number_or_name(group) {
            Ok(number) => Ok(number),
            Err(name) => look_up_group(name).map(|gid| gid.as_raw()),
        });
        let ids = OwnerIds { uid: uid.transpose()?.map(Uid::as_raw), gid: gid.transpose()? };
        match [ids.uid, ids.gid].contains(&Some(u32::MAX)) {
            true => Err(AccountError::NoAccount),
            false => Ok(ids),
        }
    }
}

impl OwnerIds {
    /// Whether the file has this owner.
    pub fn owns(self, file: &Metadata) -> bool {
        self.uid.is_none_or(|uid| uid == file.uid()) && self.gid.is_none_or(|gid| gid == file.gid())
    }

    /// Gives the file to the owner, and not what a symbolic link names.
    ///
    /// # Errors
    ///
    /// What lchown(2) says: EPERM for a user who may not give files away.
    pub fn own(self, path: &Path) -> io::Result<()> {
        lchown(path, self.uid, self.gid)
    }
}
