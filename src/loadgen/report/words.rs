//! The sentences of a report, the same in all output formats.

use super::units::{bytes, count, counted, micros, nearly_all, percent, rate, span};
use super::{Achieved, Asked, ByErrno, Mode, OLDER_SCHEMA, Report, TlsAchieved, Validity};
use nix::errno::Errno;

/// The title of the verdict on a client that shows in the figures.
pub(crate) const INVALID: &str = "INVALID: the load generator affected these figures";

/// How requests were paced, and from when latency counts.
pub(crate) fn mode(report: &Report) -> String {
    let asked = &report.asked;
    match report.mode {
        Mode::Open => format!(
            "open loop, {}scheduled; latency from the intended time",
            asked.rate.map_or_else(String::new, |per_second| {
                let mean = if report.steps.len() > 1 { "a mean of " } else { "" };
                format!("{mean}{} ", rate(per_second).replace("/s", " requests per second"))
            })
        ),
        Mode::Closed => format!(
            "closed loop, {} × {} in flight",
            counted(asked.connections, "connection"),
            counted(asked.pipeline, "request")
        ),
    }
}

/// The servers, the workload and the number of connections, in short phrases.
pub(crate) fn setup(report: &Report) -> Vec<String> {
    let asked = &report.asked;
    let mut phrases = vec![
        format!("{}, {}", asked.workload, size(asked)),
        listed(&asked.targets, 3),
        counted(asked.connections, "connection"),
    ];
    if asked.idle > 0 {
        phrases.push(format!("{} idle", count(asked.idle)));
    }
    for (number, kind) in [(asked.slow_readers, "slow reader"), (asked.slow_writers, "slow writer")]
    {
        if number > 0 {
            phrases.push(counted(number, kind));
        }
    }
    if asked.pipeline > 1 && report.mode == Mode::Open {
        phrases.push(format!("up to {} in flight per connection", asked.pipeline));
    }
    if asked.workers > 1 {
        phrases.push(counted(asked.workers, "worker"));
    }
    if asked.warmup_s > 0.0 {
        phrases.push(format!("after {} of warm-up", span(asked.warmup_s)));
    }
    if let Some(per_second) = asked.connect_rate {
        phrases.push(format!("{} connects per second", count(per_second.round() as u64)));
    }
    if let Some(lifetime) = &asked.lifetime {
        phrases.push(format!("a connection lives {lifetime}"));
    }
    if let Some(every) = asked.herd_s {
        phrases.push(format!("one request on all connections every {}", span(every)));
    }
    if let Some(every) = asked.storm_s {
        phrases.push(format!("all reconnect every {}", span(every)));
    }
    if !asked.sources.is_empty() {
        phrases.push(format!("from {}", listed(&asked.sources, 3)));
    }
    if !asked.is_answered() {
        phrases
            .push("nothing is answered: a request is done when the kernel has taken it".to_owned());
    } else if !asked.verify {
        phrases.push("replies not verified".to_owned());
    }
    phrases
}

/// How long a request's payload is.
pub(crate) fn size(asked: &Asked) -> String {
    match (asked.size_min, asked.size) {
        (least, most) if least == most || least == 0 => bytes(most as f64),
        (least, most) => format!("{} to {}", bytes(least as f64), bytes(most as f64)),
    }
}

