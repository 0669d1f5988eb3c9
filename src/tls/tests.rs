mod authority;
mod identity;
mod pem;
#[cfg(feature = "client")]
mod secured;
mod session;
mod tickets;
