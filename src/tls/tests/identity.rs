//! Identities: when they are valid, and how they are replaced.

use super::authority::{Authority, Signed, identity, maker};
use crate::io::net::Identity;
use crate::tls::{Identities, ServerIdentity};
use rcgen::date_time_ymd;
use std::io::ErrorKind;

const DAY: u64 = 24 * 60 * 60;

fn valid(from: i32, to: i32) -> ServerIdentity {
    let signed = Authority::new().sign_with(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
    });
    identity(signed.certificate, signed.key).unwrap()
}

/// Dates before 2050 have two digits of the year in a certificate, later ones four (RFC 5280).
#[test]
fn the_dates_of_a_certificate_are_read() {
    for (from, to, expires) in [
        (1970, 1971, 365 * DAY),
        (1999, 2000, 10_957 * DAY),
        (2020, 2049, 28_855 * DAY),
        (2049, 2050, 29_220 * DAY),
        (2060, 2100, 47_482 * DAY),
        (2000, 9999, 2_932_532 * DAY),
        // All dates before 1970 have passed.
        (1951, 1960, 0),
    ] {
        assert_eq!(valid(from, to).expires(), expires, "{to}");
    }
}

#[test]
fn the_first_that_expires_and_the_last_that_begins_are_told() {
    let identities = Identities::of(maker());
    assert_eq!((identities.first_expiry(), identities.last_beginning()), (0, 0));
    // One has expired, and one is not valid yet: both are used, and the operator is told.
    identities.replace(vec![valid(1970, 2100), valid(1999, 2000), valid(2060, 2100)]);
    assert_eq!(identities.first_expiry(), valid(1999, 2000).expires());
    assert_eq!(identities.last_beginning(), valid(1970, 2060).expires());
    identities.replace(vec![valid(1970, 2100)]);
    assert_eq!(identities.first_expiry(), 47_482 * DAY);
    assert_eq!(identities.last_beginning(), 0);
}

#[test]
fn a_number_without_an_identity_has_no_connection() {
    let identities = Identities::of(maker());
    let is_there = |number| match identities.connection(Identity(number)) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            false
        }
    };
    assert!(!is_there(0));
    identities.replace(vec![valid(1970, 2100), valid(1970, 2100)]);
    let copy = identities.clone();
    assert!(is_there(0) && is_there(1) && !is_there(2));
    // Copies share what is replaced.
    copy.replace(vec![valid(1970, 2100)]);
    assert!(is_there(0) && !is_there(1));
}

#[test]
fn an_identity_with_authorities_of_clients_takes_several_of_them() {
    let (one, other) = (Authority::new(), Authority::new());
    let Signed { certificate, key } = one.sign();
    let both = format!("{}{}", one.certificate, other.certificate);
    let made = maker().identity(certificate.as_bytes(), key.as_bytes(), Some(both.as_bytes()));
    assert!(made.is_ok());
}
