//! Small worlds that are written down: what they show should go right whatever one call fails with.

use crate::addresses::ClientAddress;
use crate::model::Kind;
use crate::peers::{Ending, Plan, Reading, Writing};
use crate::setup::{Action, Setup};
use crate::wire::frame;
use readyd::testkit::knobs::{Knob, Knobs};
use readyd::testkit::sockets::listener_address;
use std::time::Duration;

/// A name, and what makes the world.
pub(crate) type Scenario = (&'static str, fn() -> Setup);

/// All of them.
pub(crate) const ALL: [Scenario; 16] = [
    ("echo", echo),
    ("pipelined", pipelined),
    ("half-close with data", half_close_with_data),
    ("large reply", large_reply),
    ("look-up and reload", look_up_and_reload),
    ("exchange", exchange),
    ("more than one read", more_than_one_read),
    ("drain", drain),
    ("drain before the events", drain_before_the_events),
    ("error and linger", error_and_linger),
    ("served at once", served_at_once),
    ("one of each address", one_of_each_address),
    ("one in a second", one_in_a_second),
    ("shed", shed),
    ("client's look-up", clients_look_up),
    ("client's second address", clients_second_address),
];

fn world_of(peers: Vec<Plan>) -> Setup {
    Setup { peers, operations: 150, ..Setup::quiet(7) }
}

fn frames(bodies: &[&str]) -> Vec<Vec<u8>> {
    bodies.iter().map(|body| frame(body.as_bytes())).collect()
}

fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn echo() -> Setup {
    let mut asker = Plan::new(Kind::Framed, frames(&["ECHO one", "ECHO two", "Disconnect !"]));
    asker.writing = Writing::PingPong;
    world_of(vec![asker, Plan::new(Kind::Echo, lines(&["there", "and back"]))])
}

fn pipelined() -> Setup {
    let bodies = ["ECHO 1", "WHOAMI", "TIME", "LOOKUP key1", "ECHO 5", "HELP", "STATS", "DAYTIME"];
    world_of(vec![Plan::new(Kind::Framed, frames(&bodies))])
}

fn half_close_with_data() -> Setup {
    let peer = Plan::new(Kind::Framed, frames(&["ECHO last words"]));
    Setup { knobs: Knobs::of(&[Knob::FinWithData]), ..world_of(vec![peer.clone(), peer]) }
}

fn large_reply() -> Setup {
    let text = format!("ECHO {}", "x".repeat(2500));
    let mut peer = Plan::new(Kind::Framed, frames(&[&text, "ECHO after it"]));
    peer.reading = Reading::Pieces(400);
    let mut setup = world_of(vec![peer]);
    setup.window = 700;
    setup.limits.output_limit = 1000;
    setup
}

fn look_up_and_reload() -> Setup {
    let mut peer = Plan::new(Kind::Lookup, lines(&["key0\n", "key1\r\n", "key2\n", "key0"]));
    peer.writing = Writing::Pieces(7);
    let actions = vec![(4, Action::Reload), (6, Action::BrokenTable), (8, Action::Reload)];
    Setup { actions, ..world_of(vec![peer]) }
}

fn exchange() -> Setup {
    let mut peer = Plan::new(Kind::Exchange, lines(&["key0\n", "key1\n"]));
    peer.writing = Writing::PingPong;
    world_of(vec![peer])
}

fn drain() -> Setup {
    let mut asker = Plan::new(Kind::Framed, frames(&["ECHO one", "ECHO two", "ECHO three"]));
    asker.ending = Ending::Stay;
    let mut late = Plan::new(Kind::Framed, frames(&["ECHO I am in the backlog"]));
    late.starts_at = 4;
    let mut unfinished = Plan::new(Kind::Framed, vec![frame(b"ECHO all of it")[..70].to_vec()]);
    unfinished.ending = Ending::Stay;
    Setup { actions: vec![(5, Action::Terminate)], ..world_of(vec![asker, late, unfinished]) }
}

fn more_than_one_read() -> Setup {
    let peer = Plan::new(Kind::Echo, vec![vec![b'x'; 150_000]]);
    Setup { window: 200_000, ..world_of(vec![peer]) }
}

/// Of many requests only a few are told of when the order to stop comes.
fn drain_before_the_events() -> Setup {
    let mut peer = Plan::new(Kind::Framed, frames(&["ECHO told of too late"]));
    peer.ending = Ending::Stay;
    let knobs = Knobs::of(&[Knob::FewEventsAPoll]);
    Setup { knobs, actions: vec![(5, Action::Terminate)], ..world_of(vec![peer; 8]) }
}

fn error_and_linger() -> Setup {
    let mut peer = Plan::new(Kind::Framed, frames(&["ECHO right"]));
    peer.requests.push(b"GET / HTTP/1.1\r\n".to_vec());
    peer.requests.push(vec![b'x'; 3000]);
    peer.writing = Writing::Pieces(600);
    let mut long = Plan::new(Kind::Lookup, vec![vec![b'k'; 5000]]);
    long.writing = Writing::Pieces(900);
    world_of(vec![peer, long])
}

fn served_at_once() -> Setup {
    let kinds = [Kind::Greeting, Kind::Time, Kind::Daytime, Kind::DaytimeAck, Kind::Discard];
    let plan = |kind| Plan::new(kind, lines(&["thanks"]));
    world_of(kinds.into_iter().map(plan).collect())
}

/// Three come from one address at once, and one from another.
fn crowd() -> Setup {
    let asker = Plan::new(Kind::Framed, frames(&["ECHO one", "ECHO two"]));
    let neighbour = Plan { client_address: ClientAddress::ALL[5], ..asker.clone() };
    world_of(vec![asker.clone(), asker.clone(), asker, neighbour])
}

fn one_of_each_address() -> Setup {
    let mut setup = crowd();
    setup.limits.max_connections_per_address = Some(1);
    setup
}

fn one_in_a_second() -> Setup {
    let mut setup = crowd();
    setup.limits.accept_rate_per_address = Some(1);
    setup
}

/// Two halves of a request fit, but not together with a reply that is read slowly.
fn shed() -> Setup {
    let half = frame(&[b'x'; 2000])[..1000].to_vec();
    let mut hoarder = Plan::new(Kind::Framed, vec![half]);
    hoarder.ending = Ending::Stay;
    let mut reader = Plan::new(Kind::Echo, vec![vec![b'x'; 4000]]);
    reader.reading = Reading::Pieces(100);
    let mut setup = world_of(vec![hoarder.clone(), reader, hoarder]);
    setup.window = 1500;
    setup.limits.memory_limit = 3000;
    setup
}

fn clients_look_up() -> Setup {
    let bodies = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let mut setup = world_of(Vec::new());
    setup.pool.conversations =
        vec![(bodies(&["LOOKUP key0", "LOOKUP key1", "WHOAMI"]), 1), (bodies(&["TIME", "x"]), 2)];
    setup
}

fn clients_second_address() -> Setup {
    let mut setup = clients_look_up();
    let mut refusing = listener_address(0);
    refusing.set_port(readyd::testkit::sockets::REFUSING_PORT);
    setup.pool.addresses.insert(0, refusing);
    setup.pool.limits.session.connect_timeout = Duration::from_secs(2);
    setup
}
