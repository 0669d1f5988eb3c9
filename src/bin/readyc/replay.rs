//! `readyc replay`: the server of a capture, run again.

use crate::failure::Failure;
use readyd::capture::reader::Reader;
use readyd::capture::record::EndCause;
use readyd::capture::replay::{self, CaptureEnd, MakeRecorder, Replayed};
use readyd::capture::start::Start;
use readyd::capture::wire::BUILD;
use readyd::counted::counted;
use readyd::io::clock::Moment;
use readyd::trace::encode::{Encoder, Ring};
use readyd::trace::wire::{BLOCK_BYTES, HEADER_BYTES, LENGTH_OFFSET};
use readyd::trace::{AddressPolicy, Recorder, Recording};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file of `readyd --capture`
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// How alike the server has to be [default: exact]
    ///
    /// How alike the server has to be. exact: every call is the one that was captured; needs the
    /// same build. outcome: clients get the same bytes, and connections close for the same reasons
    /// [default: exact]
    #[arg(long, value_name = "LEVEL")]
    level: Option<Level>,

    /// Write a trace of it to OUT, for `readyc trace`
    #[arg(long, value_name = "OUT")]
    trace: Option<PathBuf>,
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
    let mut trace = match &arguments.trace {
        Some(path) => Some(TraceFile::create(path)?),
        None => None,
    };
    let mut make = trace.as_ref().map(|file| file.recorder(&start));
    let make = make.as_mut().map(|make| make as MakeRecorder<'_>);
    let replayed = match arguments.level {
        Some(Level::Outcome) => replay::by_outcome(reader, &start, make),
        Some(Level::Exact) | None => replay::exactly(reader, &start, make),
    };
    if let Some(trace) = &mut trace {
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

/// A trace of any length.
#[derive(Clone)]
struct TraceFile {
    blocks: Rc<RefCell<Blocks>>,
    path: PathBuf,
}

struct Blocks {
    file: BufWriter<File>,
    block: [u8; BLOCK_BYTES],
    outcome: io::Result<()>,
}

impl TraceFile {
    fn create(path: &Path) -> Result<TraceFile, Failure> {
        let file =
            File::create(path).map_err(|error| Failure::Trace(path.to_owned(), error.into()))?;
        let blocks =
            Blocks { file: BufWriter::new(file), block: [0; BLOCK_BYTES], outcome: Ok(()) };
        Ok(TraceFile { blocks: Rc::new(RefCell::new(blocks)), path: path.to_owned() })
    }

    /// What makes a recorder that writes to the file.
    fn recorder(
        &self,
        start: &Start<'_>,
    ) -> impl FnMut(Box<dyn Fn() -> Moment>) -> Recorder + use<> {
        let (pid, now) = (start.pid, start.now);
        let shard = start.shard.map_or(0, |shard| shard.number as u16);
        let ring = self.clone();
        move |clock| {
            let recording = Recording {
                ring: Box::new(ring.clone()),
                encoder: Encoder::new(pid, shard, now.as_nanos(), now),
                clock,
                addresses: AddressPolicy::Full,
                triggers: Vec::new(),
            };
            Recorder::new(recording, now)
        }
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let blocks = &mut *self.blocks.borrow_mut();
        blocks.write();
        let outcome = std::mem::replace(&mut blocks.outcome, Ok(()));
        outcome
            .and_then(|()| blocks.file.flush())
            .map_err(|error| Failure::Trace(self.path.clone(), error.into()))
    }
}

impl Blocks {
    /// Writes the block, if there is one.
    fn write(&mut self) {
        let is_begun = self.block.iter().take(HEADER_BYTES).any(|&byte| byte != 0);
        if is_begun && self.outcome.is_ok() {
            self.outcome = self.file.write_all(&self.block);
        }
        self.block.fill(0);
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let place = self.block.get_mut(at..).unwrap_or_default();
        place.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    }
}

impl Ring for TraceFile {
    fn begin(&mut self, header: &[u8; HEADER_BYTES]) {
        let blocks = &mut *self.blocks.borrow_mut();
        blocks.write();
        blocks.put(0, header);
    }

    fn append(&mut self, at: usize, bytes: &[u8]) {
        let blocks = &mut *self.blocks.borrow_mut();
        blocks.put(HEADER_BYTES + at, bytes);
        blocks.put(LENGTH_OFFSET, &((at + bytes.len()) as u32).to_le_bytes());
    }
}