/// The first of several names, and how many more there are.
pub(crate) fn listed(names: &[String], shown: usize) -> String {
    let first = names.iter().take(shown).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(shown) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Errors in words, the most frequent first: `connection refused (5 ×) [ECONNREFUSED]`.
pub fn errors_in_words(errors: &ByErrno) -> String {
    let mut errors: Vec<_> = errors.iter().filter(|(_, number)| **number > 0).collect();
    errors.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let told = errors.iter().map(|(name, number)| match meaning(name) {
        Some(meaning) => format!("{meaning} ({} ×) [{name}]", count(**number)),
        None => format!("{name} ({} ×)", count(**number)),
    });
    told.collect::<Vec<String>>().join(", ")
}

/// What the name of an error means: as strerror(3) says it, or of the names that are our own.
fn meaning(name: &str) -> Option<String> {
    match name {
        "EOF" => return Some("closed by the server".to_owned()),
        "TLS_CERTIFICATE" => return Some("the server's certificate was not accepted".to_owned()),
        "TLS_ALERT" => return Some("the server ended TLS with an alert".to_owned()),
        "NOT_TLS" => return Some("the server does not speak TLS".to_owned()),
        "TLS_TRUNCATED" => return Some("the stream ended without close_notify".to_owned()),
        "TLS" => return Some("TLS failed".to_owned()),
        "OUT_OF_STEP" => return Some("no end of a reply was found".to_owned()),
        _ => {}
    }
    // Linux numbers its errors from 1; what it does not know has no description.
    let errno = (1..=MOST_ERRNO).map(Errno::from_raw).find(|errno| format!("{errno:?}") == name)?;
    let meaning = errno.desc();
    let mut letters = meaning.chars();
    let first = letters.next()?;
    // An abbreviation stays as it is.
    match letters.clone().next().is_some_and(char::is_uppercase) {
        true => Some(meaning.to_owned()),
        false => Some(first.to_lowercase().chain(letters).collect()),
    }
}

/// More than any number of an error on Linux.
const MOST_ERRNO: i32 = 255;

/// The share of the requests whose time is known, if that is not all: the time of requests without
/// an answer is unknown.
pub(crate) fn known_share(report: &Report) -> Option<f64> {
    let achieved = &report.achieved;
    // A closed loop has no schedule, so no request can remain unsent.
    let unsent = if report.mode == Mode::Open { achieved.unsent } else { 0 };
    let unknown = achieved.unanswered.saturating_add(unsent);
    let known = report.latency_us.count;
    (unknown > 0).then(|| known as f64 / known.saturating_add(unknown) as f64)
}

/// The requests that the percentiles do not include, if any.
pub(crate) fn unknown_percentiles(report: &Report) -> Option<String> {
    let known = known_share(report)?;
    let achieved = &report.achieved;
    let mut missing = Vec::new();
    if achieved.unanswered > 0 {
        missing.push(format!("{} not answered", counted(achieved.unanswered, "request")));
    }
    if report.mode == Mode::Open && achieved.unsent > 0 {
        missing.push(format!("{} not sent", counted(achieved.unsent, "request")));
    }
    Some(format!(
        "tail incomplete: {}; the percentiles are of those answered, and above {} (*) unknown",
        missing.join(", "),
        nearly_all(known)
    ))
}

impl Report {
    /// If the report has the schema before this one, what its figures do not tell or tell
    /// differently.
    pub fn older_schema(&self) -> Option<String> {
        (self.schema == OLDER_SCHEMA).then(|| {
            format!(
                "the schema is {OLDER_SCHEMA}: connections that the server closed behind its last \
                 answer are among those lost, and how each request and connection ended is not told"
            )
        })
    }
}

impl Report {
    /// Connections that were to be seen served: all but those that asked nothing. One that was
    /// never established is one of them.
    pub(crate) fn to_be_served(&self) -> u64 {
        let idle = if self.asked.probe == "off" { 0 } else { self.asked.idle };
        idle.saturating_add(self.asked.connections)
            .saturating_sub(self.achieved.connections_unasked)
    }

    /// Idle connections that were established and not probed. Older reports do not tell how many
    /// of the idle ones were established.
    pub(crate) fn unprobed(&self) -> u64 {
        let idle = if self.asked.probe == "off" { self.asked.idle } else { 0 };
        self.achieved.connections_unprobed.unwrap_or(idle)
    }

    /// Whether it is known which connections were served.
    pub(crate) fn knows_served(&self) -> bool {
        // The plain discard service never replies.
        !self.asked.probe.is_empty() && self.asked.workload != "plain discard"
    }

    /// Connections that were asked for, of all kinds.
    pub(crate) fn connections_asked(&self) -> u64 {
        let Asked { connections, idle, slow_readers, slow_writers, .. } = self.asked;
        [idle, slow_readers, slow_writers].into_iter().fold(connections, u64::saturating_add)
    }
}

/// Connections asked for, connected and served.
pub(crate) fn connections(report: &Report) -> String {
    let served = match report.knows_served() {
        true => format!(", {} served", report.achieved.connections_served),
        false => " (accepted by the kernel, not probed)".to_owned(),
    };
    format!(
        "connections: {} asked, {} connected{served}",
        report.connections_asked(),
        report.achieved.connections_established,
    )
}

/// Why there is no latency.
pub(crate) fn no_latency(report: &Report) -> &'static str {
    match report.asked.is_answered() {
        true => "no request was answered",
        false => "not applicable, because this service answers nothing",
    }
}

