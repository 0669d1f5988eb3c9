//! The style of the house, kept by a test: who may import whom, lengths, words and docs.
//!
//! Each check reads the source files as text and knows as much Rust as it needs (comments, strings,
//! indentation as rustfmt leaves it). Each complaint names the file, the line and what to do.

#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/log_lines.rs"]
mod log_lines;
#[path = "tidy/passing_on.rs"]
mod passing_on;
#[path = "tidy/source.rs"]
mod source;

use imports::{imports, module_of, without_test_items};
use source::{RUST_FILES, files, function_length, has_doc, is_function, is_production, is_there};
use source::{numbered, read, without_fenced_blocks, words};
use std::collections::BTreeSet;

/// Columns of a line of Rust, comments included.
const COLUMNS: usize = 100;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES: usize = 70;
/// Lines of a file, tests included.
const FILE_LINES: usize = 450;
/// Lines of all files in "the hour" together, as `wc -l` counts them.
const HOUR_LINES: usize = 2_000;

/// Who may import whom: a module may use its own row and the rows below it. The longest name that
/// fits decides, so `server::limits` is a row apart from `server`.
const ORDER: &[(&str, &str)] = &[
    ("bin", "readyd and readyc: arguments, logger, supervisor. They put the rooms together."),
    ("testkit", "Networks in memory, for the tests of all rooms."),
    ("reactor", "The poll loop, sockets, clocks and signals. Only the programs start one."),
    ("loadgen", "The load generator: it drives connections by a plan and counts what happens."),
    ("loadgen::preflight", "Whether this machine can open the connections that a plan needs."),
    ("loadgen::report", "What a run measured: as text, JSON, CSV and HTML; comparisons, merges."),
    ("client", "Sessions of a client, and the pool that drives them."),
    ("config", "The server's flags and files become the server's limits, listeners and paths."),
    ("capture", "What came in, written down, and the same server run over it again."),
    ("server", "Many connections on one loop, and policy: who is admitted, shed, closed, drained."),
    ("handlers", "The services: how a request is answered. They see a connection, never a socket."),
    ("os::trace_ring", "The file that a trace is written to, mapped."),
    ("trace", "What the loop did and why: events, blocks, a ring of them, and the reader."),
    ("conn", "One connection as a state machine that is fed bytes and yields bytes."),
    ("server::stats", "The counters. Handlers print them, so they stand below handlers."),
    ("server::client_log", "How a client's bytes are escaped in a log line."),
    ("server::limits", "The numbers that bound a connection and the server."),
    ("server::access", "Address ranges that are allowed or denied. The configuration parses them."),
    (
        "server::close",
        "Why a connection was closed: log word, counter and test oracle in one enum.",
    ),
    ("table", "The lookup table: parsing, index, and sharing it with other processes."),
    ("zone", "Time zones: rules and the tables that they come from."),
    ("os", "System calls apart from the reactor's: files, listeners, privileges, shared memory."),
    ("protocol", "Where a request ends and how a reply is written: pure functions of bytes."),
    ("tls", "TLS, as a network around another: plaintext above, ciphertext below."),
    ("io", "What every socket has in common: the seam, buffers, tokens, timers, the clock."),
    ("counted", "A number with its noun, for messages."),
    ("printable", "Text from elsewhere, made harmless for a terminal."),
    ("scratch", "A directory for unit tests."),
    ("documented", "Parts of the documents that unit tests compare with the code."),
];

/// Rooms that only the named rooms may import, because an operating system enters through them.
const GUARDED: &[(&str, &[&str])] =
    &[("reactor", &["bin", "reactor"]), ("os", &["bin", "reactor", "config", "table", "os"])];

/// Words that make a sentence hard to read, and what to write instead.
const BANNED: &[(&str, &str)] = &[
    ("whoever", "name who it is: the peer, the caller, the operator"),
    ("of which", "begin a second sentence"),
    ("what comes", "name it: the bytes, the event, the connection"),
    ("that of", "repeat the noun"),
    ("so many", "give the number or the name of the limit"),
    ("one such", "repeat the noun"),
    ("besides", "write \"also\", \"beside\" or \"as well\""),
];

