//! Runs that vary as real ones do, by themselves and from one to the next.

use super::{THRESHOLD, finding, of_sides};
use crate::loadgen::report::compare::{Basis, Change, Comparison, Finding, Verdict};
use crate::loadgen::report::sample::sample;
use crate::loadgen::report::{Mode, Report, Second};

const SEEDS: u64 = 40;

/// How much one run differs from the next, and a second from the next, both relative.
const BETWEEN_RUNS: f64 = 0.08;
const BETWEEN_SECONDS: f64 = 0.05;

/// Numbers from 0 to 1 by xorshift64* (Vigna 2016): the same ones for the same seed.
struct Prng(u64);

impl Prng {
    fn new(seed: u64) -> Prng {
        // Seeds that follow one another would begin alike.
        Prng((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// With a mean of 0 and a standard deviation of 1, nearly: the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// A closed loop of `seconds` seconds. Each of its figures is shifted by up to `shift` and varies
/// by `spread` from second to second.
fn run(seconds: u64, shift: f64, spread: f64, prng: &mut Prng) -> Report {
    let mut varied = |usual: f64| {
        // Two runs are at most `shift` apart.
        let level = usual * (1.0 + shift * (prng.uniform() - 0.5));
        let each = |_| level * (1.0 + spread * prng.normal());
        (0..seconds).map(each).collect::<Vec<f64>>()
    };
    let (rates, medians, p99s) = (varied(20_000.0), varied(600.0), varied(4_000.0));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mut report = sample();
    report.mode = Mode::Closed;
    report.achieved.elapsed_s = seconds as f64;
    report.achieved.rate = Some(mean(&rates));
    report.latency_us.p50 = mean(&medians);
    report.latency_us.p99 = mean(&p99s);
    report.series = (0..seconds as usize)
        .map(|t| Second {
            t_s: t as f64,
            answered: rates[t] as u64,
            p50_us: Some(medians[t]),
            p99_us: Some(p99s[t]),
            ..Second::default()
        })
        .collect();
    report
}

fn compared(before: &Report, after: &Report) -> Comparison<'static> {
    of_sides(std::slice::from_ref(before), std::slice::from_ref(after), THRESHOLD)
}

fn tolerance_of(change: &Change) -> f64 {
    match change.basis {
        Basis::Pair { tolerance } => tolerance,
        Basis::Runs { .. } => panic!("it is of one pair"),
    }
}

#[test]
fn runs_that_vary_by_themselves_are_no_regression_of_each_other() {
    for seconds in [1, 2, 3, 5, 10, 30] {
        for seed in 0..SEEDS {
            let mut prng = Prng::new(seed);
            let [a, b] = [(); 2].map(|()| run(seconds, BETWEEN_RUNS, BETWEEN_SECONDS, &mut prng));
            for comparison in [compared(&a, &b), compared(&b, &a)] {
                let verdict = comparison.verdict();
                assert_eq!(verdict, Verdict::NoRegression, "{seconds} s, seed {seed}");
            }
        }
    }
}

#[test]
fn a_third_worse_is_a_regression_if_the_seconds_are_steady() {
    for seconds in [5, 10, 30] {
        for seed in 0..SEEDS {
            let mut prng = Prng::new(seed);
            let [before, after] = [(); 2].map(|()| run(seconds, 0.02, 0.01, &mut prng));
            let (mut slower, mut fewer) = (after.clone(), after);
            slower.latency_us.p99 *= 1.3;
            fewer.achieved.rate = fewer.achieved.rate.map(|rate| rate * 0.7);
            for (after, name) in [(slower, "p99"), (fewer, "throughput")] {
                let comparison = compared(&before, &after);
                assert_eq!(finding(&comparison, name), Finding::Worse, "{seconds} s, seed {seed}");
                assert_eq!(comparison.verdict(), Verdict::Regression);
            }
        }
    }
}

#[test]
fn the_shorter_the_runs_the_more_is_tolerated() {
    let tolerance = |seconds| {
        let run = run(seconds, 0.0, 0.0, &mut Prng::new(1));
        tolerance_of(&compared(&run, &run).changes[0])
    };
    assert_eq!(tolerance(30), THRESHOLD);
    assert_eq!(tolerance(10), THRESHOLD);
    assert!(tolerance(1) > tolerance(3) && tolerance(3) > tolerance(9));
    assert!(tolerance(9) > THRESHOLD);
}

#[test]
fn cpu_time_varies_as_much_as_the_rate_or_the_median_does() {
    let restless = run(30, 0.0, 0.2, &mut Prng::new(1));
    let comparison = compared(&restless, &restless);
    let tolerance = |name| {
        let change = comparison.changes.iter().find(|change| change.name == name);
        tolerance_of(change.expect("the value"))
    };
    let largest = tolerance("throughput").max(tolerance("p50"));
    assert!(largest > THRESHOLD);
    assert_eq!(tolerance("client CPU per request"), largest);
}
