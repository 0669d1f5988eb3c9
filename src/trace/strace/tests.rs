//! Recordings of real servers become what they did, and odd lines of strace(1) do no harm.

use super::*;
use crate::trace::event::{RecvEnd, SendEnd};
use crate::trace::text;
use proptest::prelude::*;
use std::io::Cursor;

macro_rules! recording {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/trace/strace/", $name, ".txt")).as_slice()
    };
}

fn import(text: &[u8]) -> Result<Import<Cursor<Vec<u8>>>, ImportError> {
    Import::open(Cursor::new(text.to_vec()))
}

fn entries(text: &[u8], thread: u32) -> Vec<Entry> {
    let mut entries = Vec::new();
    let read = import(text).expect("a recording").for_each(thread, |entry, _| {
        entries.push(*entry);
        true
    });
    read.expect("no fault");
    entries
}

/// What a loop did, in words without times.
fn words(text: &[u8], thread: u32) -> Vec<String> {
    let entries = entries(text, thread);
    let word = |entry: &Entry| {
        let mut line = Vec::new();
        text::line(&mut line, entry);
        let line = String::from_utf8(line).expect("ASCII");
        line.split_once(' ').expect("a time").1.trim().to_owned()
    };
    entries.iter().map(word).collect()
}

/// Counts of accepted, closed, recv, would block, send, short, of all loops.
fn figures(text: &[u8]) -> [usize; 6] {
    let mut figures = [0; 6];
    for it in import(text).expect("a recording").loops() {
        for entry in entries(text, it.thread) {
            let at: &[usize] = match entry.event {
                Event::Accepted { .. } => &[0],
                Event::Closed { .. } => &[1],
                Event::Received { end: RecvEnd::WouldBlock, .. } => &[2, 3],
                Event::Received { .. } => &[2],
                Event::Sent { end: SendEnd::WouldBlock, .. } => &[4, 5],
                Event::Sent { .. } => &[4],
                _ => &[],
            };
            at.iter().for_each(|&at| figures[at] += 1);
        }
    }
    figures
}

#[test]
fn real_servers_do_what_their_calls_say() {
    let servers = [
        ("redis", recording!("redis"), 1, [4, 4, 15, 0, 17, 0]),
        ("memcached", recording!("memcached"), 3, [4, 4, 2, 0, 16, 4]),
        ("nginx", recording!("nginx"), 2, [4, 4, 2, 0, 10, 2]),
        ("haproxy", recording!("haproxy"), 2, [4, 0, 13, 5, 7, 0]),
        ("asyncio", recording!("asyncio"), 1, [4, 4, 17, 0, 16, 3]),
        ("node", recording!("node"), 1, [4, 4, 17, 0, 16, 3]),
        ("poll", recording!("poll"), 1, [1, 2, 2, 0, 2, 0]),
        ("select", recording!("select"), 1, [1, 2, 2, 0, 2, 0]),
    ];
    for (name, text, loops, expected) in servers {
        let import = import(text).expect("a recording");
        assert_eq!(import.loops().len(), loops, "{name}: {:?}", import.loops());
        assert_eq!(import.losses(), Losses::default(), "{name}");
        assert_eq!(figures(text), expected, "{name}");
    }
}

