//! Which lines come through, by a logger that keeps them and a clock that the test sets.

use super::*;

#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Debug
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(format!("{} {}", record.target(), record.args()));
    }

    fn flush(&self) {}
}

fn record(target: &'static str, level: Level) -> Record<'static> {
    Record::builder().target(target).level(level).args(format_args!("said")).build()
}

#[test]
fn a_second_takes_so_many_lines_of_libraries_and_the_rest_are_counted() {
    let logger = Bounded::new(Kept::default(), 2);
    let start = Instant::now();
    for _ in 0..5 {
        logger.log_of_library(&record("mio::poll", Level::Debug), start);
    }
    logger.log_of_library(&record("mio::poll", Level::Debug), start + SECOND);
    let lines = logger.logger.0.into_inner().unwrap();
    let said = "mio::poll said";
    assert_eq!(lines, [said, said, "readyd 3 lines of libraries suppressed (--log-rate 2)", said]);
}

#[test]
fn what_the_program_says_is_bounded_elsewhere() {
    let logger = Bounded::new(Kept::default(), 0);
    for target in ["readyd", "readyd::server", "readyd_but_not", "mio"] {
        logger.log(&record(target, Level::Info));
    }
    logger.log(&record("mio", Level::Trace));
    let lines = logger.logger.0.into_inner().unwrap();
    assert_eq!(lines, ["readyd said", "readyd::server said"]);
    let second = logger.second.into_inner().unwrap();
    assert_eq!(second.suppressed, 2, "what the level leaves out does not count");
}
