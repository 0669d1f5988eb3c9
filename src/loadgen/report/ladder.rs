//! The result of a search for the limit: the ladder of tries, and the interval that was found.
//!
//! Invariant: a [`Ladder`] is complete, as a [`Report`](super::Report) is: text and page are made
//! from it alone. The greatest load held is told only with the goals that it met.

use super::charts::ladder as chart;
use super::html::{BannerKind, banner, figure, page};
use super::markup::escaped;
use super::table::{Severity, Table};
use super::tables::if_carried;
use super::text::{AnsiStyle, Page};
use super::units::{NO_BREAK, count, percent, rate, span, unknown};
use super::{Environment, Percentiles, TextOptions};
use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(crate) mod tests;

/// The name and version of this document's schema.
pub const FIND_SCHEMA: &str = "readyc.find/1";

/// Columns from which on the table of the tries has room for one more figure.
const WIDE: usize = 100;

/// A search for the greatest load that meets its goals.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ladder {
    /// [`FIND_SCHEMA`].
    pub schema: String,
    /// The identity of the search.
    pub id: String,
    /// When it began, RFC 3339, UTC.
    pub started_at: String,
    /// What was looked for.
    pub quantity: Quantity,
    /// The servers, `address:port`.
    pub targets: Vec<String>,
    /// What is requested, in words.
    pub workload: String,
    /// Connections that make requests, if their number was not looked for.
    pub connections: Option<u64>,
    /// Requests per second over all connections, if they were on a schedule and their rate was not
    /// looked for.
    pub rate: Option<f64>,
    /// What each try had to meet.
    pub goals: Vec<String>,
    /// The greatest load that was held.
    pub held: Option<u64>,
    /// The least load that was missed, twice.
    pub missed: Option<u64>,
    /// How often the load found was held.
    pub confirmations: u32,
    /// Loads that were held in one try and missed in another.
    pub restless: u64,
    /// Why the search ended.
    pub ending: FindEnding,
    /// The same in a sentence.
    pub reason: String,
    /// The tries, in order.
    pub rungs: Vec<Rung>,
    /// Where this was measured.
    pub environment: Environment,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    /// Requests per second.
    Rate,
    /// Connections.
    Connections,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FindEnding {
    /// The limit was found and confirmed.
    #[serde(rename = "confirmed")]
    Confirmed,
    /// The most that may be tried was held and confirmed: the limit is beyond.
    #[serde(rename = "at_the_most")]
    AtTheMost,
    /// Not even the least load met the goals.
    #[serde(rename = "nothing_held")]
    NothingHeld,
    /// The same load was held and missed too often: noise forbids an answer.
    #[serde(rename = "restless")]
    Restless,
    /// The time for the search was over.
    #[serde(rename = "out_of_time")]
    OutOfTime,
    /// The client, or the machine that it runs on, was the limit.
    #[serde(rename = "client_limit")]
    ClientLimit,
    /// A signal, or a lost worker, ended it.
    #[serde(rename = "interrupted")]
    Interrupted,
}

/// One try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rung {
    /// The load: requests per second, or connections.
    pub load: u64,
    /// Seconds from the start of the search.
    pub at_s: f64,
    /// Length of the measured part, in seconds.
    pub duration_s: f64,
    /// Throughput: answers per second; absent if it is unknown, as in a report.
    pub throughput: Option<f64>,
    /// Connections served.
    pub connections: u64,
    /// Latency.
    pub latency_us: Percentiles,
    /// The share of requests without a right answer, 0 to 1.
    pub errors_share: f64,
    /// Share of one processor that the busiest worker of the client used, 0 to 1.
    pub client_cpu_share: f64,
    /// The same without busy-waiting for intended times; absent from older documents.
    #[serde(default)]
    pub client_work_share: Option<f64>,
    /// Share of one processor that the servers used together, 1.5 being one and a half, if known.
    #[serde(default)]
    pub server_cpu_share: Option<f64>,
    /// What came of it.
    pub outcome: Outcome,
    /// The goals that were missed, a sentence each.
    pub misses: Vec<String>,
}

