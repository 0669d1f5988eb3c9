//! Every event is tried in every state of every role. The outcomes are the table of transitions,
//! which ARCHITECTURE.md shows.

use super::*;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const ROLES: [Role; 4] = [Role::Active, Role::Idle, Role::SlowReader, Role::SlowWriter];

const STATES: [StateName; 8] = [
    StateName::Closed,
    StateName::Connecting,
    StateName::Active,
    StateName::Idle,
    StateName::Probing,
    StateName::Slow,
    StateName::BackingOff,
    StateName::GivenUp,
];

const EVENTS: [ConnEvent; 7] = [
    ConnEvent::Connect,
    ConnEvent::Connected,
    ConnEvent::Served,
    ConnEvent::Close,
    ConnEvent::BackOff,
    ConnEvent::WaitOver,
    ConnEvent::GiveUp,
];

/// Has `event` happen; an idle connection that connects `probes` or not.
fn happen(connection: &mut SlotConnection<()>, event: ConnEvent, probes: bool) {
    match event {
        ConnEvent::Connect => connection.connect((), Moment::START),
        ConnEvent::Connected => connection.connected(probes),
        ConnEvent::Served => connection.served(),
        ConnEvent::Close => drop(connection.close()),
        ConnEvent::BackOff => connection.back_off(Moment::START),
        ConnEvent::WaitOver => connection.wait_over(),
        ConnEvent::GiveUp => connection.give_up(),
    }
}

/// A connection that came to `state` on legal ways only, if one leads there.
fn connection_in(role: Role, state: StateName) -> Option<SlotConnection<()>> {
    let ways: [&[(ConnEvent, bool)]; 5] = [
        &[],
        &[(ConnEvent::Connect, false), (ConnEvent::Connected, false)],
        &[(ConnEvent::Connect, false), (ConnEvent::Connected, true)],
        &[(ConnEvent::BackOff, false)],
        &[(ConnEvent::GiveUp, false)],
    ];
    for way in ways {
        let mut connection = SlotConnection::new(role);
        if connection.state() == state {
            return Some(connection);
        }
        for &(event, probes) in way {
            let from = connection.state();
            if !TRANSITIONS
                .iter()
                .any(|row| row.from == from && row.event == event && row.roles.contains(&role))
            {
                break;
            }
            happen(&mut connection, event, probes);
            if connection.state() == state {
                return Some(connection);
            }
        }
    }
    None
}

/// The next state after `event` in `state`; `None` if the setter does not let it happen.
fn outcome(role: Role, state: StateName, event: ConnEvent, probes: bool) -> Option<StateName> {
    let mut connection = connection_in(role, state)?;
    let happened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        happen(&mut connection, event, probes);
        connection.state()
    }));
    // Closing a slot without a socket does nothing, and is no transition.
    happened.ok().filter(|&to| to != state)
}

#[cfg(debug_assertions)]
#[test]
fn every_event_in_every_state_leads_where_the_table_says_or_nowhere() {
    let mut walked = BTreeSet::new();
    for role in ROLES {
        for (from, event, probes) in all() {
            if let Some(to) = outcome(role, from, event, probes) {
                assert!(is_legal(role, from, event, to), "{role:?}: {from:?} {event:?} {to:?}");
                walked.insert(format!("{role:?} {from:?} {event:?} {to:?}"));
            }
        }
    }
    let legal: BTreeSet<String> = TRANSITIONS
        .iter()
        .flat_map(|row| row.roles.iter().map(move |role| (role, row)))
        .map(|(role, row)| format!("{role:?} {:?} {:?} {:?}", row.from, row.event, row.to))
        .collect();
    assert_eq!(walked, legal);
}

fn all() -> impl Iterator<Item = (StateName, ConnEvent, bool)> {
    let pairs = STATES.into_iter().flat_map(|from| EVENTS.map(|event| (from, event)));
    pairs.flat_map(|(from, event)| [false, true].map(|probes| (from, event, probes)))
}

/// The table as text.
fn diagram() -> String {
    let mut text = String::from("```text\n");
    text += "state       event      next state  slots\n";
    for Transition { from, event, to, roles } in &TRANSITIONS {
        let [from, event, to] = [format!("{from:?}"), format!("{event:?}"), format!("{to:?}")];
        let roles = match roles.len() {
            4 => "all".to_owned(),
            _ => roles.iter().map(|role| format!("{role:?}")).collect::<Vec<_>>().join(", "),
        };
        let _ = writeln!(text, "{from:<11} {event:<10} {to:<11} {roles}");
    }
    text + "```\n"
}

#[test]
fn architecture_md_shows_the_table() {
    const BEGIN: &str = "<!-- states of the load generator's connection: begin -->\n";
    const END: &str = "<!-- states of the load generator's connection: end -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = fs::read_to_string(&path).unwrap();
    let begin = text.find(BEGIN).expect("the marker where the table begins") + BEGIN.len();
    let end = text.find(END).expect("the marker where the table ends");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let updated = [&text[..begin], &diagram(), &text[end..]].concat();
        return fs::write(&path, updated).unwrap();
    }
    assert_eq!(
        &text[begin..end],
        diagram(),
        "the states of the load generator's connection have changed; to update ARCHITECTURE.md: \
         UPDATE_DOCS=1 cargo test --lib architecture_md_shows_the_table"
    );
}