/// Words that users do not search for, and the field's words instead. They are refused in all that
/// users read: documents, and the literals of the programs.
const NOT_THE_FIELDS: &[(&str, &str)] = &[
    ("as things stand", "write \"with current limits\", or \"now\""),
    ("had back", "write \"regained\" or \"restored\""),
    ("under way", "write \"in flight\""),
    ("turned away", "write \"rejected\""),
    ("turn away", "write \"reject\""),
    ("be had", "say what cannot be opened, read or allocated"),
    ("half made", "write \"in the SYN queue\""),
    ("anew", "write \"again\""),
    ("fell short", "say what was not achieved"),
    ("short of what was asked", "say what was not achieved"),
    ("be believed", "write \"be trusted\""),
    ("not all is known", "say what is missing"),
    ("a thousand requests", "write \"per 1,000 requests\""),
];

/// What may be counted in a second: of "answers a second", readers search for "answers per second".
const COUNTED: &[&str] = &[
    "answers",
    "attempts",
    "bytes",
    "connections",
    "errors",
    "frames",
    "lines",
    "messages",
    "packets",
    "replies",
    "requests",
    "sessions",
    "times",
];

/// Names in documents that are not ours: of the kernel's files, slabs and prctl(2).
const OF_THE_KERNEL: &[&str] = &[
    "ep_head",
    "eventpoll_epi",
    "eventpoll_pwq",
    "netdev_max_backlog",
    "no_new_privs",
    "sock_inode_cache",
    "tcp_bind2_bucket",
    "tcp_max_orphans",
];

#[test]
fn imports_go_downward_only() {
    let mut complaints = Vec::new();
    for file in RUST_FILES.iter().filter(|file| is_production(&file.path)) {
        let module = module_of(&file.path);
        let Some(from) = room(&module) else {
            let advice = "no row of ORDER in tests/tidy.rs fits this module: add one";
            complaints.push(format!("{}:1: {advice}", file.path));
            continue;
        };
        for (line, path) in imports(&without_test_items(&file.code), &module) {
            let Some(to) = room(&path) else { continue };
            let (importer, imported) = (ORDER[from].0, ORDER[to].0);
            let is_guest = |&(guarded, guests): &(&str, &[&str])| {
                imported.split("::").next() == Some(guarded) && !guests.contains(&first(importer))
            };
            if to < from || GUARDED.iter().any(is_guest) {
                let path = path.join("::");
                complaints.push(format!(
                    "{}:{line}: {importer} may not import {path}: it stands above in ORDER, or is \
                     guarded (tests/tidy.rs). Move what is needed to a room below both",
                    file.path
                ));
            }
        }
    }
    check(complaints);
}

#[test]
fn every_row_of_the_order_is_a_module() {
    let is_module = |row: &str| {
        let path = format!("src/{}", row.replace("::", "/"));
        let file = format!("{path}.rs");
        is_there(&path) || is_there(&file)
    };
    let gone = ORDER.iter().filter(|(row, _)| !is_module(row));
    check(
        gone.map(|(row, _)| format!("tests/tidy.rs:1: {row} is no module: drop its row")).collect(),
    );
}

#[test]
fn lines_are_short() {
    let mut complaints = Vec::new();
    for file in RUST_FILES.iter() {
        for (number, line) in numbered(&file.text) {
            let columns = line.chars().count();
            if columns > COLUMNS {
                let path = &file.path;
                complaints
                    .push(format!("{path}:{number}: {columns} columns: break it at {COLUMNS}"));
            }
        }
    }
    check(complaints);
}

#[test]
fn functions_and_files_are_short() {
    let mut complaints = Vec::new();
    for file in RUST_FILES.iter() {
        let lines: Vec<&str> = file.code.lines().collect();
        if lines.len() > FILE_LINES {
            complaints.push(format!(
                "{}:1: {} lines: split it by idea, at most {FILE_LINES}",
                file.path,
                lines.len()
            ));
        }
        for start in (0..lines.len()).filter(|&line| is_function(lines[line])) {
            let length = function_length(&lines[start..]);
            if length > FUNCTION_LINES {
                complaints.push(format!(
                    "{}:{}: a function of {length} lines: split it, at most {FUNCTION_LINES}",
                    file.path,
                    start + 1
                ));
            }
        }
    }
    check(complaints);
}

