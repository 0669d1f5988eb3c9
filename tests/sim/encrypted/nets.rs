//! The networks of the programs under test, with TLS around the simulated one. In a world that is
//! not encrypted it only passes calls on.

pub(crate) use super::ending::check_ending;

use super::authority::Authority;
use super::peer::{Imitation, TlsPeer};
use super::tap::PlaintextTap;
use crate::layers::{Layer, TlsFault, TlsManner};
use readyd::capture::Captured;
use readyd::handlers::Service;
use readyd::io::clock::WallTime;
use readyd::io::net::Identity;
use readyd::server::proxied::Serves;
use readyd::testkit::net::SimNet;
use readyd::tls::{Identities, Secured, TicketSeed};

pub(crate) type ServerNet = Captured<PlaintextTap>;
pub(crate) type ClientNet = Secured<SimNet>;

/// What puts the networks together.
pub(crate) struct Nets {
    is_encrypted: bool,
}

impl Nets {
    pub(crate) fn new(is_encrypted: bool) -> Nets {
        Nets { is_encrypted }
    }

    pub(crate) fn server(&self, net: SimNet) -> PlaintextTap {
        let kernel = std::rc::Rc::clone(&net.kernel);
        let identities = self.is_encrypted.then(|| {
            let now = WallTime { seconds: 1_620_412_612, nanos: 0 };
            let identities = Identities::new(TicketSeed::random(now).expect("random bytes"));
            identities.replace(vec![Authority::get().identity(&identities.maker())]);
            identities
        });
        PlaintextTap::new(Secured::new(net, identities), kernel)
    }

    pub(crate) fn client(&self, net: SimNet) -> ClientNet {
        Secured::for_client(net, self.is_encrypted.then(|| Authority::get().client()))
    }

    pub(crate) fn plain_client(&self, net: SimNet) -> ClientNet {
        Secured::for_client(net, None)
    }

    pub(crate) fn serves(&self, service: Service) -> Serves {
        Serves { tls: self.is_encrypted.then_some(Identity(0)), ..Serves::from(service) }
    }
}

/// What is between a peer and its socket.
pub(crate) fn layer(manner: TlsManner) -> Box<dyn Layer> {
    match manner.fault {
        TlsFault::PlainText => Box::new(Imitation::default()),
        _ => Box::new(TlsPeer::new(manner)),
    }
}

/// Makes what all worlds share.
pub(crate) fn prepare() {
    Authority::get();
}
