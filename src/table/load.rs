//! The file of a table, read into memory within a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::LoadError;
use super::parse::count_line_ends;

/// The contents of the file at `path`, if they are at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let file =
        File::open(path).map_err(|error| LoadError::Open { path: path.to_path_buf(), error })?;
    let unreadable = |error| LoadError::Read { path: path.to_path_buf(), error };
    let metadata = file.metadata().map_err(unreadable)?;
    // Linux opens a directory without complaint; only reading it fails.
    if metadata.is_dir() {
        return Err(LoadError::Directory { path: path.to_path_buf() });
    }
    let text = read_at_most(file, metadata.len(), limit + 1).map_err(unreadable)?;
    match text.get(..limit as usize) {
        Some(within) if text.len() > within.len() => Err(LoadError::OverLimit {
            path: path.to_path_buf(),
            limit,
            line: 1 + count_line_ends(within),
        }),
        _ => Ok(text),
    }
}

/// The first `most` bytes of `file`, or all of it if it has fewer.
///
/// `expected` is the file's size, 0 if that is not known. It is reserved at once and exactly: a
/// vector that grows on its own doubles, and may hold its old and its new bytes together. A FIFO,
/// which tells no size, has to pay that.
fn read_at_most(file: File, expected: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(expected.min(most) as usize)?;
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
