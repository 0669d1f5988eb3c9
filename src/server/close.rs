//! Why a connection ended.
//!
//! Invariant: every connection ends for exactly one [`CloseReason`]. The word in the log, the
//! counter in the statistics and what a test expects are all this one enum.

use crate::io::net::TlsFailure;
use crate::protocol::frame::FrameError;
use std::{fmt, io};

#[cfg(test)]
mod tests;

/// The one reason for which a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer sent FIN and everything it had sent before was answered.
    PeerClosed,
    /// The peer sent FIN in the middle of a frame.
    PeerClosedMidFrame,
    /// The peer sent RST, or the network did on its behalf.
    Reset,
    /// The peer sent something that is not a frame.
    BadFrame,
    /// The peer declared or sent a request over the limit.
    OverLimit,
    /// A frame did not arrive whole within its time.
    FrameTimeout,
    /// No request came for too long.
    IdleTimeout,
    /// The peer did not take our output for too long.
    WriteTimeout,
    /// The peer asked for it with `Disconnect !`.
    Disconnect,
    /// A service that gives one answer a connection has given it.
    Served,
    /// The server is stopping, and nothing was left to answer.
    Drained,
    /// The server stopped while something was still unfinished.
    Stopped,
    /// All connections together held more than they may, and this was among the newest that held
    /// some.
    Shed,
    /// The operating system failed the connection in some other way.
    SystemError,
    /// A proxy sent something that is not a header of the PROXY protocol.
    BadProxyHeader,
    /// The header of the PROXY protocol did not arrive whole within its time.
    ProxyHeaderTimeout,
    /// The client that the header of the PROXY protocol tells of may not connect.
    ProxyRefused,
    /// The peer of an encrypted listener does not speak TLS.
    TlsNotTls,
    /// The two sides could not agree on how to encrypt.
    TlsHandshakeFailed,
    /// The handshake of TLS was not over in time.
    TlsHandshakeTimeout,
    /// The client had to have a certificate, and has none that is accepted.
    TlsClientCertificate,
    /// The peer ended TLS with an alert.
    TlsAlert,
    /// A record of TLS was damaged.
    TlsBadRecord,
    /// The stream ended without the peer's close_notify: some of it may be missing.
    TlsTruncated,
}

impl CloseReason {
    /// Every reason, in the order of the statistics.
    pub const ALL: [CloseReason; 24] = [
        CloseReason::PeerClosed,
        CloseReason::PeerClosedMidFrame,
        CloseReason::Reset,
        CloseReason::BadFrame,
        CloseReason::OverLimit,
        CloseReason::FrameTimeout,
        CloseReason::IdleTimeout,
        CloseReason::WriteTimeout,
        CloseReason::Disconnect,
        CloseReason::Served,
        CloseReason::Drained,
        CloseReason::Stopped,
        CloseReason::Shed,
        CloseReason::SystemError,
        CloseReason::BadProxyHeader,
        CloseReason::ProxyHeaderTimeout,
        CloseReason::ProxyRefused,
        CloseReason::TlsNotTls,
        CloseReason::TlsHandshakeFailed,
        CloseReason::TlsHandshakeTimeout,
        CloseReason::TlsClientCertificate,
        CloseReason::TlsAlert,
        CloseReason::TlsBadRecord,
        CloseReason::TlsTruncated,
    ];

