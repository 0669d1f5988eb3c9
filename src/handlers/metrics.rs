//! The metrics service: HTTP for those who watch the server.
//!
//! ```text
//! /metrics   the statistics in the text format of Prometheus, version 0.0.4
//! /healthz   200 for as long as the loop turns
//! /readyz    200; 503 from the order to stop on, so that balancers send nobody any more
//! ```
//!
//! Invariant: the text is made once a turn at most, and counts as work as `STATS` does, so a client
//! that asks without end has its share of each turn and no more.

use super::daytime::http_date;
use super::{Context, framed};
use crate::conn::{Outcome, Work};
use crate::protocol::http::{self, HeadError, Method, Then};
use crate::protocol::reply::ReplyWriter;
use crate::server::close::CloseReason;
use crate::server::stats::publishing::Detail;
use std::fmt::{self, Write as _};

#[cfg(test)]
mod tests;

/// What Prometheus asks for; version 3 refuses an answer without it.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The type of all other answers.
const TEXT: &str = "text/plain; charset=utf-8";

/// An answer but for its body.
struct Answer {
    status: &'static str,
    content_type: &'static str,
    method: Method,
    then: Then,
}

impl Answer {
    /// Appends the head and, unless only that was asked for, the body.
    fn write(&self, body: &[u8], date: &str, reply: &mut ReplyWriter<'_>) {
        let Answer { status, content_type, method, then } = self;
        let length = body.len();
        // Appending to a Vec cannot fail.
        let _ = write!(
            reply,
            "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Type: {content_type}\r\n\
             Content-Length: {length}\r\nCache-Control: no-store\r\n"
        );
        if *method == Method::NotAllowed {
            reply.push(b"Allow: GET, HEAD\r\n");
        }
        if *then == Then::Close {
            reply.push(b"Connection: close\r\n");
        }
        reply.push(b"\r\n");
        if *method != Method::Head {
            reply.push(body);
        }
    }
}

/// Answers one request.
pub(super) fn respond(
    head: &[u8],
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
    work: &mut Work,
) -> Outcome {
    let asked = match http::parse(head) {
        // The next request of this client is for the process that has the listeners now.
        Ok(Some(asked)) if context.publisher.has_handed_over() => {
            http::Asked { then: Then::Close, ..asked }
        }
        Ok(Some(asked)) => asked,
        Ok(None) => {
            context.stats.requests -= 1;
            return Outcome::Continue;
        }
        Err(error) => return refuse_head(head, error, context, reply),
    };
    let date = http_date(context.system.wall_time());
    let mut answer = |status, body: &str| {
        let (method, then) = (asked.method, asked.then);
        Answer { status, content_type: TEXT, method, then }.write(body.as_bytes(), &date, reply);
    };
    match (asked.method, asked.path) {
        (Method::NotAllowed, _) => answer("405 Method Not Allowed", "only GET and HEAD\n"),
        (_, b"/metrics") if !context.publisher.may_read(context.peer) => {
            context.stats.refusals += 1;
            answer("403 Forbidden", "this address may not read statistics (--stats-from)\n");
        }
        (method, b"/metrics") => {
            let Context { publisher, stats, system, now, .. } = context;
            work.spent += framed::cost_of_statistics(publisher, stats, Detail::Metrics);
            let body = publisher.report(stats, *system, *now, Detail::Metrics).as_bytes();
            let then = asked.then;
            let answer = Answer { status: "200 OK", content_type: EXPOSITION, method, then };
            answer.write(body, &date, reply);
        }
        (_, b"/healthz") => answer("200 OK", "ok\n"),
        (_, b"/readyz") if context.stats.draining > 0 => {
            answer("503 Service Unavailable", "draining\n");
        }
        (_, b"/readyz") => answer("200 OK", "ready\n"),
        _ => answer("404 Not Found", "there are /metrics, /healthz and /readyz\n"),
    }
    match asked.then {
        Then::KeepOpen => Outcome::Continue,
        Then::Close => Outcome::Finish(CloseReason::Served),
    }
}

fn refuse_head(
    head: &[u8],
    error: HeadError,
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
) -> Outcome {
    let (status, why) = match error {
        HeadError::Bad(why) => ("400 Bad Request", why),
        HeadError::Body => ("413 Content Too Large", "a request has no body here"),
        HeadError::UnknownMethod => ("501 Not Implemented", "only GET and HEAD"),
        HeadError::UnknownCoding => ("501 Not Implemented", "this transfer coding is not known"),
        HeadError::Version => ("505 HTTP Version Not Supported", "only HTTP/1.0 and HTTP/1.1"),
    };
    let method = if http::is_head_request(head) { Method::Head } else { Method::Get };
    write_refusal(status, format_args!("{why}"), method, context, reply);
    Outcome::Finish(CloseReason::BadFrame)
}

/// Answers what is no request.
pub(super) fn refuse(
    reason: CloseReason,
    why: fmt::Arguments<'_>,
    context: &mut Context<'_>,
    reply: &mut ReplyWriter<'_>,
) {
    let status = match reason {
        CloseReason::OverLimit => "431 Request Header Fields Too Large",
        CloseReason::FrameTimeout => "408 Request Timeout",
        _ => "400 Bad Request",
    };
    write_refusal(status, why, Method::Get, context, reply);
}

fn write_refusal(
    status: &'static str,
    why: fmt::Arguments<'_>,
    method: Method,
    context: &Context<'_>,
    reply: &mut ReplyWriter<'_>,
) {
    let answer = Answer { status, content_type: TEXT, method, then: Then::Close };
    let date = http_date(context.system.wall_time());
    answer.write(format!("{why}\n").as_bytes(), &date, reply);
}
