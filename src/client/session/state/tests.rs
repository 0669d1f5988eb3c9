//! Every event from every state; and the diagram of them.

use super::*;
use crate::documented;
use std::collections::BTreeSet;
use std::fmt::Write as _;

type Event = (&'static str, fn(&mut State));

const LIMITS: SessionLimits = SessionLimits {
    connect_timeout: Duration::from_secs(1),
    answer_timeout: Duration::from_secs(2),
    pause: Duration::from_secs(3),
    linger: Duration::from_secs(4),
    max_answer: 5,
};

const EVENTS: [Event; 10] = [
    ("conversation awaits", |state| state.transition(NextAction::Await(Expect::Frame))),
    ("conversation suspends", |state| state.transition(NextAction::Suspend)),
    ("conversation finishes", |state| state.transition(NextAction::Finish)),
    ("make_resumable", |state| _ = state.make_resumable()),
    ("fin_sent", |state| _ = state.fin_sent()),
    ("peer_fin", |state| state.peer_fin(0, true)),
    ("peer_fin too early", |state| state.peer_fin(7, true)),
    ("time_over", |state| state.time_over(&LIMITS)),
    ("socket_failed", |state| state.socket_failed(io::ErrorKind::ConnectionReset.into())),
    ("fail", |state| state.fail(SessionError::WrongAnswer(String::new()))),
];

/// A state of each kind.
fn states() -> Vec<State> {
    let phases = [
        Phase::Connecting,
        Phase::Awaiting(Expect::Frame),
        Phase::Suspended,
        Phase::Resumable,
        Phase::Closing,
        Phase::ClosingLast,
        Phase::FinSent,
        Phase::Ended(Ok(())),
        Phase::Ended(Err(SessionError::WrongAnswer(String::new()))),
    ];
    phases.into_iter().map(State).collect()
}

fn name(State(phase): &State) -> &'static str {
    match phase {
        Phase::Connecting => "Connecting",
        Phase::Awaiting(_) => "Awaiting",
        Phase::Suspended => "Suspended",
        Phase::Resumable => "Resumable",
        Phase::Closing => "Closing",
        Phase::ClosingLast => "ClosingLast",
        Phase::FinSent => "FinSent",
        Phase::Ended(Ok(())) => "Done",
        Phase::Ended(Err(_)) => "Failed",
    }
}

/// From, event, to; events that change nothing are left out.
fn transitions() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut found = Vec::new();
    for (event, happens) in EVENTS {
        for mut state in states() {
            let before = name(&state);
            happens(&mut state);
            found.push((before, event, name(&state)));
        }
    }
    found.retain(|(before, _, after)| before != after);
    found
}

#[test]
fn all_states_are_reached_and_an_end_is_the_end() {
    let mut reached = BTreeSet::from(["Connecting"]);
    for _ in states() {
        let transitions = transitions();
        reached.extend(
            transitions.iter().filter(|t| reached.contains(t.0)).map(|t| t.2).collect::<Vec<_>>(),
        );
    }
    assert_eq!(reached, states().iter().map(name).collect());
    assert!(!transitions().iter().any(|(before, ..)| ["Done", "Failed"].contains(before)));
}

#[test]
fn an_action_fits_its_state_and_a_result_comes_once() {
    for mut state in states() {
        let name = name(&state);
        let is_last = name == "Done" || name == "Failed";
        assert_eq!(matches!(state.take_action(true), Step::Close(_)), is_last, "{name}");
        match (name, state.take_action(false)) {
            ("Closing", action) => assert!(matches!(action, Step::SendFin)),
            ("ClosingLast" | "Done" | "Failed", action) => {
                assert!(matches!(action, Step::Close(Ok(()))), "{name}: {action:?}");
            }
            (_, action) => assert!(matches!(action, Step::Stay), "{name}: {action:?}"),
        }
    }
}

#[test]
fn documented_states_of_a_session() {
    let mut diagram = String::from("```mermaid\nstateDiagram-v2\n    [*] --> Connecting\n");
    let transitions = transitions();
    for from in states().iter().map(name) {
        // An error can come in every state that is left; only those that end well show where.
        for (before, event, after) in &transitions {
            if *before == from && *event != "fail" {
                let _ = writeln!(diagram, "    {before} --> {after}: {event}");
            }
        }
    }
    diagram += "    Done --> [*]\n    Failed --> [*]\n```\n";
    documented::compare("ARCHITECTURE.md", "states of a session", &diagram);
}
