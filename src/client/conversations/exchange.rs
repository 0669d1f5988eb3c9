//! The address exchange: the server sends the time, the client sends its address, and the server
//! sends the value that it has for the address.

use crate::client::session::{Conversation, Expect, NextAction, Writer};
use std::net::SocketAddr;

/// One exchange, and what was learnt in it.
#[derive(Debug, Default)]
pub struct AddressExchange {
    local: Option<SocketAddr>,
    date: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl AddressExchange {
    /// The session's own address, once it is connected; a unix socket has none.
    pub fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// The date and time that the server told.
    pub fn date(&self) -> Option<&[u8]> {
        self.date.as_deref()
    }

    /// What the server answered to the address.
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }
}

impl Conversation for AddressExchange {
    fn connected(&mut self, writer: &mut Writer<'_>) -> NextAction {
        self.local = writer.local;
        NextAction::Await(Expect::Pause)
    }

    fn answered(&mut self, answer: &[u8], writer: &mut Writer<'_>) -> Result<NextAction, String> {
        if self.date.is_none() {
            self.date = Some(answer.to_vec());
            // As WHOAMI has it, a client of a unix socket is called so.
            let own = writer.local.map_or_else(|| "unix".to_owned(), |own| own.ip().to_string());
            writer.send(own.as_bytes());
            return Ok(NextAction::Await(Expect::Pause));
        }
        self.value = Some(answer.to_vec());
        Ok(NextAction::Finish)
    }
}
