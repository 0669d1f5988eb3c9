//! Reloading on SIGHUP: the supervisor reads the configuration, the table and the time zone into
//! sealed memfds, and sends them to each shard over its control socket.
//!
//! Invariant: each process has the newest ones, or the supervisor sends them again until it has.

use super::Supervisor;
use super::idle::IdleWatch;
use super::shard_slot::ShardSlot;
use super::spawn_template::config_of_a_shard;
use crate::certificates::{CertificateReader, Certificates};
use crate::logger;
use crate::reconfiguring::{self, ConfigReader};
use crate::start::StartError;
use crate::zone;
use readyd::config::Config;
use readyd::counted::counted;
use readyd::io::clock::Moment;
use readyd::os::memory;
use readyd::table::Table;
use readyd::zone::ZoneRules;
use readyd::zone::source::ZoneSource;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A table in a sealed memfd, which all shards map.
pub(super) struct SealedTable {
    pub(super) memory: OwnedFd,
    keys: usize,
    /// The number of tables before this one.
    pub(super) version: u64,
}

impl SealedTable {
    /// Copies `table` into a sealed memfd, and drops it.
    pub(super) fn of(table: Table) -> Result<SealedTable, String> {
        match table.seal() {
            Ok(memory) => Ok(SealedTable { memory, keys: table.len(), version: 0 }),
            Err(error) => Err(format!("cannot put it into shared memory: {error}")),
        }
    }
}

/// The rules of the time zone, likewise.
pub(super) struct SealedZone {
    pub(super) memory: OwnedFd,
    rules: ZoneRules,
    pub(super) version: u64,
}

impl SealedZone {
    /// Those that shards start with.
    pub(super) fn first(source: &ZoneSource) -> Result<SealedZone, StartError> {
        SealedZone::of(zone::first_rules(source), 0)
            .map_err(|error| StartError::System("put the time zone into shared memory", error))
    }

    pub(super) fn of(rules: ZoneRules, version: u64) -> io::Result<SealedZone> {
        Ok(SealedZone { memory: zone::seal(&rules)?, rules, version })
    }
}

/// The configuration of a shard, likewise.
pub(super) struct SealedConfig {
    pub(super) memory: OwnedFd,
    pub(super) version: u64,
}

impl SealedConfig {
    pub(super) fn of(config: &Config, version: u64) -> io::Result<SealedConfig> {
        Ok(SealedConfig { memory: reconfiguring::seal(config)?, version })
    }
}

/// After this time the seed of tickets in the memory is the one of now again.
const RENEWAL: Duration = Duration::from_secs(60 * 60);

/// The certificates, likewise, with the seed of the keys of tickets.
pub(super) struct SealedCertificates {
    pub(super) memory: OwnedFd,
    pub(super) version: u64,
    pub(super) certificates: Certificates,
    /// When the seed is to be renewed: an old one makes the keys of all tickets since then.
    pub(super) renew_at: Moment,
}

impl SealedCertificates {
    /// Those that shards start with.
    pub(super) fn first(
        certificates: Option<&Certificates>,
        now: Moment,
    ) -> Result<Option<SealedCertificates>, StartError> {
        let Some(certificates) = certificates else { return Ok(None) };
        certificates.say_when_they_expire();
        SealedCertificates::of(certificates.clone(), 0, now)
            .map(Some)
            .map_err(|error| StartError::System("put the certificates into shared memory", error))
    }

    pub(super) fn of(
        certificates: Certificates,
        version: u64,
        now: Moment,
    ) -> io::Result<SealedCertificates> {
        let (memory, renew_at) = (certificates.seal()?, now + RENEWAL);
        Ok(SealedCertificates { memory, version, certificates, renew_at })
    }
}

impl Supervisor {
    pub(super) fn start_reload(&mut self, now: Moment) {
        // If waking the loop failed for the last load, its table would wait for ever, and so would
        // this one.
        self.take_files(now);
        self.configs.iter_mut().for_each(ConfigReader::order);
        // The warning that there is none helps only if nothing else is read for the operator.
        let has_others = self.configs.is_some() || self.certificate_reader.is_some();
        if self.loader.has_file() || !has_others {
            self.loader.order();
        }
        self.zone_reader.order();
        self.certificate_reader.iter_mut().for_each(CertificateReader::order);
    }

