//! The address exchange: the server tells the time, the client its address, the server what it
//! knows of it.

use crate::client::session::{Expect, Script, Then, Voice};
use std::net::SocketAddr;

/// One exchange, and what was learnt in it.
#[derive(Debug, Default)]
pub struct AddressExchange {
    local: Option<SocketAddr>,
    date: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl AddressExchange {
    /// The session's own address.
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

impl Script for AddressExchange {
    fn connected(&mut self, voice: &mut Voice<'_>) -> Then {
        self.local = Some(voice.local);
        Then::Await(Expect::Pause)
    }

    fn answered(&mut self, answer: &[u8], voice: &mut Voice<'_>) -> Result<Then, String> {
        if self.date.is_none() {
            self.date = Some(answer.to_vec());
            voice.say(voice.local.ip().to_string().as_bytes());
            return Ok(Then::Await(Expect::Pause));
        }
        self.value = Some(answer.to_vec());
        Ok(Then::Finish)
    }
}
