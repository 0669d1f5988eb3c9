//! `readyc doctor`: whether N connections can be opened here, told before the first is opened.

use crate::args::at_least_one;
use crate::failure::Failure;
use crate::output::print_line;
use crate::server_name::ServerName;
use crate::server_options::AddressOnly;
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

/// What `--help` says behind the options.
pub(crate) const AFTER_LONG_HELP: &str = "\
It reads the limits of this machine, opens no connection, and prints for each
limit what N connections need, what there is, and the command that raises it.
The options mean what they mean to readyc bench.

Exit status:
  0  N connections fit
  1  the limits cannot be read
  2  a wrong command line
  3  N connections do not fit

Example:
  readyc doctor -c 1000 -I 100k --workers 4 --source 127.0.0.2-127.0.0.9";

/// The options of `readyc doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Connections that send requests
    #[arg(short, long, value_name = "N", default_value = "64", value_parser = connections)]
    connections: u64,

    /// Additional idle connections
    #[arg(short = 'I', long, value_name = "N", default_value = "0", value_parser = connections)]
    idle: u64,

    /// Connect from these local addresses
    ///
    /// Local addresses to connect from: ADDRESS, FIRST-LAST or CIDR, separated by commas [default:
    /// the kernel chooses]
    #[arg(long, value_name = "ADDRESSES")]
    source: Vec<String>,

    /// Processes that share the connections
    ///
    /// Processes that share the connections, each with a descriptor limit of its own
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one)]
    workers: u64,

    /// Attempts to connect in flight
    #[arg(long, value_name = "N", default_value = "256", value_parser = at_least_one)]
    connect_parallel: u64,

    /// Print JSON
    ///
    /// Print the result as one JSON object
    #[arg(short, long)]
    json: bool,

    /// Read the limits below DIR
    ///
    /// Read the system's limits below DIR instead of /
    #[arg(long, value_name = "DIR", default_value = "/", hide_short_help = true)]
    root: PathBuf,

    /// Servers: HOST, HOST:PORT or unix:/PATH
    ///
    /// The servers: HOST, HOST:PORT (port 9999 if none is given) or unix:/PATH [default: the server
    /// of --server, or 127.0.0.1:9999]
    #[arg(value_name = "ADDR")]
    addresses: Vec<ServerName>,

    /// Where the server is.
    #[command(flatten)]
    pub(crate) server: AddressOnly,
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
            return Err(Failure::Usage(
                "give at least one connection: --connections or --idle".to_owned(),
            ));
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
