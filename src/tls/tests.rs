mod authority;
mod identity;
mod pem;
mod tickets;
