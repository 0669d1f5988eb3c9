//! What the client makes of a server's bytes: the session's answers, however the bytes are chopped,
//! against a reference that sees them whole; and the load generator's verdicts.
//!
//! Input: a byte that chooses between the two, then what each says below.

mod session;
mod verdicts;

/// See the [module](self).
pub fn check(data: &[u8]) {
    match data.split_first() {
        Some((choice, rest)) if choice % 2 == 0 => session::check(rest),
        Some((_, rest)) => verdicts::check(rest),
        None => {}
    }
}
