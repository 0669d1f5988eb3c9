use super::answers::{Answers, Time};
use super::*;
use readyd::os::process::TreeUsage;
use std::process;

/// A reply of readyd 0.1.0 to STATS, as far as it is read.
fn reply(changed: &[(&str, &str)]) -> Vec<u8> {
    let lines = [
        ("uptime_seconds", "12.345"),
        ("version", "0.1.0"),
        ("pid", "4711"),
        ("connections_open", "1"),
        ("connections_max", "100"),
        ("connections_accepted", "3"),
        ("requests", "40"),
        ("refusals", "1"),
        ("bytes_in", "5000"),
        ("bytes_out", "6000"),
        ("resident_bytes", "2097152"),
        ("cpu_microseconds", "70000"),
        ("refused_denied", "0"),
        ("refused_address_limit", "2"),
        ("refused_address_rate", "0"),
        ("accept_pauses", "0"),
        ("visits", "90"),
        ("turns", "50"),
    ];
    let value = |name: &str| changed.iter().find(|(changed, _)| *changed == name);
    let line = |(name, told): &(&str, &str)| match value(name) {
        Some((_, "")) => String::new(),
        Some((_, new)) => format!("{name} {new}\n"),
        None => format!("{name} {told}\n"),
    };
    let added = changed.iter().filter(|(name, _)| !lines.iter().any(|(known, _)| known == name));
    let added = added.map(|(name, value)| format!("{name} {value}\n"));
    lines.iter().map(line).chain(added).collect::<String>().into_bytes()
}

fn address() -> Address {
    Address::Inet("127.0.0.1:9999".parse().unwrap())
}

fn answers(changed: &[(&str, &str)]) -> Answers {
    Answers::from_first(&address(), &reply(changed)).unwrap()
}

#[test]
fn only_readyd_is_taken_for_readyd() {
    for missing in ["pid", "uptime_seconds", "requests", "cpu_microseconds", "resident_bytes"] {
        let refused = Answers::from_first(&address(), &reply(&[(missing, "")])).err();
        assert_eq!(refused, Some(Unanswered::NoStatistics), "{missing}");
    }
    for other in ["", "Error: unknown command\n", "STATS", "pid 4711\r\n", "curr_items 3\n"] {
        assert!(Answers::from_first(&address(), other.as_bytes()).is_err(), "{other:?}");
    }
}

#[test]
fn own_questions_are_taken_off_what_the_server_counted() {
    let mut answers = answers(&[]);
    // The measured part begins: 64 connections are open, and none has asked yet.
    let begin = reply(&[("connections_accepted", "68"), ("requests", "41"), ("bytes_in", "5069")]);
    answers.note(Time::Begin, &begin);
    // 1000 requests of 100 bytes, and the last question.
    let (bytes_in, bytes_out) = (5069 + 100_000 + 69, 6000 + 90_000 + begin.len() as u64 + 64);
    let last = reply(&[
        ("connections_accepted", "69"),
        ("requests", "1042"),
        ("bytes_in", &bytes_in.to_string()),
        ("bytes_out", &bytes_out.to_string()),
        ("turns", "150"),
        ("refused_address_limit", "5"),
    ]);
    answers.note(Time::Last, &last);
    let counts = answers.counts().unwrap();
    assert_eq!(counts.connections_accepted, 64);
    assert_eq!((counts.requests, counts.turns), (1000, 100));
    assert_eq!((counts.bytes_in, counts.bytes_out), (100_000, 90_000));
    assert_eq!((counts.refusals, counts.connections_refused), (0, 3));
}

#[test]
fn without_an_answer_or_after_a_restart_no_count_is_told() {
    let mut unanswered = answers(&[]);
    unanswered.note(Time::Begin, b"Error: stopping\n");
    unanswered.note(Time::Last, &reply(&[("requests", "900")]));
    assert_eq!(unanswered.counts(), None);
    assert!(unanswered.was_unanswered());
    for changed in [("requests", "3"), ("pid", "4712")] {
        let mut restarted = answers(&[]);
        restarted.note(Time::Begin, &reply(&[]));
        restarted.note(Time::Last, &reply(&[changed]));
        assert!(restarted.has_restarted(), "{changed:?}");
        assert_eq!((restarted.counts(), restarted.resident()), (None, None));
    }
}

