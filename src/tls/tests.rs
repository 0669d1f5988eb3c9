mod authority;
mod identity;
mod pem;
mod random;
#[cfg(feature = "client")]
mod secured;
mod session;
mod tickets;
