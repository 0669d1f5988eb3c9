//! Limits as text, as captures have them.
//!
//! Invariant: the text of all limits makes the same limits again.

use super::Limits;
use crate::server::access::{self, Cidr};
use std::str::FromStr;
use std::time::Duration;

impl Limits {
    /// The limits with their names. What is not set is left out.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        // Without `..`: the compiler reports a limit that is not listed here.
        let Limits {
            max_connections,
            max_connections_per_address,
            accept_rate_per_address,
            access,
            stats_from,
            memory_limit,
            max_frame,
            output_limit,
            frame_timeout,
            idle_timeout,
            write_timeout,
            linger_timeout,
            line_pause,
            drain_timeout,
            drain_delay,
            measures_turns,
            log_rate,
            log_level,
            tls_handshake_rate,
            tls_certificate_expires,
            landlock_abi,
            exit_on_idle,
        } = self;
        let nanos = |duration: &Duration| duration.as_nanos().to_string();
        let ranges = |ranges: &[Cidr]| {
            let texts: Vec<String> = ranges.iter().map(Cidr::to_string).collect();
            (!texts.is_empty()).then(|| texts.join(","))
        };
        let all = [
            ("max-connections", Some(max_connections.to_string())),
            (
                "max-connections-per-address",
                max_connections_per_address.map(|most| most.to_string()),
            ),
            ("accept-rate-per-address", accept_rate_per_address.map(|most| most.to_string())),
            ("allow", ranges(&access.allow)),
            ("deny", ranges(&access.deny)),
            ("stats-from", ranges(stats_from)),
            ("memory-limit", Some(memory_limit.to_string())),
            ("max-frame", Some(max_frame.to_string())),
            ("output-limit", Some(output_limit.to_string())),
            ("frame-timeout", Some(nanos(frame_timeout))),
            ("idle-timeout", Some(nanos(idle_timeout))),
            ("write-timeout", Some(nanos(write_timeout))),
            ("linger-timeout", Some(nanos(linger_timeout))),
            ("line-pause", Some(nanos(line_pause))),
            ("drain-timeout", Some(nanos(drain_timeout))),
            ("drain-delay", Some(nanos(drain_delay))),
            ("measures-turns", Some(measures_turns.to_string())),
            ("log-rate", Some(log_rate.to_string())),
            ("log-level", Some(log_level.to_string())),
            ("tls-handshake-rate", tls_handshake_rate.map(|most| most.to_string())),
            (
                "tls-certificate-expires",
                (*tls_certificate_expires != 0).then(|| tls_certificate_expires.to_string()),
            ),
            ("landlock-abi", (*landlock_abi != 0).then(|| landlock_abi.to_string())),
            ("exit-on-idle", exit_on_idle.as_ref().map(nanos)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Sets a limit. `None` if there is no limit of this name; `Some(None)` if the value is none of
    /// its values.
    pub fn set_word(&mut self, name: &str, text: &str) -> Option<Option<()>> {
        fn put<T: FromStr>(place: &mut T, text: &str) -> Option<()> {
            text.parse().ok().map(|value| *place = value)
        }
        fn some<T: FromStr>(place: &mut Option<T>, text: &str) -> Option<()> {
            text.parse().ok().map(|value| *place = Some(value))
        }
        fn time(place: &mut Duration, text: &str) -> Option<()> {
            text.parse().ok().map(|nanos| *place = Duration::from_nanos(nanos))
        }
        fn ranges(place: &mut Vec<Cidr>, text: &str) -> Option<()> {
            access::ranges(text).ok().map(|ranges| *place = ranges)
        }
        Some(match name {
            "max-connections" => put(&mut self.max_connections, text),
            "max-connections-per-address" => some(&mut self.max_connections_per_address, text),
            "accept-rate-per-address" => some(&mut self.accept_rate_per_address, text),
            "allow" => ranges(&mut self.access.allow, text),
            "deny" => ranges(&mut self.access.deny, text),
            "stats-from" => ranges(&mut self.stats_from, text),
            "memory-limit" => put(&mut self.memory_limit, text),
            "max-frame" => put(&mut self.max_frame, text),
            "output-limit" => put(&mut self.output_limit, text),
            "frame-timeout" => time(&mut self.frame_timeout, text),
            "idle-timeout" => time(&mut self.idle_timeout, text),
            "write-timeout" => time(&mut self.write_timeout, text),
            "linger-timeout" => time(&mut self.linger_timeout, text),
            "line-pause" => time(&mut self.line_pause, text),
            "drain-timeout" => time(&mut self.drain_timeout, text),
            "drain-delay" => time(&mut self.drain_delay, text),
            "measures-turns" => put(&mut self.measures_turns, text),
            "log-rate" => put(&mut self.log_rate, text),
            "log-level" => put(&mut self.log_level, text),
            "tls-handshake-rate" => some(&mut self.tls_handshake_rate, text),
            "tls-certificate-expires" => put(&mut self.tls_certificate_expires, text),
            "landlock-abi" => put(&mut self.landlock_abi, text),
            "exit-on-idle" => {
                let limit = self.exit_on_idle.insert(Duration::ZERO);
                time(limit, text)
            }
            _ => return None,
        })
    }

    /// All limits, one a line: `NAME VALUE`.
    pub fn to_text(&self) -> String {
        self.words().into_iter().map(|(name, value)| format!("{name} {value}\n")).collect()
    }

    /// Reads [`Limits::to_text`]. The name of a line that is wrong is the error.
    ///
    /// # Errors
    ///
    /// The name of a limit that is not known, that its value does not fit, or that cannot be kept.
    pub fn from_text(text: &str) -> Result<Limits, String> {
        let mut limits = Limits::default();
        for line in text.lines() {
            let (name, value) = line.split_once(' ').ok_or_else(|| line.to_owned())?;
            limits.set_word(name, value).flatten().ok_or_else(|| name.to_owned())?;
        }
        limits.validate().map_err(|error| error.flag().to_owned())?;
        Ok(limits)
    }
}
