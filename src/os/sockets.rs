//! The TCP sockets of this network namespace, as `/proc/net/tcp` and `/proc/net/tcp6` list them.
//!
//! Invariant: a list is read line by line, because it may have a million lines. The kernel lists
//! listening sockets first. A line of another form than proc_pid_net(5) describes is skipped.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[cfg(test)]
mod tests;

/// The lists, IPv4 and IPv6.
pub const LISTS: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// A state of a TCP socket, RFC 9293 3.3.2; numbered as in the kernel's include/net/tcp_states.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Connected.
    Established,
    /// Our SYN was sent.
    SynSent,
    /// A SYN was received; the ACK that ends the handshake was not.
    SynReceived,
    /// Our FIN was sent.
    FinWait1,
    /// Our FIN was acknowledged.
    FinWait2,
    /// Closed by both; kept for a minute, so that no late segment is taken for one of a new
    /// connection.
    TimeWait,
    /// Closed.
    Close,
    /// The peer's FIN was received.
    CloseWait,
    /// Our FIN was sent after the peer's was received.
    LastAck,
    /// Waiting for connections.
    Listen,
    /// Both FINs were sent, and ours is not acknowledged.
    Closing,
}

impl State {
    fn from_number(number: u8) -> Option<State> {
        Some(match number {
            1 => State::Established,
            2 => State::SynSent,
            // 12 is TCP_NEW_SYN_RECV: a handshake that has no socket of its own yet.
            3 | 12 => State::SynReceived,
            4 => State::FinWait1,
            5 => State::FinWait2,
            6 => State::TimeWait,
            7 => State::Close,
            8 => State::CloseWait,
            9 => State::LastAck,
            10 => State::Listen,
            11 => State::Closing,
            _ => return None,
        })
    }

    /// The state's name, as ss(8) and netstat(8) write it.
    pub fn name(self) -> &'static str {
        match self {
            State::Established => "ESTABLISHED",
            State::SynSent => "SYN_SENT",
            State::SynReceived => "SYN_RECV",
            State::FinWait1 => "FIN_WAIT1",
            State::FinWait2 => "FIN_WAIT2",
            State::TimeWait => "TIME_WAIT",
            State::Close => "CLOSE",
            State::CloseWait => "CLOSE_WAIT",
            State::LastAck => "LAST_ACK",
            State::Listen => "LISTEN",
            State::Closing => "CLOSING",
        }
    }
}

/// A socket in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its own address. The scope of a link-local one is not in the list.
    pub local: SocketAddr,
    /// The peer's address; all zeros for a listener.
    pub remote: SocketAddr,
    /// Its state.
    pub state: State,
    /// Its owner; also 0 if no process has it open any more, as in TIME_WAIT.
    pub uid: u32,
    /// Its inode, by which /proc/PID/fd names it; 0 if no process has it.
    pub inode: u64,
}

/// The sockets in the list at `path`, one of [`LISTS`].
///
/// # Errors
///
/// What open(2) says. An error of read(2) ends the list.
pub fn list(path: &str) -> io::Result<impl Iterator<Item = Row>> {
    let lines = BufReader::new(File::open(path)?).lines().map_while(Result::ok);
    Ok(lines.filter_map(|line| row(&line)))
}

/// Parses a line of a list; `None` if it is not a socket, such as the header line.
///
/// ```text
///   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
///    0: 0100007F:270F 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 21343
/// ```
pub fn row(line: &str) -> Option<Row> {
    let mut words = line.split_ascii_whitespace();
    words.next()?.strip_suffix(':')?;
    let local = address(words.next()?)?;
    let remote = address(words.next()?)?;
    let state = State::from_number(u8::from_str_radix(words.next()?, 16).ok()?)?;
    // Past the queues, the timer and the retransmissions.
    let mut words = words.skip(3);
    let uid = words.next()?.parse().ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    Some(Row { local, remote, state, uid, inode })
}

/// The inodes of the unix sockets that listen at `address`: a path, or `@` and a name. None if
/// `/proc/net/unix` cannot be read.
pub fn listening_unix(address: &str) -> Vec<u64> {
    let Ok(file) = File::open("/proc/net/unix") else { return Vec::new() };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    lines.filter_map(|line| unix_listener(&line, address)).collect()
}

/// The inode in a line of that list, if it is of a socket that listens at `address`.
///
/// ```text
/// Num       RefCount Protocol Flags    Type St Inode Path
/// 000000005: 00000002 00000000 00010000 0001 01 21343 /run/readyd.sock
/// ```
fn unix_listener(line: &str, address: &str) -> Option<u64> {
    // __SO_ACCEPTCON: listen(2) was called.
    const LISTENS: &str = "00010000";
    let mut words = line.split_ascii_whitespace();
    let is_listening = words.nth(3)? == LISTENS;
    let inode = words.nth(2)?;
    // A path may hold spaces.
    let (_, bound) = line.split_once(&format!(" {inode} "))?;
    if is_listening && bound == address { inode.parse().ok() } else { None }
}

/// `0100007F:270F`: the address as hexadecimal numbers of 32 bits, in the machine's byte order, and
/// the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(ip)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(ip.get(index * 8..index * 8 + 8)?)?);
            }
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some((ip, port).into())
}

fn word(hex: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(hex, 16).ok().map(u32::to_ne_bytes)
}
