//! monoio, a task a connection: io_uring where the kernel has it, epoll elsewhere.
//!
//! `--driver` instead of a port prints which of the two it is.

use monoio::buf::IoBufMut;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::utils::detect_uring;
use monoio::{FusionDriver, RuntimeBuilder};
use peers::{READ_CHUNK, answer_frames, listen};
use std::{env, io};

fn main() -> io::Result<()> {
    if env::args().nth(1).as_deref() == Some("--driver") {
        println!("{}", if detect_uring() { "io_uring" } else { "epoll" });
        return Ok(());
    }
    RuntimeBuilder::<FusionDriver>::new().build()?.block_on(accept())
}

async fn accept() -> io::Result<()> {
    let listener = listen()?;
    // io_uring waits in the kernel and epoll does not; from_std leaves it to the caller.
    listener.set_nonblocking(!detect_uring())?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        monoio::spawn(serve(stream));
    }
}

/// The kernel owns a buffer while it reads or writes, so each goes in by value and comes back.
async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input: Vec<u8> = Vec::new();
    let mut output = Vec::new();
    loop {
        input.reserve(READ_CHUNK);
        let unparsed = input.len();
        let (read, filled) = stream.read(input.slice_mut(unparsed..)).await;
        input = filled.into_inner();
        if read? == 0 {
            return Ok(());
        }
        let answered = answer_frames(&input, &mut output);
        if !output.is_empty() {
            let (written, emptied) = stream.write_all(output).await;
            written?;
            output = emptied;
            output.clear();
        }
        input.drain(..answered?);
    }
}