    /// Sends the files that have been read to all shards.
    pub(super) fn take_files(&mut self, now: Moment) {
        self.take_config(now);
        if let Some(certificates) = self.certificate_reader.as_mut().and_then(|it| it.take()) {
            self.hand_over_certificates(certificates, now);
        }
        match self.loader.take() {
            Some(Ok(table)) => self.hand_over_table(table, now),
            Some(Err(why)) => {
                log::error!("keeping the old table: {why}");
                self.processes_mut().for_each(|process| process.line().keep_table());
            }
            None => {}
        }
        match self.zone_reader.take() {
            Some(Ok(rules)) if rules != self.template.zone.rules => self.hand_over_zone(rules, now),
            Some(Err(error)) => zone::complain(&error),
            Some(Ok(_)) | None => {}
        }
    }

    /// Has the limits and the log level of another configuration take effect, here and in all
    /// shards.
    fn take_config(&mut self, now: Moment) {
        let Some(configs) = &mut self.configs else { return };
        let Some(changes) = configs.take() else { return };
        let config = configs.changed(&changes);
        let memory_limit = config.memory_limit.unwrap_or_else(memory::limit_for_buffers);
        let of_a_shard = config_of_a_shard(&config, memory_limit);
        let version = self.template.sealed_config.version + 1;
        match SealedConfig::of(&of_a_shard, version) {
            Ok(sealed) => self.template.sealed_config = sealed,
            Err(error) => return log::error!("keeping the old configuration: {error}"),
        }
        logger::set_level(&config);
        self.template.config = of_a_shard;
        if config.limits.exit_on_idle != configs.exit_on_idle() {
            self.idle = config.limits.exit_on_idle.map(|limit| IdleWatch::new(limit, now));
            // The old watch may have asked, and shards that are idle hold newcomers off since then.
            let servers = self.slots.iter().filter_map(ShardSlot::server);
            servers.for_each(|process| process.line().admit_again());
        }
        configs.applied(changes, config);
        for process in self.slots.iter_mut().flat_map(ShardSlot::processes_mut) {
            if let Err(error) = process.send_config(&self.template, now) {
                let pid = process.pid();
                log::error!("process {pid} did not get the configuration: {error}; retrying");
            }
        }
    }

    fn hand_over_table(&mut self, table: SealedTable, now: Moment) {
        log::info!("table reloaded: {}", counted(table.keys, "key"));
        self.template.table = SealedTable { version: self.template.table.version + 1, ..table };
        for process in self.slots.iter_mut().flat_map(ShardSlot::processes_mut) {
            if let Err(error) = process.send_table(&self.template, now) {
                let pid = process.pid();
                log::error!("process {pid} did not get the table: {error}; retrying");
            }
        }
    }

    fn hand_over_zone(&mut self, rules: ZoneRules, now: Moment) {
        match SealedZone::of(rules, self.template.zone.version + 1) {
            Ok(zone) => self.template.zone = zone,
            Err(error) => return log::error!("keeping the old time zone: {error}"),
        }
        zone::say_that_it_changed();
        for process in self.slots.iter_mut().flat_map(ShardSlot::processes_mut) {
            if let Err(error) = process.send_zone(&self.template, now) {
                let pid = process.pid();
                log::error!("process {pid} did not get the time zone: {error}; retrying");
            }
        }
    }

    fn hand_over_certificates(&mut self, certificates: Certificates, now: Moment) {
        let version = self.template.certificates.as_ref().map_or(0, |sealed| sealed.version + 1);
        match SealedCertificates::of(certificates.clone(), version, now) {
            Ok(sealed) => self.template.certificates = Some(sealed),
            Err(error) => return log::error!("keeping the old certificates: {error}"),
        }
        log::info!("certificates reloaded");
        certificates.say_when_they_expire();
        for process in self.slots.iter_mut().flat_map(ShardSlot::processes_mut) {
            if let Err(error) = process.send_certificates(&self.template, now) {
                let pid = process.pid();
                log::error!("process {pid} did not get the certificates: {error}; retrying");
            }
        }
    }

    /// Has the shards that start from now on begin with the seed of tickets of now, and forgets the
    /// one before. If that fails, the shard makes the steps by itself.
    pub(super) fn renew_seed(&mut self, now: Moment) {
        if let Some(sealed) = &mut self.template.certificates
            && sealed.renew_at <= now
        {
            sealed.renew_at = now + RENEWAL;
            if let Ok(memory) = sealed.certificates.seal() {
                sealed.memory = memory;
            }
        }
    }

    /// Sends the newest files again to each process that could not take them.
    pub(super) fn send_again(&mut self, now: Moment) {
        let processes = self.slots.iter_mut().flat_map(ShardSlot::processes_mut);
        processes.for_each(|process| process.send_again(&self.template, now));
    }
}