#[test]
fn processor_time_of_a_remote_server_is_between_two_answers() {
    let mut answers = answers(&[]);
    answers
        .note(Time::Begin, &reply(&[("cpu_microseconds", "80000"), ("resident_bytes", "3000000")]));
    assert_eq!(answers.cpu(), None);
    answers
        .note(Time::End, &reply(&[("cpu_microseconds", "1080000"), ("resident_bytes", "2500000")]));
    assert_eq!(answers.cpu(), Some(Duration::from_secs(1)));
    let levels = Levels { before: 2_097_152, max: 3_000_000, after: 2_500_000 };
    assert_eq!(answers.resident(), Some(levels));
}

#[test]
fn a_process_of_another_namespace_is_not_taken_for_the_server() {
    let tree = ProcessTree::of(process::id()).unwrap();
    let usage = TreeUsage { processes: 1, cpu: Duration::from_millis(80), resident_bytes: 2 << 20 };
    let age = Duration::from_secs(13);
    assert!(answers(&[]).fit(&usage, age));
    // The first process of a machine, and one that has started since.
    let busy = TreeUsage { cpu: Duration::from_secs(9), ..usage };
    let large = TreeUsage { resident_bytes: 30 << 20, ..usage };
    let small = TreeUsage { resident_bytes: 0, ..usage };
    assert!(!answers(&[]).fit(&busy, age));
    assert!(!answers(&[]).fit(&large, age));
    assert!(!answers(&[("resident_bytes", "9000000")]).fit(&small, age));
    assert!(!answers(&[]).fit(&usage, Duration::from_secs(5)));
    // Of shards, the supervisor is not in the figures, and an idle shard's may be old.
    let shards = [("shards", "2")];
    assert!(!answers(&shards).fit(&usage, age));
    let three = TreeUsage { processes: 3, ..large };
    assert!(answers(&shards).fit(&three, age));
    // The test itself is no readyd that runs for years.
    assert!(!answers(&[("uptime_seconds", "99999999")]).fit(&tree.usage().unwrap(), tree.age()));
}

#[test]
fn a_full_server_is_not_asked_beside_the_load() {
    let open = [("connections_open", "37"), ("connections_max", "100")];
    assert!(answers(&open).has_room_beside(63));
    assert!(!answers(&open).has_room_beside(64));
}

#[test]
fn two_addresses_of_one_server_are_one() {
    let other = Address::Inet("127.0.0.1:9998".parse().unwrap());
    let second = Answers::from_first(&other, &reply(&[("uptime_seconds", "12.346")])).unwrap();
    assert!(answers(&[]).is_same(&second));
    let elsewhere = Address::Inet("192.0.2.1:9999".parse().unwrap());
    let third = Answers::from_first(&elsewhere, &reply(&[])).unwrap();
    assert!(!answers(&[]).is_same(&third));
    assert!(!answers(&[]).is_same(&answers(&[("pid", "4712")])));
    assert!(!answers(&[]).is_same(&answers(&[("uptime_seconds", "99.0")])));
}

/// The processes that were assigned to each server, and its addresses.
fn assigned(subjects: Vec<Subject>, trees: usize, addresses: usize) -> Vec<usize> {
    let mut subjects = subjects;
    let tree = ProcessTree::of(process::id()).unwrap();
    let parent = ProcessTree::of(tree.root().unwrap().parent).unwrap_or(tree);
    let trees: Vec<ProcessTree> = [tree, parent].into_iter().cycle().take(trees).collect();
    let address = |at| Address::Inet(std::net::SocketAddr::from(([127, 0, 0, 1], at)));
    let addresses: Vec<Address> = (1..=addresses as u16).map(address).collect();
    assign(&mut subjects, trees, &addresses);
    subjects.iter().map(|subject| subject.addresses.len()).collect()
}

#[test]
fn named_processes_are_assigned_to_servers() {
    assert_eq!(assigned(Vec::new(), 0, 2), Vec::<usize>::new());
    // One process for all addresses, one for each, or no telling.
    assert_eq!(assigned(Vec::new(), 1, 2), [2]);
    assert_eq!(assigned(Vec::new(), 2, 2), [1, 1]);
    assert_eq!(assigned(Vec::new(), 2, 3), [0, 0]);
    // A server that has answered, and its process in a container.
    let asked = || vec![Subject::asked(&address(), answers(&[("pid", "0")]))];
    assert_eq!(assigned(asked(), 1, 1), [1]);
    assert_eq!(assigned(asked(), 2, 1), [1, 0, 0]);
}

#[test]
fn addresses_of_this_machine_are_known() {
    assert!(subject::is_own("127.0.0.1".parse().unwrap()));
    assert!(subject::is_own("0.0.0.0".parse().unwrap()));
    // TEST-NET-1 of RFC 5737: no machine has it.
    assert!(!subject::is_own("192.0.2.1".parse().unwrap()));
}