#[test]
fn comments_literals_and_documents_use_plain_words() {
    let comments = RUST_FILES.iter().map(|file| (file.path.clone(), file.comments.clone()));
    let mut complaints = Vec::new();
    let texts = documents().chain(comments).chain(literals());
    for (path, prose) in texts.filter(|(path, _)| path != "tests/tidy.rs") {
        complaints.extend(phrases(&path, &words(&prose), BANNED));
    }
    check(complaints);
}

#[test]
fn users_read_the_words_of_the_field() {
    let is_help = |path: &str| {
        let commands =
            ["args.rs", "server_options.rs", "bench/options.rs", "doctor.rs", "watch.rs"];
        let path = path.strip_prefix("src/bin/readyc/");
        path.is_some_and(|path| commands.contains(&path) || path == "compare.rs")
    };
    let helps = RUST_FILES.iter().filter(|file| is_help(&file.path));
    let helps = helps.map(|file| (file.path.clone(), file.comments.clone()));
    let documents = documents().filter(|(path, _)| is_for_users(path));
    let mut complaints = Vec::new();
    let texts = documents.chain(helps).chain(literals());
    for (path, prose) in texts {
        let words = words(&prose);
        complaints.extend(phrases(&path, &words, NOT_THE_FIELDS));
        for found in words.windows(3) {
            let [(line, counted), (_, article), (_, unit)] = found else { continue };
            // Of "exit 0; a second one" the 0 is no rate.
            let is_number = counted.len() > 1 && counted.bytes().all(|byte| byte.is_ascii_digit());
            let is_counted = is_number || COUNTED.contains(&counted.as_str());
            if is_counted && article == "a" && unit == "second" {
                let advice = format!("write \"{counted} per second\"");
                complaints.push(format!("{path}:{line}: \"{counted} a second\": {advice}"));
            }
        }
    }
    check(complaints);
}

/// The documents, without what they quote.
fn documents() -> impl Iterator<Item = (String, String)> {
    let documents = files(&["."], "md").into_iter();
    documents.map(|(path, text)| (path, without_fenced_blocks(&text)))
}

/// What the programs say.
fn literals() -> impl Iterator<Item = (String, String)> {
    let files = RUST_FILES.iter().filter(|file| is_production(&file.path));
    files.map(|file| (file.path.clone(), file.literals.clone()))
}

