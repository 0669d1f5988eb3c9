//! End-to-end tests: the real `readyd` program, real sockets on the loopback, real signals.
//!
//! Each module is a theme. [`support`] starts servers, speaks to them, and checks after every test
//! that the server has given back its descriptors, left no socket half closed, and ends in order.
//!
//! Some tests need a tool that is not on every machine, such as `strace`. Without it they print a
//! line that begins with `SKIPPED`, or fail if `READYD_REQUIRE_TOOLS=1` is in the environment.

#[cfg(feature = "ops")]
mod activation;
mod addresses;
mod admission;
#[cfg(feature = "client")]
mod bench_errors;
#[cfg(feature = "client")]
mod bench_honesty;
#[cfg(feature = "client")]
mod bench_outputs;
#[cfg(feature = "client")]
mod bench_real_servers;
#[cfg(feature = "client")]
mod bench_server_side;
#[cfg(feature = "client")]
mod bench_shapes;
#[cfg(feature = "client")]
mod bench_view;
mod checking;
mod classroom;
#[cfg(feature = "client")]
mod client_classroom;
#[cfg(feature = "client")]
mod client_commands;
#[cfg(feature = "client")]
mod client_crowds;
#[cfg(feature = "client")]
mod client_errors;
#[cfg(feature = "client")]
mod client_reports;
#[cfg(feature = "client")]
mod client_terminal;
#[cfg(feature = "client")]
mod client_third_party;
mod command_line;
mod crowds;
mod deadlines;
#[cfg(all(feature = "client", feature = "trace"))]
mod diffing;
#[cfg(feature = "client")]
mod doctor;
#[cfg(feature = "tls")]
mod encrypted;
mod few_descriptors;
#[cfg(feature = "client")]
mod field_load_09;
#[cfg(feature = "client")]
mod field_load_13;
#[cfg(feature = "client")]
mod field_load_17;
#[cfg(feature = "client")]
mod field_load_accounts;
#[cfg(feature = "client")]
mod field_load_codec;
#[cfg(feature = "client")]
mod find;
mod framing;
mod full_output;
mod hostile;
#[cfg(feature = "client")]
mod importing;
mod limits;
mod logging;
#[cfg(feature = "ops")]
mod metrics;
#[cfg(feature = "client")]
mod misbehaving;
#[cfg(feature = "ops")]
mod notifying;
mod odd_files;
mod outputs;
#[cfg(all(feature = "client", feature = "ops", feature = "trace"))]
mod packaged;
#[cfg(all(feature = "client", feature = "trace"))]
mod perfetto;
mod port_in_use;
#[cfg(all(feature = "ops", feature = "client"))]
mod proxied;
#[cfg(feature = "client")]
mod readme;
#[cfg(all(feature = "client", feature = "trace"))]
mod reconfiguring;
mod recording;
#[cfg(all(feature = "client", feature = "trace"))]
mod replaying;
mod rights;
mod same_address;
#[cfg(feature = "ops")]
mod sandbox;
mod services;
mod shards;
mod sharing;
mod signal_table;
mod signals;
mod starting;
mod statistics;
#[cfg(feature = "client")]
mod stats_watch;
mod stopping;
mod support;
#[cfg(feature = "client")]
mod top;
mod tracing;
mod unix_sockets;
#[cfg(feature = "ops")]
mod upgrading;
mod zones;
