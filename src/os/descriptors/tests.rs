use super::*;

/// A budget with room for this number of connections.
fn with_room(room: usize) -> Budget {
    let none = Budget::of_a_server(0, 3);
    Budget { limit: none.reserved + room, ..none }
}

#[test]
fn room_is_what_the_limit_leaves() {
    assert_eq!(with_room(0).room(), 0);
    assert_eq!(with_room(20).room(), 20);
    assert_eq!(Budget::of_a_server(0, 1).room(), 0);
    let room = Budget::of_a_server(1000, 4).room();
    assert_eq!(Budget::of_a_server(1000, 5).room(), room - 1);
    assert!(Budget::of_a_shard(1000, 4).room() < room);
}

#[test]
fn fewer_than_sixteen_places_do_if_so_few_are_asked_for() {
    assert_eq!(with_room(16).check(None), Ok(()));
    assert!(with_room(15).check(None).is_err());
    assert_eq!(with_room(15).check(Some(15)), Ok(()));
    assert!(with_room(15).check(Some(16)).is_err());
    assert_eq!(with_room(1).check(Some(1)), Ok(()));
    assert!(with_room(0).check(Some(1)).is_err());
    // More than there is room for is a matter of waiting, where there is room at all.
    assert_eq!(with_room(16).check(Some(1000)), Ok(()));
}

#[test]
fn the_limit_that_is_said_to_be_needed_is_enough_and_no_more() {
    for (asked, wanted) in [(None, 16), (Some(1), 1), (Some(100), 100)] {
        let refused = with_room(0).check(asked).expect_err("no room");
        let TooFewDescriptors::ForConnections { needed, .. } = refused else {
            panic!("{refused:?}");
        };
        let enough = Budget { limit: needed, ..with_room(0) };
        assert_eq!(enough.room(), wanted);
        assert_eq!(enough.check(asked), Ok(()));
    }
}

#[test]
fn a_supervisor_keeps_the_listeners_of_all_its_shards() {
    let refused = check_supervisor(0, 4, 20).expect_err("none at all");
    let TooFewDescriptors::ForShards { needed, .. } = refused else { panic!("{refused:?}") };
    assert!(needed >= 4 * 20);
    assert_eq!(check_supervisor(needed, 4, 20), Ok(()));
    for (limit, shards, listeners) in [(needed - 1, 4, 20), (needed, 5, 20), (needed, 4, 21)] {
        assert!(check_supervisor(limit, shards, listeners).is_err());
    }
    let text = refused.to_string();
    let start = "the descriptor limit of 0 is too low for 4 shards, whose listeners the supervisor";
    assert!(text.starts_with(start) && text.contains(&format!("ulimit -n {needed}")), "{text}");
}

#[test]
fn the_text_says_what_to_do() {
    let none = with_room(0);
    let text = none.check(None).expect_err("no room").to_string();
    let (limit, needed) = (none.limit, none.limit + 16);
    let expected = format!(
        "the descriptor limit of {limit} has room for 0 connections; 16 need a limit of {needed} \
         (raise it with ulimit -n {needed} or LimitNOFILE={needed})"
    );
    assert_eq!(text, expected);
    let text = with_room(3).check(None).expect_err("little room").to_string();
    assert!(text.ends_with(", or set --max-connections to at most 3)"), "{text}");
}

#[test]
fn what_is_open_counts_even_if_this_program_would_not_have_opened_it() {
    let files: Vec<_> =
        (0..64).map(|_| fs::File::open("/dev/null").expect("a file that is there")).collect();
    let budget = Budget::of_a_server(1000, 1);
    assert!(budget.with_what_is_open().room() <= 1000 - SPARE - files.len());
    assert!(budget.with_what_is_open().room() < budget.room());
}
