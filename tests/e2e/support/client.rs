//! A blocking client that never waits longer than [`PATIENCE`].

use super::PATIENCE;
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const HEADER_LEN: usize = 64;

/// `body` as a frame. Spelled out here and not taken from the library, which is under test.
pub(crate) fn frame(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut frame = format!("{:<HEADER_LEN$}", body.len()).into_bytes();
    frame.extend_from_slice(body);
    frame
}

/// A connection to a server.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .unwrap_or_else(|error| panic!("connect to {address}: {error}"));
        Client::over(stream)
    }

    /// The same, from an address of this machine that is named. Fails if the server turned it away.
    pub(crate) fn connect_from(source: IpAddr, address: SocketAddr) -> io::Result<Client> {
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("bind to the source address");
        socket.connect_timeout(&address.into(), PATIENCE)?;
        Ok(Client::over(socket.into()))
    }

    pub(crate) fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).expect("set a read timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("set a write timeout");
        // What a test sends in two calls is meant to leave in two segments.
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        Client { stream }
    }

    /// This end's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Another handle to the same connection, to write in one thread and read in another.
    pub(crate) fn other_handle(&self) -> Client {
        Client { stream: self.stream.try_clone().expect("duplicate a descriptor") }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("send");
    }

    pub(crate) fn send_frame(&mut self, body: impl AsRef<[u8]>) {
        self.send(&frame(body));
    }

    /// Sends `bytes` again and again until the server closes the connection.
    pub(crate) fn send_until_closed(&mut self, bytes: &[u8]) -> ErrorKind {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Err(error) = self.stream.write_all(bytes) {
                return error.kind();
            }
        }
        panic!("still connected after {PATIENCE:?}");
    }

    /// Reads exactly `count` bytes.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream
            .read_exact(&mut bytes)
            .unwrap_or_else(|error| panic!("read {count} bytes: {error}"));
        bytes
    }

    /// Reads as many bytes as `expected` has, and checks that they are these.
    pub(crate) fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let came = self.read(expected.as_ref().len());
        let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
        assert!(
            came == expected.as_ref(),
            "{:?} came instead of {:?}",
            shown(&came),
            shown(expected.as_ref())
        );
    }

    /// Reads until the server's FIN.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut bytes) {
            panic!("read until FIN: {error}, after {:?}", bytes.escape_ascii().to_string());
        }
        bytes
    }

    /// Reads one frame and returns its body.
    pub(crate) fn read_frame(&mut self) -> Vec<u8> {
        let header = String::from_utf8(self.read(HEADER_LEN)).expect("a header of ASCII");
        let digits = header.trim_end_matches(' ');
        let length = digits.parse().unwrap_or_else(|_| panic!("not a header: {header:?}"));
        self.read(length)
    }

    /// Sends one frame and returns the body of the next that comes, as text.
    pub(crate) fn ask(&mut self, body: &str) -> String {
        self.send_frame(body);
        String::from_utf8(self.read_frame()).expect("a reply of UTF-8")
    }

    /// Whether the server stays silent for `pause`. If not, what it says can still be read.
    pub(crate) fn hears_nothing_for(&mut self, pause: Duration) -> bool {
        self.stream.set_read_timeout(Some(pause)).expect("set a read timeout");
        let heard = self.stream.peek(&mut [0; 1]);
        self.stream.set_read_timeout(Some(PATIENCE)).expect("set a read timeout");
        heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends FIN; replies can still be read.
    pub(crate) fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("send FIN");
    }

    /// Closes with RST.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("set SO_LINGER");
    }
}
