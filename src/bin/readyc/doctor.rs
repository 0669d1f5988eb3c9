//! `readyc doctor`: whether N connections can be opened here, told before the first is opened.

use crate::args::{ServerName, at_least_one};
use crate::failure::Failure;
use crate::output::print_line;
use crate::style::text_options;
use readyd::config::values;
use readyd::io::address::Address;
use readyd::loadgen::preflight::{Requirements, System, examine, parse_sources};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

/// More connections than any system has descriptors for: the kernel allows 2,147,483,584 a process.
const MOST_CONNECTIONS: u64 = 1_000_000_000;

/// Options mean what they mean to `readyc bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Connections that make requests
    #[arg(short, long, value_name = "N", default_value = "64", value_parser = connections)]
    connections: u64,

    /// Connections that are held open besides and say nothing
    #[arg(short = 'I', long, value_name = "N", default_value = "0", value_parser = connections)]
    idle: u64,

    /// Addresses to connect from: ADDRESS, FIRST-LAST or CIDR, separated by commas; without, the
    /// system chooses
    #[arg(long, value_name = "ADDRESSES")]
    source: Vec<String>,

    /// Processes that the connections are spread over
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one)]
    workers: u64,

    /// Connections being made at once
    #[arg(long, value_name = "N", default_value = "256", value_parser = at_least_one)]
    connect_parallel: u64,

    /// Print the examination as JSON
    #[arg(short, long)]
    json: bool,

    /// Read the system's limits below DIR instead of /
    #[arg(long, value_name = "DIR", default_value = "/", hide_short_help = true)]
    root: PathBuf,

    /// The servers: HOST, HOST:PORT (else port 9999) or unix:/PATH [default: that of --server]
    #[arg(value_name = "ADDR")]
    addresses: Vec<ServerName>,
}

fn connections(text: &str) -> Result<u64, String> {
    match values::count(text) {
        Ok(count) if count > MOST_CONNECTIONS => Err(format!("must be at most {MOST_CONNECTIONS}")),
        Ok(count) => Ok(count),
        Err(error) => Err(error.to_string()),
    }
}

/// Prints the limits and the requirements.
pub(crate) fn run(doctor: &Doctor, server: &ServerName) -> Result<(), Failure> {
    let requirements = doctor.requirements(server)?;
    let files = doctor.root.join("proc");
    fs::read_dir(&files).map_err(|error| Failure::Limits(files, error))?;
    let report = examine(&System::read(&doctor.root), &requirements);
    if doctor.json {
        let json = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::Output(io::Error::other(error)))?;
        print_line(&json)?;
    } else {
        print_line(&report.text(text_options(&io::stdout())))?;
    }
    if report.fits() { Ok(()) } else { Err(Failure::DoesNotFit) }
}

impl Doctor {
    fn requirements(&self, server: &ServerName) -> Result<Requirements, Failure> {
        let connections = self.connections + self.idle;
        if connections == 0 {
            return Err(Failure::Usage("there is nothing to examine for 0 connections".to_owned()));
        }
        let sources = self.sources()?;
        Ok(Requirements {
            connections,
            idle: self.idle,
            workers: self.workers,
            connect_parallel: self.connect_parallel,
            sources,
            ..Requirements::default()
        }
        .of_servers(&self.destinations(server)?))
    }

    fn sources(&self) -> Result<Vec<IpAddr>, Failure> {
        if self.source.is_empty() {
            return Ok(Vec::new());
        }
        // As one list, because the limit of its length holds for the whole.
        let sources = parse_sources(&self.source.join(","))
            .map_err(|error| Failure::Usage(format!("--source: {error}")))?;
        Ok(sources.iter().map(|source| source.ip).collect())
    }

    /// The first address of each server: the others are for the case that it cannot be reached.
    fn destinations(&self, server: &ServerName) -> Result<Vec<Address>, Failure> {
        let servers = match self.addresses.as_slice() {
            [] => std::slice::from_ref(server),
            servers => servers,
        };
        let addresses = servers.iter().map(ServerName::resolve).collect::<Result<Vec<_>, _>>()?;
        Ok(addresses.iter().filter_map(|addresses| addresses.first().cloned()).collect())
    }
}
