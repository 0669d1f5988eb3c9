use super::*;
use std::hint::black_box;
use std::process::{self, Child, Command, Stdio};

const UNITS: Units = Units { ticks: 100, page: 4096 };

/// Recorded of readyd on Linux 6.18, and the name changed to the worst that a program can have.
const STAT: &str = "4711 (a) S 1 (b) R) S 4242 4711 4242 0 -1 4194560 319 77 0 0 123 456 7 8 20 0 \
                    1 0 987654 3633152 812 18446744073709551615 94 94 140 0 0 0 0 4096 17026 0 0 0 \
                    17 1 0 0 0 0 0 94 94 94 140 140 140 140 0\n";

/// A process that is killed and waited for at the end of a test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_name_with_parentheses_and_spaces_hides_no_field() {
    let stat = ProcessStat::parse(STAT, UNITS).unwrap();
    let expected = ProcessStat {
        name: "a) S 1 (b) R".to_owned(),
        state: 'S',
        parent: 4242,
        cpu: Duration::from_millis(5790),
        cpu_of_ended: Duration::from_millis(150),
        started: Duration::from_millis(9_876_540),
        resident_bytes: 812 * 4096,
    };
    assert_eq!(stat, expected);
}

#[test]
fn what_is_no_stat_is_none() {
    for end in 0..STAT.find("812").unwrap() {
        assert_eq!(ProcessStat::parse(&STAT[..end], UNITS), None, "{end}");
    }
    assert_eq!(ProcessStat::parse(&STAT.replace(" 812 ", " -1 "), UNITS), None);
    assert_eq!(ProcessStat::parse("", UNITS), None);
}

#[test]
fn the_memory_of_tcp_sockets_is_the_figure_behind_mem() {
    let text = "sockets: used 117\nTCP: inuse 5 orphan 0 tw 2 alloc 7 mem 31\nUDP: inuse 1 mem 9\n";
    assert_eq!(tcp_pages(text), Some(31));
    assert_eq!(tcp_pages("TCP: inuse 5 orphan 0 tw 2 alloc 7\nUDP: inuse 1 mem 9\n"), None);
    assert_eq!(tcp_pages("sockets: used 117\n"), None);
}

#[test]
fn a_process_sees_itself_and_its_children() {
    let tree = ProcessTree::of(process::id()).unwrap();
    let before = tree.usage().unwrap();
    let mut command = Command::new("sleep");
    let _child = Killed(command.arg("1000").stdin(Stdio::null()).spawn().unwrap());
    let after = tree.usage().unwrap();
    // Other tests have children, too, which come and go.
    assert!(after.processes >= 2, "{after:?}");
    assert!(before.processes >= 1 && before.resident_bytes > 1 << 20, "{before:?}");
    assert!(tree.age() < Duration::from_secs(86_400), "{:?}", tree.age());
}

#[test]
fn processor_time_is_measured_finer_than_ticks() {
    let tree = ProcessTree::of(process::id()).unwrap();
    let before = tree.usage().unwrap().cpu;
    let mut last = before;
    let mut steps = 0;
    while last < before + Duration::from_millis(40) && steps < 1000 {
        black_box((0..20_000u64).sum::<u64>());
        let now = tree.usage().unwrap().cpu;
        steps += u32::from(now > last);
        last = last.max(now);
    }
    // Of ticks there would be four.
    assert!(steps > 8, "{steps}");
}

#[test]
fn a_tree_whose_root_has_ended_uses_nothing() {
    let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let tree = ProcessTree::of(child.id()).unwrap();
    assert_eq!(tree.root().unwrap().name, "sleep");
    assert_eq!(tree.usage().unwrap().processes, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(tree.usage(), None);
    // Another process that got its number is not taken for it.
    let other = ProcessTree { started: Duration::ZERO, ..ProcessTree::of(process::id()).unwrap() };
    assert_eq!(other.usage(), None);
}

#[test]
fn children_are_found_by_their_parent_too() {
    let mut command = Command::new("sleep");
    let child = Killed(command.arg("1000").stdin(Stdio::null()).spawn().unwrap());
    assert!(children_by_parent(process::id()).contains(&child.0.id()));
    assert!(children(process::id()).contains(&child.0.id()));
}