/// The places of the phrases in a text.
fn phrases(path: &str, words: &[(usize, String)], banned: &[(&str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (phrase, advice) in banned {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        for found in words.windows(phrase.len()) {
            if found.iter().map(|(_, word)| word.as_str()).eq(phrase.iter().copied()) {
                let (line, phrase) = (found[0].0, phrase.join(" "));
                complaints.push(format!("{path}:{line}: \"{phrase}\": {advice}"));
            }
        }
    }
    complaints
}

/// A counter, a field of a report, a function or a test that a document names is somewhere in the
/// source: one that was renamed is not left behind. Paths with `::` are of profiles of the past.
#[test]
fn names_in_documents_exist() {
    let known: BTreeSet<String> =
        RUST_FILES.iter().flat_map(|file| snake_case(&file.text)).collect();
    let is_known = |name: &str| {
        // `fault_07` begins the names of tests.
        let begun = known.range(name.to_owned()..).next();
        begun.is_some_and(|next| next == name || next.starts_with(&format!("{name}_")))
    };
    let mut complaints = Vec::new();
    let documents = files(&["."], "md").into_iter();
    for (path, text) in documents.filter(|(path, _)| is_for_users(path)) {
        for (line, text) in numbered(&without_fenced_blocks(&text)) {
            let quoted = text.split('`').skip(1).step_by(2).filter(|text| !text.contains("::"));
            for name in quoted.flat_map(snake_case) {
                if !is_known(&name) && !OF_THE_KERNEL.contains(&name.as_str()) {
                    let advice = "is nowhere in the source: was it renamed?";
                    complaints.push(format!("{path}:{line}: `{name}` {advice}"));
                }
            }
        }
    }
    check(complaints);
}

/// Whether a document is in the root directory or in docs/.
fn is_for_users(path: &str) -> bool {
    !path.contains('/') || path.strip_prefix("docs/").is_some_and(|name| !name.contains('/'))
}

/// The names in small letters with an underscore.
fn snake_case(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_name = |word: &&str| {
        word.trim_matches('_').contains('_')
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && !word.contains(|c: char| c.is_ascii_uppercase())
    };
    words.filter(is_name).map(str::to_owned).collect()
}

/// rustc's `missing_docs` sees what the library exports. This sees the programs, too, where
/// `pub(crate)` is as public as an item gets. A stand-in for a module whose feature is missing has
/// the docs of that module.
#[test]
fn every_public_item_has_a_doc() {
    let mut complaints = Vec::new();
    let has_docs_of_its_own = |path: &str| is_production(path) && !path.ends_with("/without.rs");
    for file in RUST_FILES.iter().filter(|file| has_docs_of_its_own(&file.path)) {
        let lines: Vec<&str> = file.text.lines().map(str::trim_start).collect();
        for (index, line) in lines.iter().enumerate() {
            let item = line.strip_prefix("pub ").or_else(|| {
                line.strip_prefix("pub(crate) ").filter(|_| file.path.starts_with("src/bin/"))
            });
            let kinds =
                ["fn", "struct", "enum", "trait", "const", "static", "type", "unsafe", "async"];
            let kind = item.and_then(|item| item.split_whitespace().next());
            if kind.is_some_and(|kind| kinds.contains(&kind)) && !has_doc(&lines[..index]) {
                let number = index + 1;
                complaints.push(format!("{}:{number}: no doc: say what it is for", file.path));
            }
        }
    }
    check(complaints);
}

#[test]
fn the_hour_is_one_list_and_fits_into_an_hour() {
    let readme = the_hour(&read("README.md"), "README.md");
    let library = the_hour(&read("src/lib.rs"), "src/lib.rs");
    assert_eq!(readme, library, "README.md and src/lib.rs list different files as \"the hour\"");
    let gone = readme.iter().filter(|path| !is_there(path));
    check(gone.map(|path| format!("{path}:1: not there, but listed in \"the hour\"")).collect());
    let there = readme.iter().filter(|path| is_there(path));
    let lines: usize = there.map(|path| read(path).lines().count()).sum();
    assert!(
        lines <= HOUR_LINES,
        "\"the hour\" in README.md is {lines} lines long: shorten a file or drop an entry, at most \
         {HOUR_LINES}"
    );
}

/// The paths of the reading list: the first thing in backticks of each numbered line between the
/// markers.
fn the_hour(text: &str, name: &str) -> Vec<String> {
    let (_, list) = text.split_once("<!-- the hour -->").unwrap_or_else(|| {
        panic!("{name}: no \"<!-- the hour -->\" before the reading list: put it there")
    });
    let (list, _) = list.split_once("<!-- end of the hour -->").unwrap_or_else(|| {
        panic!("{name}: no \"<!-- end of the hour -->\" after the reading list: put it there")
    });
    let is_entry = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
    let lines = list.lines().map(|line| line.trim_start_matches("//!").trim_start());
    lines.filter(is_entry).filter_map(|line| line.split('`').nth(1)).map(String::from).collect()
}

/// The row of ORDER that a module or an item in it belongs to: the longest that fits.
fn room(path: &[String]) -> Option<usize> {
    if path.is_empty() {
        return Some(0); // lib.rs names all rooms, and may.
    }
    let fits = |row: &str| row.split("::").zip(path).filter(|(row, part)| row == part).count();
    let rows =
        ORDER.iter().enumerate().filter(|(_, (row, _))| fits(row) == row.split("::").count());
    rows.max_by_key(|(_, (row, _))| row.len()).map(|(index, _)| index)
}

fn first(row: &str) -> &str {
    row.split("::").next().unwrap_or(row)
}

fn check(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