/// A figure of the latency: its name, its quantile, and the value in microseconds.
type Figure = (&'static str, f64, fn(&Percentiles) -> f64);

impl Ladder {
    /// The document as JSON, ending with a line end.
    ///
    /// # Panics
    ///
    /// Never: its keys are strings.
    #[cfg_attr(not(test), expect(clippy::expect_used, reason = "keys that are strings"))]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("its keys are strings");
        json.push('\n');
        json
    }

    /// Whether the limit was found, or the most that may be tried was held.
    pub fn is_answered(&self) -> bool {
        matches!(self.ending, FindEnding::Confirmed | FindEnding::AtTheMost)
    }

    /// The result in one sentence.
    pub fn result(&self) -> String {
        let amount = |load| self.quantity.amount(load);
        let goals = self.goals.join(", ");
        let certainty = match self.is_answered() {
            true => format!(" (held in {} of its tries)", count(u64::from(self.confirmations))),
            false => " (not confirmed)".to_owned(),
        };
        match (self.held, self.missed) {
            (Some(held), Some(missed)) => {
                format!("{} held with {goals}{certainty}; {} not", amount(held), amount(missed))
            }
            (Some(held), None) => format!("at least {} held with {goals}{certainty}", amount(held)),
            (None, Some(missed)) => format!("not even {} held with {goals}", amount(missed)),
            (None, None) => format!("no load was held with {goals}"),
        }
    }

    fn setup(&self) -> String {
        let mut setup = format!("{} of {}", self.workload, self.targets.join(", "));
        if let Some(connections) = self.connections {
            setup = format!("{setup}; {}", Quantity::Connections.amount(connections));
        }
        match (self.quantity, self.rate) {
            (Quantity::Connections, Some(fixed)) => format!("{setup}; {} in all", rate(fixed)),
            (Quantity::Connections, None) => {
                format!("{setup}; a new request for each answer (closed loop)")
            }
            (Quantity::Rate, _) => setup,
        }
    }

    /// The tries. There is room for the servers' share of a CPU only where `is_wide`.
    fn table(&self, is_wide: bool) -> Table {
        let load = match self.quantity {
            Quantity::Rate => "rate",
            Quantity::Connections => "connections",
        };
        let figures = self.figures();
        let mut head = vec![load, "throughput"];
        head.extend(figures.iter().map(|(name, ..)| *name));
        head.extend(["errors", "client CPU"]);
        let knows_server = is_wide && self.rungs.iter().any(|rung| rung.server_cpu_share.is_some());
        head.extend(knows_server.then_some("server CPU"));
        head.push("result");
        let spare = [figures.len() + 3, 1, 2];
        let mut table = Table::with_remarks("tries", &head).sparing(&spare);
        for rung in &self.rungs {
            let latency = &rung.latency_us;
            let time = |&(_, quantile, of): &Figure| match latency.count {
                0 => unknown(),
                _ => if_carried(latency, quantile, of(latency)),
            };
            let severity = match rung.outcome {
                Outcome::ClientLimit => Severity::Plain,
                Outcome::Held => Severity::Good,
                Outcome::Missed => Severity::Bad,
            };
            let mut cells = vec![count(rung.load), rung.throughput.map_or_else(unknown, rate)];
            cells.extend(figures.iter().map(time));
            let client = rung.client_work_share.unwrap_or(rung.client_cpu_share);
            cells.extend([percent(rung.errors_share), percent(client)]);
            let server = rung.server_cpu_share.map_or_else(unknown, percent);
            cells.extend(knows_server.then_some(server));
            cells.push(rung.outcome.name().to_owned());
            table.push(severity, cells);
        }
        table
    }

    /// The figures of the latency to be shown: three always, and those that are goals.
    fn figures(&self) -> Vec<Figure> {
        let all: [Figure; 5] = [
            ("p50", 0.5, |latency| latency.p50),
            ("p90", 0.9, |latency| latency.p90),
            ("p99", 0.99, |latency| latency.p99),
            ("p99.9", 0.999, |latency| latency.p999),
            ("max", 1.0, |latency| latency.max),
        ];
        let is_shown = |name: &str| {
            let is_goal = |goal: &String| goal.split(' ').next() == Some(name);
            ["p50", "p99", "max"].contains(&name) || self.goals.iter().any(is_goal)
        };
        all.into_iter().filter(|(name, ..)| is_shown(name)).collect()
    }

    /// What was missed in the last try that missed something.
    fn last_misses(&self) -> &[String] {
        let missing = self.rungs.iter().rev().find(|rung| rung.outcome == Outcome::Missed);
        missing.map_or(&[], |rung| rung.misses.as_slice())
    }

    /// The ladder as text for a terminal: the result is its last line.
    pub fn text(&self, options: TextOptions) -> String {
        let mut page = Page::new(options);
        // A goal stays on one line.
        let glued = |text: &str| text.replace(" < ", &format!("{NO_BREAK}<{NO_BREAK}"));
        page.line(AnsiStyle::Bold, &glued(&self.heading()));
        page.line(AnsiStyle::Plain, &self.setup());
        page.blank();
        if !self.rungs.is_empty() {
            page.table(&self.table(options.width >= WIDE));
        }
        for miss in self.last_misses() {
            page.line(AnsiStyle::Plain, &format!("missed: {miss}"));
        }
        page.line(AnsiStyle::Plain, &format!("ended: {}", self.reason));
        let style = match self.ending {
            FindEnding::Confirmed | FindEnding::AtTheMost => AnsiStyle::BoldGreen,
            FindEnding::NothingHeld => AnsiStyle::Red,
            _ => AnsiStyle::BoldYellow,
        };
        page.line(style, &glued(&format!("result: {}", self.result())));
        page.text
    }

    fn heading(&self) -> String {
        let quantity = match self.quantity {
            Quantity::Rate => "rate",
            Quantity::Connections => "number of connections",
        };
        format!("the greatest {quantity} with {}", self.goals.join(", "))
    }

    /// The ladder as a page that needs nothing else.
    pub fn html(&self) -> String {
        let title = format!("Limit of {}", self.targets.join(", "));
        let mut body = format!(
            "<header>\n<h1>{}</h1>\n<p class=\"lead\">{}<br>{}<br>{}</p>\n</header>\n<main>\n",
            escaped(&title),
            escaped(&self.started_at),
            escaped(&self.heading()),
            escaped(&self.setup())
        );
        let (kind, name) = match self.ending {
            FindEnding::Confirmed | FindEnding::AtTheMost => (BannerKind::Good, "Found"),
            FindEnding::NothingHeld => (BannerKind::Bad, "Nothing held"),
            _ => (BannerKind::Warning, "Not found"),
        };
        body.push_str(&banner(kind, name, &[self.result(), self.reason.clone()]));
        if self.rungs.iter().any(|rung| rung.latency_us.count > 0) {
            body.push_str("<section>\n<h2>Latency by load</h2>\n");
            body.push_str(&figure(&chart(self), "ladder", None));
            body.push_str("</section>\n");
        }
        body.push_str("<section>\n<h2>The tries</h2>\n");
        body.push_str(&self.table(true).html());
        let spent = self.rungs.last().map_or(0.0, |last| last.at_s + last.duration_s);
        body.push_str(&format!("<p>The search took {}.</p>\n</section>\n", escaped(&span(spent))));
        body.push_str(&super::tables::surroundings(&self.environment, &self.started_at).html());
        body.push_str("</main>\n");
        body.push_str(&format!(
            "<footer>readyc bench; made from a {FIND_SCHEMA} document.</footer>\n"
        ));
        page(&title, &body)
    }
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// All goals were met.
    #[serde(rename = "held")]
    Held,
    /// A goal was missed.
    #[serde(rename = "missed")]
    Missed,
    /// A goal was missed, and the client may be why: the try counts for nothing.
    #[serde(rename = "client_limit")]
    ClientLimit,
}

impl Outcome {
    /// What came of it, in a word or two.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Held => "held",
            Outcome::Missed => "missed",
            Outcome::ClientLimit => "client limit",
        }
    }
}

impl Quantity {
    /// So much of it, in words.
    pub fn amount(self, load: u64) -> String {
        match self {
            Quantity::Rate if load == 1 => "1 request per second".to_owned(),
            Quantity::Rate => format!("{} requests per second", count(load)),
            Quantity::Connections if load == 1 => "1 connection".to_owned(),
            Quantity::Connections => format!("{} connections", count(load)),
        }
    }
}
