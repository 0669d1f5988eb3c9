//! Reads and writes that fall short, are interrupted, or come to nothing, in every order that a
//! seed chooses: server and client run with `short_io.c` between them and the C library.

use crate::support::bench::{bench_command, run_command};
use crate::support::tools::{self, Input};
use crate::support::{Client, Launch, Scratch, Server, frame};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// Seeds tried; `SHORT_IO_SEED=n` tries that one alone.
const SEEDS: u64 = 16;

fn seeds() -> Vec<u64> {
    match env::var("SHORT_IO_SEED") {
        Ok(seed) => vec![seed.parse().expect("SHORT_IO_SEED is a number")],
        Err(_) => (0..SEEDS).collect(),
    }
}

/// The library to be preloaded, compiled; `None`, with a word, on a machine without a compiler.
fn library(scratch: &Scratch) -> Option<PathBuf> {
    let gcc = tools::find("gcc")?;
    let library = scratch.path("short_io.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/short_io.c");
    let mut command = Command::new(gcc);
    command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library);
    let output = tools::run(command.arg(source), Input::Whole(b""));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(library)
}

/// Checks that the library did to the process that it was to.
fn assert_was_disturbed(counts: &Path, seed: u64) {
    let text = fs::read_to_string(counts).expect("the library's counts");
    let mut counts = [0u64; 3];
    // A line for each process: one that starts others, to do the work, has nothing to count itself.
    for line in text.lines() {
        for (sum, word) in counts.iter_mut().zip(line.split_whitespace()) {
            *sum += word.parse::<u64>().expect("a count");
        }
    }
    assert!(counts.iter().all(|&count| count > 0), "seed {seed}: {text}");
}

/// A server with the library preloaded, and the file where it counts.
fn disturbed(library: &Path, scratch: &Scratch, seed: u64) -> (Server, PathBuf) {
    let counts = scratch.path(&format!("server-{seed}"));
    let server = Launch::of(&["framed", "lookup", "echo", "exchange"])
        .env("LD_PRELOAD", library)
        .env("SHORT_IO_SEED", seed.to_string())
        .env("SHORT_IO_COUNTS", &counts)
        .start();
    (server, counts)
}

#[test]
fn every_reply_is_right_however_short_the_reads_and_writes() {
    let scratch = Scratch::new();
    let Some(library) = library(&scratch) else { return };
    for seed in seeds() {
        let (server, counts) = disturbed(&library, &scratch, seed);
        let clients: [fn(&Server); 4] = [pipeline, half_close, lines, raw];
        thread::scope(|scope| {
            for client in clients {
                let server = &server;
                scope.spawn(move || client(server));
            }
        });
        drop(server);
        assert_was_disturbed(&counts, seed);
    }
}

/// Three hundred frames of all sizes, sent without waiting for the answers.
fn pipeline(server: &Server) {
    let body = |n: usize| format!("{n:0>width$}", width = 1 + n * 7919 % 2000);
    let mut client = server.connect("framed");
    let mut writer = client.other_handle();
    thread::scope(|scope| {
        scope.spawn(move || (0..300).for_each(|n| writer.send_frame(format!("ECHO {}", body(n)))));
        (0..300).for_each(|n| client.expect(frame(body(n))));
    });
}

/// Frames, and the end right behind them: each is answered before the server closes.
fn half_close(server: &Server) {
    for count in 1..20 {
        let mut client = server.connect("framed");
        client.send(&frame("ECHO last words").repeat(count));
        client.finish_sending();
        assert_eq!(client.read_to_end(), frame("last words").repeat(count));
    }
}

fn lines(server: &Server) {
    let mut client = server.connect("lookup");
    client.send(&b"165.165.80.80\nno such key\n".repeat(100));
    client.expect(b"6A:08:AA:C2\nNot Found\n".repeat(100));
}

fn raw(server: &Server) {
    let bytes: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(n) >> 3) as u8).collect();
    let mut client: Client = server.connect("echo");
    let mut writer = client.other_handle();
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.send(&bytes);
            writer.finish_sending();
        });
        assert!(client.read_to_end() == bytes, "the echo differs");
    });
}

#[test]
fn client_and_server_understand_each_other_however_short_the_reads_and_writes() {
    let scratch = Scratch::new();
    let Some(library) = library(&scratch) else { return };
    for seed in seeds() {
        let (server, counts) = disturbed(&library, &scratch, seed);
        let client_counts = scratch.path(&format!("client-{seed}"));
        let words = ["-c", "8", "-P", "8", "-n", "1000", "-s", "0-3000"];
        let mut command = bench_command(&[server.address("framed")], &words);
        command.env("LD_PRELOAD", &library);
        command.env("SHORT_IO_SEED", (seed + 1000).to_string());
        command.env("SHORT_IO_COUNTS", &client_counts);
        let run = run_command(&mut command);
        run.assert_met();
        assert_eq!(run.count("achieved.verified"), 1000, "seed {seed}: {:#}", run.short());
        drop(server);
        assert_was_disturbed(&counts, seed);
        assert_was_disturbed(&client_counts, seed);
    }
}
