//! Every event from every state; and the diagram of them.

use super::*;
use crate::documented;
use std::collections::BTreeMap;
use std::fmt::Write as _;

type Event = (&'static str, fn(&mut State));

const REASON: CloseReason = CloseReason::Served;

const EVENTS: [Event; 7] = [
    ("produce", State::produce),
    ("stall", State::stall),
    ("resume", State::resume),
    ("finish", |state| state.finish(REASON)),
    ("fin_sent", State::fin_sent),
    ("peer_fin", |state| state.peer_fin(REASON)),
    ("linger_over", State::linger_over),
];

/// These lead to the same state from everywhere.
const FAILURES: [Event; 2] = [
    ("abort", |state| state.abort(REASON)),
    ("socket_failed", |state| state.socket_failed(REASON)),
];

fn after(state: State, (_, event): &Event) -> State {
    let mut next = state;
    event(&mut next);
    next
}

/// Input and output, as the enums call them, without a reason.
fn name(State { inbound, outbound }: State) -> String {
    let outbound = format!("{outbound:?}");
    format!("{inbound:?}_{}", outbound.split('(').next().unwrap_or_default())
}

fn legal() -> BTreeMap<String, State> {
    let pairs = LEGAL_PAIRS.iter().flat_map(|&(outbound, inbounds)| {
        inbounds.iter().map(move |&inbound| State { inbound, outbound })
    });
    pairs.map(|state| (name(state), state)).collect()
}

#[test]
fn every_event_leads_from_every_legal_pair_to_a_legal_pair_and_all_pairs_are_reached() {
    let mut reached = BTreeMap::new();
    let mut to_visit = vec![State::new()];
    while let Some(state) = to_visit.pop() {
        assert!(state.is_legal(), "{state:?}");
        if reached.insert(name(state), state).is_none() {
            to_visit.extend(EVENTS.iter().chain(&FAILURES).map(|event| after(state, event)));
        }
    }
    let names: Vec<String> = legal().into_keys().collect();
    assert_eq!(reached.into_keys().collect::<Vec<_>>(), names);
}

#[test]
fn a_failure_leads_to_its_state_from_everywhere() {
    for state in legal().into_values() {
        assert_eq!(name(after(state, &FAILURES[0])), "Ended_Aborting");
        assert_eq!(name(after(state, &FAILURES[1])), "Ended_Failed");
    }
}

#[test]
fn an_action_fits_its_state() {
    for (name, state) in legal() {
        let actions = (state.action(true), state.action(false));
        let expected = match name.as_str() {
            "LingerRead_Closing" => (Action::Stay, Action::SendFin),
            "Ended_Closing" => (Action::Stay, Action::Close(ANY)),
            "Ended_FinSent" | "Ended_Failed" => (Action::Close(ANY), Action::Close(ANY)),
            "Ended_Aborting" => (Action::Abort(ANY), Action::Abort(ANY)),
            _ => (Action::Stay, Action::Stay),
        };
        assert_eq!(actions, expected, "{name}");
    }
}

#[test]
fn the_first_reason_stays_unless_output_is_dropped() {
    let mut state = State::new();
    state.finish(CloseReason::Disconnect);
    state.finish(CloseReason::Drained);
    state.peer_fin(CloseReason::PeerClosed);
    assert_eq!(state.reason(), Some(CloseReason::Disconnect));
    let mut failed = state;
    failed.socket_failed(CloseReason::Reset);
    assert_eq!(failed.reason(), Some(CloseReason::Disconnect));
    state.abort(CloseReason::WriteTimeout);
    assert_eq!(state.reason(), Some(CloseReason::WriteTimeout));
}

#[test]
fn documented_states_of_a_connection() {
    let mut diagram = String::from("```mermaid\nstateDiagram-v2\n");
    let _ = writeln!(diagram, "    [*] --> {}", name(State::new()));
    for (outbound, inbounds) in LEGAL_PAIRS {
        for &inbound in inbounds {
            let state = State { inbound, outbound };
            for event in &EVENTS {
                let next = after(state, event);
                if next != state {
                    let _ =
                        writeln!(diagram, "    {} --> {}: {}", name(state), name(next), event.0);
                }
            }
        }
    }
    diagram += "```\n";
    documented::compare("ARCHITECTURE.md", "states of a connection", &diagram);
}