/// How many requests were answered, of how many, when, and how right.
pub(crate) fn requests(report: &Report) -> String {
    let (asked, achieved) = (&report.asked, &report.achieved);
    let answered = if asked.is_answered() { "answered" } else { "sent" };
    let mut text = match (asked.requests, report.mode) {
        (None, Mode::Closed) => format!("{} {answered}", count(achieved.answered)),
        (requests, _) => format!(
            "{} of {} {answered}",
            count(achieved.answered),
            count(requests.unwrap_or(achieved.requested))
        ),
    };
    text.push_str(&format!(" in {}", super::units::seconds(achieved.elapsed_s)));
    if let Some(after) = after_window(report) {
        text.push_str(&format!(" ({after})"));
    }
    if asked.verify && achieved.answered > 0 {
        text.push_str(&match achieved.verified {
            verified if verified >= achieved.answered => ", all verified".to_owned(),
            verified => format!(", {} verified", count(verified)),
        });
    }
    text
}

/// Whether the load generator kept up, a sentence each.
pub(crate) fn generator(report: &Report) -> Vec<String> {
    let client = &report.client;
    let mut lines = Vec::new();
    if let Some(lag) = client.send_lag_us.filter(|lag| lag.count > 0) {
        let late = client.late_by_client;
        let share = match report.achieved.sent {
            sent if late > 0 && sent > 0 => format!(" ({})", rounded(late as f64 / sent as f64)),
            _ => String::new(),
        };
        lines.push(format!(
            "{}{share} sent over 1 ms late, p99 {}, max {}",
            counted(late, "request"),
            super::tables::if_carried(&lag, 0.99, lag.p99),
            micros(lag.max),
        ));
    }
    let verdict = match client.verdict.as_str() {
        _ if client.bottleneck || client.validity == Validity::Noted => "; see above".to_owned(),
        "" => String::new(),
        verdict => format!("; {verdict}"),
    };
    let (share, work) = (rounded(client.cpu_share), rounded(client.work_share()));
    let work =
        if work == share { String::new() } else { format!(" ({work} without busy-waiting)") };
    lines.push(format!(
        "{share} of a CPU{work}, loop lag p99 {}, max {}{verdict}",
        micros(client.loop_lag_us_p99),
        micros(client.loop_lag_us_max),
    ));
    lines
}

/// A share in percent, whole if it is not small: `6 %`, `0.42 %`.
fn rounded(share: f64) -> String {
    percent(if share >= 0.01 { (share * 100.0).round() / 100.0 } else { share })
}

/// How many answers came after the measured part, if any did.
pub(crate) fn after_window(report: &Report) -> Option<String> {
    let Achieved { answered_in_window, answered_for_warmup, answered_in_grace, .. } =
        report.achieved;
    let late = if report.schema == OLDER_SCHEMA { 0 } else { report.achieved.answered_late() };
    (answered_in_grace + late > 0).then(|| {
        let later = if late > 0 { format!(", {} later", count(late)) } else { String::new() };
        let of_warmup = match answered_for_warmup {
            0 => String::new(),
            answered => format!(" ({} of them asked for in the warm-up)", count(answered)),
        };
        format!(
            "{} within the measured part{of_warmup}, {} in the 250 ms after it{later}",
            count(answered_in_window),
            count(answered_in_grace)
        )
    })
}

