//! The framed echo protocol on bytes, for all the servers here; each brings only its own way of
//! reading and writing.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::exit;
use std::{env, io};

const HEADER_LEN: usize = 64;
const SPACES: [u8; HEADER_LEN] = [b' '; HEADER_LEN];
const ECHO_COMMAND: &[u8] = b"ECHO ";
const ACKNOWLEDGEMENT: &[u8] = b"Message received successfully....";
const MAX_LENGTH_DIGITS: usize = 20;
const BACKLOG: i32 = 4096;

/// How much room a connection offers to one read, in bytes: a request of 16 KiB fits well.
pub const READ_CHUNK: usize = 64 * 1024;

/// What should have been a header is not one; the connection cannot go on.
#[derive(Debug)]
pub struct BadHeader;

impl From<BadHeader> for io::Error {
    fn from(_: BadHeader) -> Self {
        Self::new(io::ErrorKind::InvalidData, "bad header")
    }
}

/// Appends to `output` the reply to every whole frame, and returns how many bytes those took.
///
/// # Errors
///
/// [`BadHeader`], with the replies to the frames before it in `output`.
pub fn answer_frames(input: &[u8], output: &mut Vec<u8>) -> Result<usize, BadHeader> {
    let mut rest = input;
    while let Some((header, after_header)) = rest.split_first_chunk() {
        let body_len = decode_header(header).ok_or(BadHeader)?;
        let Some((body, after_body)) = after_header.split_at_checked(body_len) else { break };
        append_frame(output, body.strip_prefix(ECHO_COMMAND).unwrap_or(ACKNOWLEDGEMENT));
        rest = after_body;
    }
    Ok(input.len() - rest.len())
}

fn decode_header(header: &[u8; HEADER_LEN]) -> Option<usize> {
    let digits = header.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || header[digits..] != SPACES[digits..] {
        return None;
    }
    header[..digits].iter().try_fold(0usize, |value, digit| {
        value.checked_mul(10)?.checked_add(usize::from(digit - b'0'))
    })
}

fn append_frame(output: &mut Vec<u8>, body: &[u8]) {
    let mut digits = [0; MAX_LENGTH_DIGITS];
    let mut first = MAX_LENGTH_DIGITS;
    let mut rest = body.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    output.extend_from_slice(&digits[first..]);
    output.extend_from_slice(&SPACES[MAX_LENGTH_DIGITS - first..]);
    output.extend_from_slice(body);
}

/// Listens on loopback, on the port from the command line; ends the process if there is none.
///
/// The standard library lets 128 clients wait to be accepted. When thousands connect at once, the
/// kernel turns away the rest, and each of them tries again only a second later.
pub fn listen() -> io::Result<TcpListener> {
    let Some(port) = env::args().nth(1).and_then(|port| port.parse().ok()) else {
        eprintln!("usage: {} PORT", env::args().next().unwrap_or_default());
        exit(2);
    };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
