//! The reader of strace's recordings: no panic, time never goes back, each loop is told the same
//! each time, and no event names a connection before it was opened or found.
//!
//! Input: the text of a recording, or a few bytes that choose parts of lines.

use readyd::trace::event::Event;
use readyd::trace::imported::Imported;
use readyd::trace::strace::Import;
use readyd::trace::text;
use std::collections::HashSet;
use std::io::Cursor;

/// Bytes of the longest line that an event becomes.
const MOST_TEXT: usize = 250;

/// Parts of lines. A byte of the input chooses one.
const PARTS: &[&str] = &[
    "5 1.5 ",
    "\n5 2.5 ",
    "\n6 1.0 ",
    "epoll_wait(3<anon_inode:[eventpoll]>, [{events=EPOLLIN|EPOLLRDHUP, data={u32=7, u64=7}}",
    "], 32, -1) = 1 <0.000012>\n",
    "epoll_wait(3,  <unfinished ...>\n",
    "<... epoll_wait resumed>[{EPOLLOUT, {u32=7, u64=7}}, ...], 32, 5) = 3 <0.1>\n",
    "read(7<TCP:[1.1.1.1:1->2.2.2.2:2]>, \"\"..., 9",
    "write(7<TCP:[1.1.1.1:1->2.2.2.2:2]>, \"\"..., 9",
    ") = 5",
    ") = -1 EAGAIN (Resource temporarily unavailable)",
    ") = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
    " <0.1>\n",
    " <unfinished ...>\n",
    "<... read resumed>",
    "accept4(4<TCP:[0.0.0.0:80]>, NULL, NULL, 0) = 7<TCP:[1.1.1.1:1->2.2.2.2:2]> <0.1>\n",
    "close(7) = 0\n",
    "close_range(0, 4294967295, 0) = 0\n",
    "clone(flags=CLONE_FILES) = 6\n",
    "fork( <unfinished ...>\n",
    "<... fork resumed>) = 6\n",
    "poll([{fd=7<UNIX-STREAM:[1->2]>, events=POLLIN}], 1, 5) = 1 ([{fd=7, revents=POLLIN}])\n",
    "select(9, [7 8<UDP:[1.1.1.1:1]>], NULL, NULL, {tv_sec=1, tv_usec=5}) = 1 (in [8])\n",
    "+++ exited with 0 +++\n",
    "--- SIGTERM {si_signo=SIGTERM} ---\n",
    "epoll_ctl(3, EPOLL_CTL_ADD, 7, {events=EPOLLIN, data={u32=7, u64=7}}) = 0\n",
    "dup2(7, 9) = 9\n",
    "connect(8<TCP:[123]>, {sa_family=AF_INET, sin_port=htons(1)}, 16) = -1 EINPROGRESS (x)\n",
    "execve(\"/bin/x\", [\"\"], []) = 0\n",
    "shutdown(7, SHUT_WR) = 0\n",
    "sendmsg(7, {msg_iov=[{iov_base=\"\", iov_len=8}], msg_iovlen=1}, 0) = 4\n",
    "{",
    "<",
    "->",
    "]>",
    "\"",
];

/// See the [module](self).
pub fn check(data: &[u8]) {
    check_text(data);
    let parts = data.iter().filter_map(|&byte| PARTS.get(usize::from(byte)));
    check_text(parts.copied().collect::<String>().as_bytes());
}

fn check_text(text: &[u8]) {
    let Ok(mut import) = Import::open(Cursor::new(text)) else { return };
    let loops = import.loops().to_vec();
    for it in loops {
        let (once, turns) = told(&mut import, it.thread);
        assert_eq!(turns, it.turns);
        assert_eq!(told(&mut import, it.thread).0, once);
    }
}

/// All lines of a loop, and its turns.
fn told(import: &mut Import<Cursor<&[u8]>>, thread: u32) -> (Vec<u8>, u64) {
    let (mut lines, mut last, mut turns) = (Vec::new(), None, 0);
    let mut known = HashSet::new();
    // A fault ends it; what came before was told.
    let _ = import.for_each(thread, |entry, _| {
        assert!(last <= Some(entry.time), "time went back");
        last = Some(entry.time);
        turns += u64::from(matches!(entry.event, Event::TurnBegan { .. }));
        match entry.event {
            Event::Accepted { connection, .. }
            | Event::Imported(
                Imported::Found { connection, .. } | Imported::Connecting { connection, .. },
            ) => drop(known.insert(connection)),
            event => assert!(
                event.connection().is_none_or(|it| known.contains(&it)),
                "an event of a connection that was not opened: {event:?}"
            ),
        }
        let start = lines.len();
        text::line(&mut lines, entry);
        assert!(lines.len() - start <= MOST_TEXT && lines.is_ascii(), "{entry:?}");
        true
    });
    (lines, turns)
}
