//! A clock for criterion that only goes while the bench has the processor.
//!
//! Wall time counts whatever else runs on the machine meanwhile; on a shared one that is a fifth of
//! the figure one minute and nothing the next. Nothing in the benches waits,
//! so their CPU time is what their wall time would be on an idle machine.

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Measures the time that the thread has run, clock_gettime(2) with `CLOCK_THREAD_CPUTIME_ID`.
pub(crate) struct CpuTime;

/// How long this thread has run.
pub(crate) fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has a CPU clock").into()
}

impl Measurement for CpuTime {
    /// What the clock showed at the start.
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        thread_time()
    }

    fn end(&self, start: Duration) -> Duration {
        thread_time() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}
