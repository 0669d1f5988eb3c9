//! A preflight report as text: a table, the remedies, and the most connections.

use super::{Finding, Limit, MaxConnections, PreflightReport, Unit, Verdict};
use std::fmt;

impl Limit {
    /// The name of the setting in sysctl(8) or the shell.
    fn setting(self) -> Option<&'static str> {
        match self {
            Limit::NrOpen => Some("fs.nr_open"),
            Limit::WorkerDescriptors | Limit::ServerDescriptors => Some("ulimit -Hn"),
            Limit::OpenFiles => Some("fs.file-max"),
            Limit::LocalPorts => Some("ip_local_port_range"),
            Limit::Conntrack => Some("nf_conntrack_max"),
            Limit::Memory => None,
            Limit::TcpMemory => Some("tcp_mem"),
            Limit::AcceptQueue => Some("somaxconn"),
            Limit::SynQueue => Some("tcp_max_syn_backlog"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::NrOpen => "file descriptor ceiling",
            Limit::WorkerDescriptors => "worker file descriptors",
            Limit::ServerDescriptors => "server file descriptors",
            Limit::OpenFiles => "open files, system-wide",
            Limit::LocalPorts => "local ports",
            Limit::Conntrack => "conntrack entries",
            Limit::Memory => "memory",
            Limit::TcpMemory => "TCP buffer pages",
            Limit::AcceptQueue => "accept queue",
            Limit::SynQueue => "SYN queue",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Enough => "enough",
            Verdict::Short => "NOT ENOUGH",
            Verdict::Tight => "may be too low",
            Verdict::Unknown => "unknown",
        })
    }
}

impl fmt::Display for MaxConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (limited by {})", grouped(self.connections), self.limited_by)
    }
}

impl fmt::Display for PreflightReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_table(f)?;
        for finding in &self.findings {
            finding.write_advice(f)?;
        }
        writeln!(f, "\n{}", self.conclusion())
    }
}

impl PreflightReport {
    /// The result in a line.
    pub(super) fn conclusion(&self) -> String {
        match self.largest {
            Some(largest) => format!("largest N with current limits: {largest}"),
            None => "largest N with current limits: unknown".to_owned(),
        }
    }

    fn write_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = ["limit", "needed", "have", ""].map(str::to_owned);
        let rows: Vec<[String; 4]> =
            [title].into_iter().chain(self.findings.iter().map(Finding::cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        for [what, needed, have, verdict] in &rows {
            let line = format!(
                "{what:<0$}  {needed:>1$}  {have:>2$}  {verdict}",
                widths[0], widths[1], widths[2]
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Finding {
    pub(super) fn cells(&self) -> [String; 4] {
        let (needed, have) = match self.unit {
            // Rounded in opposite directions, so that too little never looks like enough.
            Unit::Bytes => (self.needed.div_ceil(1 << 20), self.have.map(|have| have >> 20)),
            Unit::Count | Unit::Pages => (self.needed, self.have),
        };
        let suffix = if self.unit == Unit::Bytes { " MiB" } else { "" };
        let number = |number| match number {
            UNLIMITED.. => "no limit".to_owned(),
            number => grouped(number) + suffix,
        };
        let what = match self.what.setting() {
            Some(setting) => format!("{} ({setting})", self.what),
            None => self.what.to_string(),
        };
        let have = have.map_or_else(|| "?".to_owned(), number);
        [what, number(needed), have, self.verdict.to_string()]
    }

    fn write_advice(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(advice) = self.advice() else { return Ok(()) };
        writeln!(f, "\n{advice}")?;
        self.remedies.iter().try_for_each(|remedy| writeln!(f, "    {remedy}"))
    }

    /// What is wrong, in a sentence that the remedies follow, if there is anything to say.
    pub(super) fn advice(&self) -> Option<String> {
        if self.note.is_none() && self.remedies.is_empty() {
            return None;
        }
        let note = self.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
        let remedies = match self.remedies.len() {
            0 => "",
            1 => ". This will do:",
            _ => ". Any one of these will do:",
        };
        Some(format!("{}: {}{note}{remedies}", self.what, self.verdict))
    }
}

/// The kernel's own default of `fs.file-max` is more than this, less what is open.
const UNLIMITED: u64 = 1 << 62;

/// Digits in groups of three: `1,048,576`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
