//! The faults that real systems fell by, one test each.
