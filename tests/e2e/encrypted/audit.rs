//! Debian's testssl.sh, which looks for weak protocols, ciphers and certificates, and for the
//! attacks that have a name.

use super::{Authority, encrypted, launch};
use crate::support::tools;
use rcgen::SanType;
use serde_json::Value;
use std::fs;
use std::net::IpAddr;
use std::process::Command;
use time::OffsetDateTime;

/// Findings that are not about the server: the certificate of this test names no list of revoked
/// ones; and OpenSSL is told to end before a ticket of TLS 1.3 has arrived, so on a busy machine
/// there is none for the second connection. (`encrypted::sessions_are_resumed…` waits for it.)
const NOT_OF_THE_SERVER: [&str; 2] = ["cert_revocation", "sessionresumption_ticket"];

#[test]
fn testssl_finds_nothing_weak() {
    let Some(testssl) = tools::find("testssl") else { return };
    let authority = Authority::new();
    authority.sign("server", |params| {
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::from([127, 0, 0, 1])));
        // Not valid for longer than browsers allow.
        params.not_before = OffsetDateTime::now_utc() - time::Duration::days(1);
        params.not_after = OffsetDateTime::now_utc() + time::Duration::days(90);
    });
    let server = launch(&authority.options("server")).start();
    let address = encrypted(&server).to_string();
    let report = authority.path("testssl.json");
    // Protocols, ciphers without forward secrecy, the certificate, and vulnerabilities. It takes
    // longer than anything else here: a limit of its own ends it.
    let run = Command::new("timeout")
        .arg("240")
        .arg(testssl)
        .args(["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"])
        .args(["-p", "-f", "-S", "-U", "--add-ca"])
        .arg(authority.path("ca.pem"))
        .arg("--jsonfile")
        .arg(&report)
        .arg(&address)
        .output()
        .expect("run timeout");
    let printed = String::from_utf8_lossy(&run.stdout);
    let text = fs::read_to_string(&report).unwrap_or_default();
    let findings: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error} in what testssl wrote; it printed\n{printed}");
    });
    let of = |id: &str| {
        let found = findings.iter().find(|finding| finding["id"] == id);
        found.unwrap_or_else(|| panic!("nothing about {id} in\n{text}"))["finding"].clone()
    };
    for old in ["SSLv2", "SSLv3", "TLS1", "TLS1_1"] {
        assert_eq!(of(old), "not offered", "{old}");
    }
    assert_eq!(of("TLS1_2"), "offered");
    assert_eq!(of("TLS1_3"), "offered with final");
    // The last of the attacks: it came so far.
    assert!(of("RC4").as_str().is_some_and(|finding| finding.contains("not vulnerable")), "{text}");
    let is_weak = |finding: &&Value| {
        let severity = finding["severity"].as_str().unwrap_or_default();
        let id = finding["id"].as_str().unwrap_or_default();
        !["OK", "INFO", "DEBUG"].contains(&severity) && !NOT_OF_THE_SERVER.contains(&id)
    };
    let weak: Vec<&Value> = findings.iter().filter(is_weak).collect();
    assert!(weak.is_empty(), "{weak:#?}");
    // None of its strange clients has left anything behind.
    server.wait_for_statistic("connections_open", 0);
}
