//! Immutable bytes: on the heap, or in a sealed memfd that processes share.

#[cfg(unix)]
use crate::os::sealed_memfd::SealedMemfd;
use std::ops::Deref;
#[cfg(unix)]
use std::{ops::Range, sync::Arc};

/// See the [module](self).
pub(super) enum Bytes {
    /// On the heap of this process.
    Owned(Box<[u8]>),
    /// A range of a mapped memfd.
    #[cfg(unix)]
    Shared(Arc<SealedMemfd>, Range<usize>),
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Owned(bytes) => bytes,
            #[cfg(unix)]
            Bytes::Shared(mapping, range) => mapping.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes::Owned(bytes.into_boxed_slice())
    }
}