#[test]
fn a_whole_recording_of_poll_is_told() {
    let expected = "\
#1 connects to [::1]:7107
#1 descriptor 4
#1 visit: without an event of its own
#1 send 2 of 2 bytes: all taken
#1 FIN sent
#1 waits; input open, output FIN sent; kept 0 in, 0 out; work 480
turn: 1 event after 16.0 us
listener 0: a client waits
#2 event 1: accepted from listener 0: [::1]:33188, 2 open
#2 descriptor 5
listener 0: accept would block, no client waits
turn ends: 1 visit, 0 queued; next: waits, at most 1.5 s
turn: 1 event after 16.0 us
#2 event 2: readable
#2 visit: it is new
#2 recv 2 of 100 bytes: short, no more is there
#2 send 2 of 2 bytes: all taken; event 2
#2 waits; input open, output open; kept 0 in, 0 out; work 570
turn ends: 1 visit, 0 queued; next: waits, at most 1.5 s
turn: 1 event after 20.0 us
#2 event 3: readable
#2 visit: it is ready
#2 recv 0 of 100 bytes: FIN
#2 closed: peer_closed
#1 closed: served
turn ends: 1 visit, 0 queued; next: stops";
    let lines: Vec<String> = expected.lines().map(str::to_owned).collect();
    assert_eq!(words(recording!("poll"), 23530), lines);
    let of_poll = words(recording!("poll"), 23530);
    let of_select = words(recording!("select"), 23537);
    assert_eq!(of_poll.len(), of_select.len());
}

/// A loop with a connection of descriptor 7, and these lines in its turn.
fn turn(lines: &str) -> String {
    format!(
        "5 1.000000 epoll_create1(0) = 3<anon_inode:[eventpoll]> <0.000001>\n\
         5 1.000100 listen(4<TCP:[127.0.0.1:80]>, 511) = 0 <0.000001>\n\
         5 1.000200 epoll_ctl(3<anon_inode:[eventpoll]>, EPOLL_CTL_ADD, 4<TCP:[127.0.0.1:80]>, \
         {{events=EPOLLIN, data={{u32=9, u64=94754046902385}}}}) = 0 <0.000001>\n\
         5 1.000300 accept4(4<TCP:[127.0.0.1:80]>, NULL, NULL, 0) = \
         7<TCP:[127.0.0.1:80->127.0.0.1:5555]> <0.000001>\n\
         5 1.000400 epoll_ctl(3<anon_inode:[eventpoll]>, EPOLL_CTL_ADD, \
         7<TCP:[127.0.0.1:80->127.0.0.1:5555]>, {{EPOLLIN, {{u32=1, u64=4294967297}}}}) = 0\n\
         5 1.000500 epoll_wait(3<anon_inode:[eventpoll]>, [{{events=EPOLLIN|EPOLLRDHUP, \
         data={{u32=1, u64=4294967297}}}}], 32, -1) = 1 <0.000100>\n\
         {lines}\
         5 1.900000 epoll_wait(3<anon_inode:[eventpoll]>, [], 32, 250) = 0 <0.000100>\n"
    )
}

/// What is told of these lines.
fn told(lines: &str) -> Vec<String> {
    let all = words(turn(lines).as_bytes(), 5);
    let begin = all.iter().position(|line| line.starts_with("#1 event 2")).expect("the event");
    let end = all.iter().rposition(|line| line.starts_with("turn ends")).expect("its end");
    all[begin + 1..end].to_vec()
}

#[test]
fn data_of_epoll_may_be_a_pointer_an_index_or_the_descriptor() {
    let all = words(turn("").as_bytes(), 5);
    let expected = [
        "#1 event 1: accepted from listener 0: 127.0.0.1:5555, 1 open",
        "#1 descriptor 7",
        "turn: 1 event after 100.0 us",
        "#1 event 2: readable, FIN, error or urgent data",
        "turn ends: 0 visits, 0 queued; next: waits, at most 250.0 ms",
        "turn: 0 events after 100.0 us",
    ];
    assert_eq!(all, expected);
    // It was registered before the recording began, and the data is the descriptor.
    let later = "1.0 read(8<TCPv6:[[::1]:80->[fe80::1]:5]>, \"\\\"a)\"..., 9) = 4\n\
                 1.1 epoll_wait(3, [{events=EPOLLIN, data={u32=8, u64=8}}], 8, 0) = 1\n";
    let unknown = "1.2 epoll_wait(3, [{events=EPOLLIN, data={u32=8, u64=99}}], 8, 0) = 1\n";
    let all = words(format!("{later}{unknown}").as_bytes(), 0);
    assert!(all.contains(&"#1 event 1: readable".to_owned()), "{all:#?}");
    assert!(all.contains(&"1 event for a descriptor that is not known".to_owned()), "{all:#?}");
    assert_eq!(import(format!("{later}{unknown}").as_bytes()).expect("it").losses().unknown, 1);
}

