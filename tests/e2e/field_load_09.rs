//! A worker that hangs.
