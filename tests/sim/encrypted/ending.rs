//! At the end of an encrypted world: what each side read is what the other wrote, and each knows
//! whether that was all.

use crate::layers::Findings;
use crate::peers::Peer;
use crate::world::World;
use readyd::server::close::CloseReason;
use readyd::testkit::facts::{ClientEnd, EncryptedFacts, Facts};

/// # Errors
///
/// What a peer, or the server for it, has got that was never written; or what was lost, and
/// neither side knows.
pub(crate) fn check_ending(world: &World) -> Result<(), String> {
    let kernel = world.kernel.borrow();
    for peer in &world.peers {
        let Some(findings) = peer.layer.as_ref().map(|layer| layer.findings()) else { continue };
        let facts = &kernel.facts[findings.link];
        let Some(encrypted) = facts.encrypted.as_deref().filter(|_| facts.was_let_in) else {
            continue;
        };
        let watch = world.oracle.watches.get(findings.link).and_then(Option::as_ref);
        let reason = watch.and_then(|watch| watch.reason);
        check_client_to_server(peer, encrypted, reason)
            .and_then(|()| check_server_to_client(peer, &findings, facts, encrypted, kernel.stops))
            .map_err(|what| {
                let Findings { link, .. } = findings;
                format!("connection {link}, closed for {reason:?}: {what}, {:?}", peer.plan)
            })?;
    }
    Ok(())
}

fn check_client_to_server(
    peer: &Peer,
    encrypted: &EncryptedFacts,
    reason: Option<CloseReason>,
) -> Result<(), String> {
    let (sent, read) = (&peer.bytes[..peer.sent], &encrypted.read);
    ensure(sent.starts_with(read), "the server has read what the client has not sent")?;
    // Behind its own close_notify it throws away what it reads.
    let has_end = matches!(reason, Some(CloseReason::PeerClosed | CloseReason::PeerClosedMidFrame));
    if has_end && encrypted.client_end == ClientEnd::CloseNotify {
        let (read, sent) = (read.len(), sent.len());
        let text = format!("the client sent {sent} bytes, and the server has the end after {read}");
        ensure(read == sent, &text)?;
    }
    Ok(())
}

fn check_server_to_client(
    peer: &Peer,
    findings: &Findings<'_>,
    facts: &Facts,
    encrypted: &EncryptedFacts,
    stops: bool,
) -> Result<(), String> {
    if let Some(error) = findings.error {
        return Err(format!("the client finds TLS at fault: {error}"));
    }
    ensure(
        encrypted.offered.starts_with(&peer.received),
        "the client has got what the server has not sent",
    )?;
    ensure(
        !findings.heard_alert || encrypted.failure.is_some(),
        "the client got an alert, and the server is content",
    )?;
    if findings.heard_goodbye {
        let (got, sent) = (peer.received.len(), encrypted.taken);
        let text = format!("the client has the end after {got} bytes of {sent}");
        ensure(got == sent, &text)?;
        ensure(!facts.is_aborted, "the client has a whole end, and the server cut it off")?;
    }
    // Where a connection has failed, or no time is left, the server does not wait until there is
    // room for close_notify.
    let is_excused = !facts.errors.is_empty()
        || facts.is_aborted
        || encrypted.failure.is_some()
        || stops
        || facts.is_unopened();
    let saw_all = peer.saw_fin && !peer.was_reset && findings.is_open;
    ensure(
        !saw_all || findings.heard_goodbye || findings.heard_alert || is_excused,
        "the client saw FIN without close_notify",
    )
}

fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}
