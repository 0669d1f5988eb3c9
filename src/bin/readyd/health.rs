//! `readyd --health ADDRESS`: asks a running server how it is, and starts nothing.
//!
//! For images without a shell: a probe of the same program. The exit status is 0 if the server is
//! ready, 3 if it drains, and 1 if none answers there as a metrics listener does.
//!
//! Invariant: it ends within [`LIMIT`], whatever the peer does.

use readyd::io::address::{Address, UnixAddress};
use readyd::os::listener::unix;
use socket2::{Domain, Socket, Type};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The longest that it may take.
const LIMIT: Duration = Duration::from_secs(2);

/// More bytes than the head of an answer has.
const LONGEST_ANSWER: usize = 4096;

const QUESTION: &[u8] = b"GET /readyz HTTP/1.0\r\n\r\n";

/// The exit status for a server that drains.
const DRAINING: u8 = 3;

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Ready,
    Draining,
}

/// Why that is not known: the server's fault, or the address is another program's.
#[derive(Debug)]
enum HealthError {
    /// Nothing could be sent to it, or nothing came.
    Io(io::Error),
    /// What came is no answer of HTTP.
    NotHttp,
    /// It answered with this status.
    Status(u16),
}

impl From<io::Error> for HealthError {
    fn from(error: io::Error) -> HealthError {
        HealthError::Io(error)
    }
}

impl fmt::Display for HealthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HealthError::Io(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                write!(f, "no answer within {LIMIT:?}")
            }
            HealthError::Io(error) => write!(f, "{error}"),
            HealthError::NotHttp => {
                f.write_str("the answer is not HTTP (is it the address of a metrics listener?)")
            }
            HealthError::Status(status) => write!(
                f,
                "the answer has the status {status} (is it the address of a metrics listener?)"
            ),
        }
    }
}

/// Asks the first of the addresses that takes the connection, prints one line, and returns the exit
/// status.
pub(crate) fn ask(addresses: &[Address]) -> ExitCode {
    let (word, status) = match health_of_one(addresses, Instant::now() + LIMIT) {
        Ok(Health::Ready) => ("ready".to_owned(), 0),
        Ok(Health::Draining) => ("draining".to_owned(), DRAINING),
        Err((address, error)) => (format!("readyd: --health {address}: {error}"), 1),
    };
    // The exit status is the answer; the line is for people, who may have gone.
    let _ = match status {
        1 => writeln!(io::stderr(), "{word}"),
        _ => writeln!(io::stdout(), "{word}"),
    };
    ExitCode::from(status)
}

/// The health of the first server that takes the connection; or the address and the error of the
/// last one.
fn health_of_one(addresses: &[Address], until: Instant) -> Result<Health, (String, HealthError)> {
    let mut failure = (String::new(), HealthError::NotHttp);
    for address in addresses {
        let at = |error: HealthError| (address.to_string(), error);
        match connect(address, until) {
            Ok(stream) => return health(stream, until).map_err(at),
            Err(error) => failure = at(error.into()),
        }
    }
    Err(failure)
}

/// What is left of the time; at least a moment, for no time means no limit to the system.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn connect(address: &Address, until: Instant) -> io::Result<Socket> {
    match address {
        Address::Inet(address) => connect_tcp(address, until),
        Address::Unix(address) => connect_unix(address, until),
    }
}

fn connect_tcp(address: &SocketAddr, until: Instant) -> io::Result<Socket> {
    TcpStream::connect_timeout(address, left(until)?).map(Socket::from)
}

/// connect(2) waits for room in the backlog of a unix socket, for as long as SO_SNDTIMEO allows.
fn connect_unix(address: &UnixAddress, until: Instant) -> io::Result<Socket> {
    let name = unix::sock_addr(address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(left(until)?))?;
    socket.connect(&name)?;
    Ok(socket)
}

/// Asks a server that is connected.
fn health(mut stream: Socket, until: Instant) -> Result<Health, HealthError> {
    stream.set_write_timeout(Some(left(until)?))?;
    stream.write_all(QUESTION)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    // To its end: a close with unread bytes would be a reset to the server.
    while answer.len() < LONGEST_ANSWER {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    judge(&answer)
}

/// What the status line of an answer says.
fn judge(answer: &[u8]) -> Result<Health, HealthError> {
    let status = answer
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| rest.get(1..)?.strip_prefix(b" ")?.first_chunk::<3>())
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        .ok_or(HealthError::NotHttp)?;
    match status {
        200 => Ok(Health::Ready),
        503 => Ok(Health::Draining),
        other => Err(HealthError::Status(other)),
    }
}
