//! What all shards of a supervisor are started with.

use super::handover::{SealedCertificates, SealedConfig, SealedTable, SealedZone};
use crate::child::Program;
use crate::logger;
use readyd::config::Config;
use readyd::reactor::Inputs;
use readyd::server::limits::Limits;
use readyd::server::stats::scoreboard::Scoreboard;
use std::fs::File;

/// What all shards are started with.
pub(super) struct SpawnTemplate {
    /// The program that they run.
    pub(super) program: Program,
    /// The configuration of each, without listeners.
    pub(super) config: Config,
    /// Whether they measure their turns, because a listener shows it.
    pub(super) measures_turns: bool,
    /// The counters that all processes share.
    pub(super) scoreboard: Scoreboard,
    /// Whether they wait for an order before they serve.
    pub(super) waits: bool,
    /// The scoreboards of the processes before this server.
    pub(super) earlier: Vec<Scoreboard>,
    /// When the server began, in nanoseconds of CLOCK_MONOTONIC.
    pub(super) began: u64,
    /// The newest table.
    pub(super) table: SealedTable,
    /// The newest rules of the time zone.
    pub(super) zone: SealedZone,
    /// The newest certificates, if listeners are encrypted.
    pub(super) certificates: Option<SealedCertificates>,
    /// The newest configuration of a shard, for those that run.
    pub(super) sealed_config: SealedConfig,
    /// The file that they write their log to; `None` for standard error.
    pub(super) log: Option<File>,
    /// Registers the socket to each shard with the supervisor's epoll.
    pub(super) inputs: Inputs,
}

/// The configuration of a shard: its share of each total limit, and nothing that only the
/// supervisor does. All of them together may have `memory_limit` bytes in buffers.
pub(super) fn config_of_a_shard(config: &Config, memory_limit: usize) -> Config {
    let shards = config.shards;
    let memory_limit = memory_limit.div_ceil(shards);
    let part = |rate: u32| rate.div_ceil(u32::try_from(shards).unwrap_or(u32::MAX));
    let tls_handshake_rate = config.limits.tls_handshake_rate.map(part);
    let log_rate = config.limits.log_rate.div_ceil(u32::try_from(shards).unwrap_or(u32::MAX));
    Config {
        listeners: Vec::new(),
        takes_passed_sockets: false,
        reuse_port: false,
        shards: 1,
        user: None,
        print_addresses: false,
        ready_fd: None,
        table: None,
        max_connections: config.max_connections.map(|total| total.div_ceil(shards)),
        memory_limit: Some(memory_limit),
        log: logger::level_of_a_shard(config),
        limits: Limits {
            log_rate,
            tls_handshake_rate,
            exit_on_idle: None,
            ..config.limits.clone()
        },
        ..config.clone()
    }
}