/// Which connections nobody asked whether they are served, if any. Those that were never
/// established are told by [`connecting`].
pub(crate) fn not_probed(report: &Report) -> Option<String> {
    let Achieved { connections_established: established, connections_unasked: unasked, .. } =
        report.achieved;
    if report.asked.probe.is_empty() {
        return None;
    }
    let told = match (report.unprobed(), unasked) {
        _ if !report.knows_served() && established == 0 => return None,
        _ if !report.knows_served() => counted(established, "connection"),
        (0, 0) => return None,
        (idle, 0) => counted(idle, "idle connection"),
        (0, unasked) => format!("{} without a request", counted(unasked, "connection")),
        (idle, unasked) => {
            format!(
                "{}, and {} without a request",
                counted(idle, "idle connection"),
                count(unasked)
            )
        }
    };
    Some(format!("{told}: accepted by the kernel, not probed"))
}

/// How many handshakes of TLS there were, and how many resumed a session; `None` without TLS.
pub(crate) fn encrypting(report: &Report) -> Option<String> {
    let TlsAchieved { handshakes, resumed, handshakes_per_s } = report.achieved.tls?;
    let share = 100.0 * resumed as f64 / handshakes.max(1) as f64;
    let all = counted(handshakes, "handshake");
    let per_second =
        handshakes_per_s.map_or_else(String::new, |number| format!("{number:.1} per second, "));
    Some(format!("{all}, {per_second}{share:.1} % resumed"))
}

/// How connecting went.
pub(crate) fn connecting(report: &Report) -> String {
    let achieved = &report.achieved;
    let (established, asked) = (achieved.connections_established, report.connections_asked());
    let opened = match asked.saturating_sub(established) {
        0 => counted(established, "connection"),
        _ => format!("{} of {}", count(established), counted(asked, "connection")),
    };
    let mut text =
        format!("{opened} opened in {}", super::units::seconds(achieved.connect_elapsed_s));
    if achieved.connections_failed > 0 {
        text.push_str(&format!(", {} failed", counted(achieved.connections_failed, "attempt")));
    }
    if achieved.connections_lost > 0 {
        text.push_str(&format!(", {} lost", count(achieved.connections_lost)));
    }
    let ends = &achieved.connection_ends;
    let by_server = [
        (ends.after_last_answer, "after its last answer"),
        (ends.between_requests, "between requests"),
    ];
    for (number, when) in by_server {
        if number > 0 {
            text.push_str(&format!(", {} closed by the server {when}", count(number)));
        }
    }
    if achieved.resent > 0 {
        text.push_str(&format!(", {} sent again for that", counted(achieved.resent, "request")));
    }
    // More opened than established: some were replaced.
    if achieved.connections_opened > achieved.connections_established {
        text.push_str(&format!(
            "; {} in all, at most {} at once",
            count(achieved.connections_opened),
            count(achieved.connections_peak)
        ));
    }
    text
}

/// Bytes sent and received, framing included.
pub(crate) fn traffic(report: &Report) -> String {
    let achieved = &report.achieved;
    let direction = |total: u64| {
        let total = total as f64;
        // Where the throughput is unknown, so is this.
        match achieved.rate {
            Some(_) if achieved.elapsed_s > 0.0 => {
                format!("{} ({}/s)", bytes(total), bytes(total / achieved.elapsed_s))
            }
            _ => bytes(total),
        }
    };
    format!(
        "{} sent, {} received",
        direction(achieved.bytes_sent),
        direction(achieved.bytes_received)
    )
}
