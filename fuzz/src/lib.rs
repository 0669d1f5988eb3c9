//! What is fuzzed, as plain functions of bytes: the fuzzer calls them through `fuzz_targets/`, and
//! `tests/replay.rs` calls them with every input that is kept, without a fuzzer.
//!
//! Each target compares the code with a reference that works on other principles, slow and plain,
//! or with the same code given the same bytes in other portions; and it checks what must always
//! hold.
//!
//! Invariant: a target depends on its input alone, so that an input that fails once fails always.

pub mod capture;
pub mod client_decoder;
pub mod configuration;
pub mod frame_stream;
pub mod header;
pub mod http_head;
mod input;
pub mod log_escaping;
mod naive_range;
mod printable;
pub mod proxy;
mod reference;
mod scratch_file;
pub mod server_operations;
pub mod strace;
pub mod table_file;
pub mod time_zone;
pub mod trace;

/// Panics if something is wrong with what the bytes made the code do.
pub type Check = fn(&[u8]);

/// Every target: its name, which is also the name of its corpus, and its function.
pub const TARGETS: [(&str, Check); 13] = [
    ("header", header::check),
    ("proxy", proxy::check),
    ("http_head", http_head::check),
    ("frame_stream", frame_stream::check),
    ("server_operations", server_operations::check),
    ("client_decoder", client_decoder::check),
    ("table_file", table_file::check),
    ("time_zone", time_zone::check),
    ("configuration", configuration::check),
    ("log_escaping", log_escaping::check),
    ("trace", trace::check),
    ("capture", capture::check),
    ("strace", strace::check),
];
