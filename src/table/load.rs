//! Reading the file of a table into memory, up to a limit, and checking it meanwhile.

use super::Table;
use super::draft::Draft;
use super::error::LoadError;
use super::parse::Extent;
use super::{ColumnOrder, MAX_TEXT_BYTES};
use crate::os::files::{self, Accepted, OpenError};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Bytes that are read before they are checked: few enough to stay in the processor's cache.
const CHUNK: usize = 256 * 1024;

/// Loads the table in the file at `path`, which has at most `max_bytes` bytes.
pub(super) fn load(
    path: &Path,
    order: ColumnOrder,
    max_bytes: u64,
    accepted: Accepted,
) -> Result<Table, LoadError> {
    let path_buf = || path.to_path_buf();
    let (mut file, size) = files::open(path, accepted).map_err(|error| match error {
        OpenError::Kind(wrong) => LoadError::Kind { path: path_buf(), wrong },
        OpenError::System(error) => LoadError::Open { path: path_buf(), error },
    })?;
    let unreadable = |error| LoadError::Read { path: path_buf(), error };
    let at_fault = |error| LoadError::Content { path: path_buf(), error };
    let limit = max_bytes.min(MAX_TEXT_BYTES);

    let text = room_for(size.min(limit)).map_err(unreadable)?;
    let mut draft = Draft::new(text, order);
    loop {
        // One byte beyond the limit shows that the file is too long.
        let most = (limit + 1 - draft.bytes_read() as u64).min(CHUNK as u64) as usize;
        let count = read_chunk(&mut file, &mut draft.text, most).map_err(unreadable)?;
        let extent = if count == 0 { Extent::Whole } else { Extent::Beginning };
        draft.check(extent).map_err(at_fault)?;
        if draft.bytes_read() as u64 > limit {
            let line = draft.line_of(limit as usize);
            return Err(LoadError::OverLimit { path: path_buf(), limit, line });
        }
        if extent == Extent::Whole {
            return draft.finish().map_err(at_fault);
        }
    }
}

/// A buffer for a file of `size` bytes and one more, which shows whether the file has grown. A
/// vector that grows by itself doubles, and may hold its old and its new bytes at once; only a
/// pipe, whose size is unknown, pays for that.
fn room_for(size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if size > 0 {
        bytes.try_reserve_exact(usize::try_from(size + 1).unwrap_or(usize::MAX))?;
    }
    Ok(bytes)
}

/// Appends the bytes of one read(2), at most `most`, to `bytes`. Returns their number: 0 at the end
/// of the file.
fn read_chunk(file: &mut File, bytes: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    let length = bytes.len();
    if length == bytes.capacity() {
        bytes.try_reserve(most)?;
    }
    let room = (bytes.capacity() - length).min(most);
    bytes.resize(length + room, 0);
    let result = loop {
        match file.read(bytes.get_mut(length..).unwrap_or_default()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => break result,
        }
    };
    bytes.truncate(length + result.as_ref().map_or(0, |&count| count));
    result
}
