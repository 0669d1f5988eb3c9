//! The conversations behind readyc's commands.

mod chat;
mod check;
mod clock_sync;
mod dialogue;
mod exchange;

pub use chat::Chat;
pub use check::Check;
pub use clock_sync::{ClockSync, Estimate, Sample};
pub use dialogue::{Dialogue, Exchange, Plan};
pub use exchange::AddressExchange;

#[cfg(test)]
mod tests;
