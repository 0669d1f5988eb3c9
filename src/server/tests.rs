//! The server over a network in memory, on a clock that the tests set.

mod accepting;
mod admitting;
mod batching;
mod bench;
mod crowds;
#[cfg(feature = "tls")]
mod encrypted;
mod exchanging;
mod expiring;
mod fake_net;
mod last_clients;
mod measuring;
mod observing;
#[cfg(feature = "ops")]
mod operators;
#[cfg(feature = "ops")]
mod proxied;
#[cfg(feature = "ops")]
mod proxied_random;
mod random;
mod reloading;
mod shedding;
mod stopping;
