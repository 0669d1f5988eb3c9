//! The networks of the programs under test, where the simulator is built without TLS.

use crate::layers::{Layer, TlsManner};
use crate::world::World;
use readyd::capture::Captured;
use readyd::handlers::Service;
use readyd::testkit::net::SimNet;

pub(crate) type ServerNet = Captured<SimNet>;
pub(crate) type ClientNet = SimNet;

/// What puts the networks together.
pub(crate) struct Nets;

impl Nets {
    pub(crate) fn new(is_encrypted: bool) -> Nets {
        assert!(!is_encrypted, "encrypted worlds need the features tls and client");
        Nets
    }

    pub(crate) fn server(&self, net: SimNet) -> SimNet {
        net
    }

    pub(crate) fn client(&self, net: SimNet) -> SimNet {
        net
    }

    pub(crate) fn plain_client(&self, net: SimNet) -> SimNet {
        net
    }

    pub(crate) fn serves(&self, service: Service) -> Service {
        service
    }
}

pub(crate) fn check_ending(_: &World) -> Result<(), String> {
    Ok(())
}

pub(crate) fn layer(_: TlsManner) -> Box<dyn Layer> {
    unreachable!("no world is encrypted")
}

pub(crate) fn prepare() {}