#[test]
fn each_outcome_of_a_call_is_told() {
    const IT: &str = "7<TCP:[127.0.0.1:80->127.0.0.1:5555]>";
    let cases = [
        (
            format!("read({IT}, \"\"..., 100) = 100"),
            "recv 100 of 100 bytes: full, there may be more",
        ),
        (
            format!("read({IT}, \"a\\\"),<\"..., 9) = 3"),
            "recv 3 of 9 bytes: short, no more is there",
        ),
        (format!("recvfrom({IT}, \"\", 9, 0, NULL, NULL) = 0 <0.1>"), "recv 0 of 9 bytes: FIN"),
        (
            format!("read({IT}, 0x7f1, 9) = -1 EAGAIN (Resource temporarily unavailable) <0.1>"),
            "recv 0 of 9 bytes: would block",
        ),
        (format!("read({IT}, 0x7f1, 9) = -1 EINTR (Int) <0.1>"), "recv 0 of 9 bytes: interrupted"),
        (
            format!(
                "recvmsg({IT}, {{msg_name=NULL, msg_iov=[{{iov_base=\"\"..., iov_len=8}}, \
                     {{iov_base=\"\", iov_len=4}}], msg_iovlen=2, msg_flags=0}}, 0) = 8"
            ),
            "recv 8 of 12 bytes: short, no more is there",
        ),
        (
            format!("read({IT}, 0x7f1, 9) = -1 ECONNRESET (Connection reset by peer)"),
            "recv 0 of 9 bytes: error, errno 104",
        ),
        (format!("write({IT}, \"\"..., 9) = 9"), "send 9 of 9 bytes: all taken; event 2"),
        (
            format!(
                "writev({IT}, [{{iov_base=\"\"..., iov_len=9}}, {{iov_base=\"\", iov_len=1}}], \
                     2) = 4 <0.000012>"
            ),
            "send 4 of 10 bytes: would block, the peer has no room; event 2",
        ),
        (
            format!("sendfile({IT}, 12</srv/a[b{{c>, [0] => [6], 60) = 6 <0.000082>"),
            "send 6 of 60 bytes: would block, the peer has no room; event 2",
        ),
        (
            format!("sendto({IT}, \"\"..., 9, MSG_NOSIGNAL, NULL, 0) = -1 EPIPE (Broken pipe)"),
            "send 0 of 9 bytes: error, errno 32; event 2",
        ),
        (
            format!(
                "sendmmsg({IT}, [{{msg_hdr={{msg_iov=[]}}, msg_len=5}}, {{msg_len=6}}], 2, 0) \
                     = 2"
            ),
            "send 11 of 11 bytes: all taken; event 2",
        ),
        (
            format!("splice(5<pipe:[1]>, NULL, {IT}, NULL, 65536, 0) = 100"),
            "send 100 of 65536 bytes: would block, the peer has no room; event 2",
        ),
        (format!("shutdown({IT}, SHUT_WR) = 0"), "FIN sent"),
    ];
    for (call, expected) in cases {
        let told = told(&format!("5 1.1 {call}\n"));
        assert_eq!(told[1], format!("#1 {expected}"), "{call}: {told:#?}");
        assert!(told[2].starts_with("#1 waits; "), "{call}: {told:#?}");
    }
}

