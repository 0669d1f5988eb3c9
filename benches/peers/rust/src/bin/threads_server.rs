//! A thread a connection, with the standard library.

use peers::{READ_CHUNK, answer_frames, listen};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;

fn main() -> io::Result<()> {
    let listener = listen()?;
    loop {
        let (stream, _) = listener.accept()?;
        // A connection's error ends that connection. The thread is not joined.
        thread::spawn(move || serve(stream));
    }
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = vec![0; READ_CHUNK];
    let mut unparsed = 0;
    let mut output = Vec::new();
    loop {
        if unparsed == input.len() {
            input.resize(2 * unparsed, 0);
        }
        let read = stream.read(&mut input[unparsed..])?;
        if read == 0 {
            return Ok(());
        }
        let available = unparsed + read;
        let answered = answer_frames(&input[..available], &mut output);
        stream.write_all(&output)?;
        output.clear();
        let answered = answered?;
        input.copy_within(answered..available, 0);
        unparsed = available - answered;
    }
}
