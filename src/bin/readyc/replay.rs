//! `readyc replay`: the server of a capture, run again.

use crate::failure::Failure;
use readyd::capture::reader::Reader;
use readyd::capture::record::EndCause;
use readyd::capture::replay::{self, CaptureEnd, MakeRecorder, Replayed};
use readyd::capture::start::Start;
use readyd::capture::wire::BUILD;
use readyd::counted::counted;
use readyd::io::clock::Moment;
use readyd::trace::block::Block;
use readyd::trace::encode::{Encoder, Ring};
use readyd::trace::payload::Tap;
use readyd::trace::{AddressPolicy, Recorder, Recording};
use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::rc::Rc;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A capture that readyd has written
    #[arg(value_name = "CAPTURE")]
    file: PathBuf,

    /// How alike: exact, outcome [default: exact]
    ///
    /// How alike the server has to be. exact: every call is the one that was captured; needs the
    /// same build. outcome: clients get the same bytes, and connections close for the same reasons
    /// [default: exact]
    #[arg(long, value_name = "LEVEL", hide_possible_values = true)]
    level: Option<Level>,

    /// Write a trace of it to OUT; ,payload adds bytes
    ///
    /// Write a trace of it to OUT, for the command trace. With ",payload" behind OUT it has the
    /// first 128 bytes of what each call received or sent: it is as private as the capture
    #[arg(long, value_name = "OUT[,payload]")]
    trace: Option<TraceTo>,
}

/// Where a trace is written, and whether with payload.
#[derive(Clone, Debug)]
struct TraceTo {
    path: PathBuf,
    has_payload: bool,
}

impl From<OsString> for TraceTo {
    fn from(text: OsString) -> TraceTo {
        match text.as_bytes().strip_suffix(b",payload") {
            Some(path) if !path.is_empty() => {
                TraceTo { path: OsStr::from_bytes(path).into(), has_payload: true }
            }
            _ => TraceTo { path: text.into(), has_payload: false },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Level {
    Exact,
    Outcome,
}

/// Runs a capture again, and tells what was compared.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.file;
    let failed = |error| Failure::Replay(path.clone(), error);
    let file = File::open(path).map_err(|error| failed(replay::ReplayError::Read(error.into())))?;
    let source: Box<dyn Read> = Box::new(BufReader::with_capacity(1 << 18, file));
    let (reader, start) = Reader::open(source).map_err(|error| failed(error.into()))?;
    if reader.build() != BUILD && arguments.level.is_none() {
        return Err(Failure::OtherBuild(path.clone(), start.version.into_owned()));
    }
    let trace = match &arguments.trace {
        Some(to) => Some(TraceFile::create(to)?),
        None => None,
    };
    let mut make = trace.as_ref().map(|file| file.recorder(&start));
    let make = make.as_mut().map(|make| make as MakeRecorder<'_>);
    let replayed = match arguments.level {
        Some(Level::Outcome) => replay::by_outcome(reader, &start, make),
        Some(Level::Exact) | None => replay::exactly(reader, &start, make),
    };
    if let Some(trace) = trace {
        trace.finish()?;
    }
    let text = summary(&replayed.map_err(failed)?);
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Failure::Output)
}

fn summary(replayed: &Replayed) -> String {
    let Replayed { turns, records, connections, received, sent, not_compared, end } = replayed;
    let end = match end {
        CaptureEnd::Stopped => "the server stopped",
        CaptureEnd::Ended(EndCause::Size) => "the capture had reached its size",
        CaptureEnd::Ended(EndCause::Lag) => "the disk was slower than the server",
        CaptureEnd::CutOff => "the capture is cut off",
    };
    let (turns, records) = (counted(*turns, "turn"), counted(*records, "record"));
    let connections = counted(*connections, "connection");
    let (received, sent) = (counted(*received, "byte"), counted(*sent, "byte"));
    let statistics = match not_compared {
        0 => String::new(),
        count => format!(
            "{} asked for statistics, which only an exact replay repeats: not compared\n",
            counted(*count, "connection")
        ),
    };
    format!(
        "the same: {turns}, {records}; {connections}, {received} in, {sent} out; then {end}\n\
         {statistics}"
    )
}

/// The file of a trace.
struct TraceFile {
    output: Rc<RefCell<Output>>,
    to: TraceTo,
}

struct Output {
    file: BufWriter<File>,
    outcome: io::Result<()>,
}

impl TraceFile {
    fn create(to: &TraceTo) -> Result<TraceFile, Failure> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        if to.has_payload {
            // As the capture is, whose bytes it has.
            options.mode(0o600);
        }
        let failed = |error: io::Error| Failure::Trace(to.path.clone(), error.into());
        let file = options.open(&to.path).map_err(failed)?;
        // A file that was there keeps its mode otherwise. A device or a pipe keeps its own.
        if to.has_payload && file.metadata().is_ok_and(|it| it.is_file()) {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
        }
        let output = Output { file: BufWriter::new(file), outcome: Ok(()) };
        Ok(TraceFile { output: Rc::new(RefCell::new(output)), to: to.clone() })
    }

    /// What makes a recorder that writes to the file.
    fn recorder(
        &self,
        start: &Start<'_>,
    ) -> impl FnMut(Box<dyn Fn() -> Moment>) -> Recorder + use<> {
        let (pid, now) = (start.pid, start.now);
        let shard = start.shard.map_or(0, |shard| shard.number as u16);
        let output = Rc::clone(&self.output);
        let has_payload = self.to.has_payload;
        move |clock| {
            let encoder = Encoder::new(pid, shard, now.as_nanos(), now);
            let ring = Blocks { output: Rc::clone(&output), block: None, before: Block::new() };
            let recording = Recording {
                ring: Box::new(ring),
                encoder: if has_payload { encoder.with_payload() } else { encoder },
                clock,
                addresses: AddressPolicy::Full,
                triggers: Vec::new(),
                teller: None,
                tap: has_payload.then(Tap::default),
            };
            Recorder::new(recording, now)
        }
    }

    /// The recorder is gone, and has written its last block.
    fn finish(self) -> Result<(), Failure> {
        let output = &mut *self.output.borrow_mut();
        let outcome = std::mem::replace(&mut output.outcome, Ok(()));
        outcome
            .and_then(|()| output.file.flush())
            .map_err(|error| Failure::Trace(self.to.path.clone(), error.into()))
    }
}

/// Blocks that go to the file one after the other, so a trace may have any length.
struct Blocks {
    output: Rc<RefCell<Output>>,
    /// The one that is written, if one was begun.
    block: Option<Block>,
    /// What is there before the first one.
    before: Block,
}

impl Blocks {
    /// Writes the block, if there is one.
    fn write(&mut self) {
        let Some(block) = self.block.take() else { return };
        let output = &mut *self.output.borrow_mut();
        if output.outcome.is_ok() {
            output.outcome = output.file.write_all(&block.to_bytes());
        }
    }
}

impl Ring for Blocks {
    fn advance(&mut self, _: u64) {
        self.write();
        self.block = Some(Block::new());
    }

    fn block(&self) -> &Block {
        self.block.as_ref().unwrap_or(&self.before)
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.write();
    }
}
