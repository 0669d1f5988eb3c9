//! The pool on a network in memory, at a time of the tests' own.

mod connecting;
mod exchanging;
mod random;
mod rig;
mod suspending;