#[test]
fn calls_of_several_threads_are_joined() {
    let told = told(
        "5 1.1 read(7<TCP:[127.0.0.1:80->127.0.0.1:5555]>,  <unfinished ...>\n\
         6 1.2 write(1</dev/null<char 1:3>>, \"\"..., 5 <unfinished ...>\n\
         6 1.3 <... write resumed>) = 5 <0.1>\n\
         5 1.4 <... read resumed>\"\"..., 9) = 3 <0.3>\n\
         6 1.5 <... close resumed>) = 0\n\
         6 1.6 write(7<TCP:[127.0.0.1:80->127.0.0.1:5555]>, \"\"..., 5) = 5\n",
    );
    assert_eq!(
        told[..3],
        [
            "#1 visit: it is new",
            "#1 recv 3 of 9 bytes: short, no more is there",
            // A thread that is no loop: the loop that has the connection tells of it.
            "#1 send 5 of 5 bytes: all taken; event 2",
        ]
    );
}

#[test]
fn a_descriptor_that_is_used_again_is_another_connection() {
    let all = told(
        "5 1.1 dup2(7<TCP:[127.0.0.1:80->127.0.0.1:5555]>, 8) = 8<TCP:[...]>\n\
         5 1.2 close(7<TCP:[127.0.0.1:80->127.0.0.1:5555]>) = 0\n\
         5 1.3 accept(4<TCP:[127.0.0.1:80]>, {sa_family=AF_INET, sin_port=htons(6666), \
         sin_addr=inet_addr(\"10.0.0.1\")}, [16]) = 7\n\
         5 1.4 write(8, \"\"..., 3) = 3\n\
         5 1.5 write(7, \"\"..., 4) = 4\n\
         5 1.6 close(8) = 0\n\
         5 1.7 read(7<TCP:[127.0.0.1:80->10.0.0.2:7777]>, \"\"..., 9) = 1\n\
         5 1.8 close(4) = -1 EBADF (Bad file descriptor)\n",
    );
    let calls: Vec<&String> = all.iter().filter(|line| !line.contains("waits")).collect();
    let expected = [
        "#2 event 3: accepted from listener 0: 10.0.0.1:6666, 2 open",
        "#2 descriptor 7",
        "#1 visit: it is new",
        "#1 send 3 of 3 bytes: all taken; event 2",
        "#2 visit: it is new",
        "#2 send 4 of 4 bytes: all taken; event 3",
        "#1 closed: served",
        "#2 closed: served",
        "#3 opened elsewhere: 10.0.0.2:7777",
        "#3 descriptor 7",
        "#3 visit: without an event of its own",
        "#3 recv 1 of 9 bytes: short, no more is there; of event 3",
    ];
    let expected: Vec<String> =
        expected.iter().map(|line| line.replace("; of event 3", "")).collect();
    assert_eq!(calls, expected.iter().collect::<Vec<_>>());
}

#[test]
fn cut_lists_signals_and_ends_are_told() {
    let lines = "5 1.0 epoll_wait(3, [{events=EPOLLIN, data={u32=4, u64=4}}, ...], 64, -1) = 40\n\
                 5 1.1 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER} ---\n\
                 5 1.2 --- stopped by SIGSTOP ---\n\
                 5 1.3 --- SIGCHLD {si_signo=SIGCHLD, si_utime=1 /* 0.01 s */} ---\n\
                 5 1.4 exit_group(0 <unfinished ...>\n\
                 5 1.5 <... exit_group resumed>) = ?\n\
                 5 1.6 +++ killed by SIGKILL (core dumped) +++\n";
    let all = words(lines.as_bytes(), 5);
    let expected = [
        "turn: 40 events after 0 ns",
        "1 event for a descriptor that is not known",
        "39 events not told: strace cut the list",
        "SIGTERM or SIGINT",
        "another signal",
        "another signal",
        "turn ends: 0 visits, 0 queued; next: stops",
    ];
    assert_eq!(all, expected);
    assert_eq!(import(lines.as_bytes()).expect("it").losses().cut, 39);
}