    /// The reason as one word, for counters: `closed_peer_closed`.
    pub const fn word(self) -> &'static str {
        match self {
            CloseReason::PeerClosed => "peer_closed",
            CloseReason::PeerClosedMidFrame => "peer_closed_mid_frame",
            CloseReason::Reset => "reset",
            CloseReason::BadFrame => "bad_frame",
            CloseReason::OverLimit => "over_limit",
            CloseReason::FrameTimeout => "frame_timeout",
            CloseReason::IdleTimeout => "idle_timeout",
            CloseReason::WriteTimeout => "write_timeout",
            CloseReason::Disconnect => "disconnect",
            CloseReason::Served => "served",
            CloseReason::Drained => "drained",
            CloseReason::Stopped => "stopped",
            CloseReason::Shed => "shed",
            CloseReason::SystemError => "system_error",
            CloseReason::BadProxyHeader => "bad_proxy_header",
            CloseReason::ProxyHeaderTimeout => "proxy_header_timeout",
            CloseReason::ProxyRefused => "proxy_refused",
            CloseReason::TlsNotTls => "tls_not_tls",
            CloseReason::TlsHandshakeFailed => "tls_handshake_failed",
            CloseReason::TlsHandshakeTimeout => "tls_handshake_timeout",
            CloseReason::TlsClientCertificate => "tls_client_certificate",
            CloseReason::TlsAlert => "tls_alert",
            CloseReason::TlsBadRecord => "tls_bad_record",
            CloseReason::TlsTruncated => "tls_truncated",
        }
    }
}

impl fmt::Display for CloseReason {
    /// The reason as the log says it, after `closed: `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::PeerClosed => "peer closed",
            CloseReason::PeerClosedMidFrame => "peer closed in the middle of a frame",
            CloseReason::Reset => "reset by peer",
            CloseReason::BadFrame => "bad frame",
            CloseReason::OverLimit => "request over the limit",
            CloseReason::FrameTimeout => "frame timeout",
            CloseReason::IdleTimeout => "idle timeout",
            CloseReason::WriteTimeout => "write timeout",
            CloseReason::Disconnect => "peer asked to disconnect",
            CloseReason::Served => "served",
            CloseReason::Drained => "server stopping",
            CloseReason::Stopped => "server stopped with work unfinished",
            CloseReason::Shed => "shed, the memory limit is reached",
            CloseReason::SystemError => "system error",
            CloseReason::BadProxyHeader => "bad PROXY header",
            CloseReason::ProxyHeaderTimeout => "PROXY header timeout",
            CloseReason::ProxyRefused => "refused, by the address in the PROXY header",
            CloseReason::TlsNotTls => "not TLS",
            CloseReason::TlsHandshakeFailed => "TLS handshake failed",
            CloseReason::TlsHandshakeTimeout => "TLS handshake timeout",
            CloseReason::TlsClientCertificate => "client certificate missing or not accepted",
            CloseReason::TlsAlert => "TLS alert from the peer",
            CloseReason::TlsBadRecord => "damaged TLS record",
            CloseReason::TlsTruncated => "stream ended without close_notify",
        })
    }
}

impl From<FrameError> for CloseReason {
    fn from(error: FrameError) -> CloseReason {
        match error {
            FrameError::BadByte { .. } | FrameError::NotHttp { .. } => CloseReason::BadFrame,
            FrameError::OverLimit { .. }
            | FrameError::LineOverLimit { .. }
            | FrameError::HeadOverLimit { .. } => CloseReason::OverLimit,
        }
    }
}

impl From<TlsFailure> for CloseReason {
    fn from(failure: TlsFailure) -> CloseReason {
        match failure {
            TlsFailure::NotTls => CloseReason::TlsNotTls,
            TlsFailure::Handshake => CloseReason::TlsHandshakeFailed,
            TlsFailure::Certificate => CloseReason::TlsClientCertificate,
            TlsFailure::Alert => CloseReason::TlsAlert,
            TlsFailure::Record => CloseReason::TlsBadRecord,
            TlsFailure::Truncated => CloseReason::TlsTruncated,
        }
    }
}

/// Whose doing it was that a call on a connection failed.
impl From<&io::Error> for CloseReason {
    fn from(error: &io::Error) -> CloseReason {
        if let Some(failure) = TlsFailure::of(error) {
            return failure.into();
        }
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => CloseReason::Reset,
            _ => CloseReason::SystemError,
        }
    }
}
