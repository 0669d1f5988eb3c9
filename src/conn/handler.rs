//! What the engine asks of a service.
//!
//! Invariant: a service appends to a reply and says what becomes of the connection. It sees no
//! socket, so it can neither block nor close one.

use super::Work;
use crate::protocol::framing::Request;
use crate::protocol::reply::ReplyWriter;
use crate::server::close::CloseReason;
use std::fmt::{self, Write as _};

/// What a service does; implemented by the handlers, and by tests.
pub trait Handler {
    /// A connection was opened. What is appended to `reply` is sent as it is, without a header.
    fn on_open(&mut self, reply: &mut ReplyWriter<'_>) -> Outcome;

    /// A request came. What is appended to `reply` answers it, framed as the request was. If
    /// answering costs more than to copy a few bytes, the service takes that from `work`.
    fn on_request(
        &mut self,
        request: Request<'_>,
        reply: &mut ReplyWriter<'_>,
        work: &mut Work,
    ) -> Outcome;

    /// All output was taken, and the service had asked for [`Outcome::Produce`]: more of it.
    fn on_writable(&mut self, reply: &mut ReplyWriter<'_>);

    /// The connection is closed for `reason`: there was no whole request to answer. What is
    /// appended to `reply` tells the peer `why`.
    fn on_refused(
        &mut self,
        _reason: CloseReason,
        why: fmt::Arguments<'_>,
        reply: &mut ReplyWriter<'_>,
    ) {
        // Appending to a Vec cannot fail.
        let _ = write!(reply, "Error: {why}");
    }
}

/// What becomes of the connection after a greeting or a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Continue,
    /// It sends output without being asked, for as long as the peer takes it.
    Produce,
    /// It is closed, in order, once this reply has been sent.
    Finish(CloseReason),
}