#[test]
fn a_child_has_the_descriptors_of_its_parent_until_it_closes_them() {
    let told = told(
        "5 1.1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>\n\
         6 1.2 close(7<TCP:[127.0.0.1:80->127.0.0.1:5555]>) = 0\n\
         5 1.3 <... clone resumed>, child_tidptr=0x7f) = 6 <0.1>\n\
         5 1.4 close(7<TCP:[127.0.0.1:80->127.0.0.1:5555]>) = 0\n\
         6 1.5 execve(\"/bin/true\", [\"true\"], [\"A=(\"]) = 0\n\
         6 1.6 +++ exited with 0 +++\n",
    );
    assert_eq!(told, ["#1 closed: served"]);
}

#[test]
fn what_is_no_recording_is_refused() {
    let foreign = [
        "",
        "\n\n",
        "hello\n",
        "\0\0\0",
        "GET / HTTP/1.1\r\n",
        "1.5\n",
        "5 1.5 \n",
        "5 1.5 <... read\n",
        "99999999999999999999.1 read(1) = 1\n",
    ];
    for text in foreign {
        assert!(matches!(import(text.as_bytes()), Err(ImportError::Foreign)), "{text:?}");
    }
    let text = "1.5 read(3, \"\", 1) = 0\n";
    assert!(matches!(import(text.as_bytes()), Err(ImportError::NoLoop)));
    let text = turn("what the program printed\n");
    let mut import = import(text.as_bytes()).expect("the lines before it");
    assert!(matches!(import.for_each(5, |_, _| true), Err(ImportError::Line(7))));
}

#[test]
fn a_recording_that_is_cut_off_anywhere_is_read_up_to_there() {
    let text = turn("5 1.1 read(7, \"\"..., 9) = 3 <0.000010>\n");
    let mut faults = 0;
    for end in 0..text.len() {
        match import(&text.as_bytes()[..end]) {
            Ok(mut import) => {
                let threads: Vec<u32> = import.loops().iter().map(|it| it.thread).collect();
                for thread in threads {
                    faults += usize::from(import.for_each(thread, |_, _| true).is_err());
                }
            }
            Err(error) => assert!(!matches!(error, ImportError::System(_)), "{error}"),
        }
    }
    assert!(faults > 50, "{faults}");
}

proptest! {
    /// Parts of lines in any order, and bytes in between, make no panic.
    #[test]
    fn no_text_makes_it_panic(parts in prop::collection::vec(parts(), 0..60)) {
        let text = parts.concat();
        if let Ok(mut import) = import(&text) {
            let threads: Vec<u32> = import.loops().iter().map(|it| it.thread).collect();
            for thread in threads {
                let mut last = None;
                let _ = import.for_each(thread, |entry, _| {
                    assert!(last <= Some(entry.time), "time went back");
                    last = Some(entry.time);
                    true
                });
            }
        }
    }
}

fn parts() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: &[&str] = &[
        "5 1.5 ",
        "\n5 2.5 ",
        "\n6 1.0 ",
        "epoll_wait(3, [{events=EPOLLIN, data={u32=7, u64=7}}",
        "]",
        "read(7<TCP:[1.1.1.1:1->2.2.2.2:2]>, ",
        "\"\"..., 5",
        ") = 5",
        " <0.1>\n",
        " <unfinished ...>\n",
        "<... read resumed>",
        "accept4(4, NULL, NULL) = 7",
        "close(7) = 0\n",
        "fork() = 6\n",
        ", ",
        "poll([{fd=7<TCP:[1.1.1.1:1->2.2.2.2:2]>, events=POLLIN}], 1, 5) = 1 ",
        "([{fd=7, revents=POLLIN}])\n",
        "+++ exited with 0 +++\n",
        "epoll_ctl(3, EPOLL_CTL_ADD, 7, {events=EPOLLIN, data={u64=7}}) = 0\n",
        "close_range(0, 4294967295, 0) = 0\n",
        "dup2(7, 9) = 9\n",
        "execve(\"\") = 0\n",
        "{",
        "<",
        "->",
    ];
    prop_oneof![
        8 => prop::sample::select(PARTS).prop_map(|part| part.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}
