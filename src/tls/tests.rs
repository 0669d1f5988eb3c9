mod authority;
mod identity;
mod pem;
mod random;
#[cfg(feature = "client-library")]
mod secured;
mod session;
mod tickets;
