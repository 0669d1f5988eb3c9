//! Files of certificates and keys, as tools write them and as editors and mishaps leave them.

use super::authority::{Authority, Signed, identity, maker};
use crate::tls::{CertificateError, PemFile};

// Made by OpenSSL for these tests.
const RSA: &str = include_str!("fixtures/rsa.pem");
const RSA_KEY: &str = include_str!("fixtures/rsa.key");
const RSA_PKCS1: &str = include_str!("fixtures/rsa-pkcs1.key");
const RSA_PKCS1_ENCRYPTED: &str = include_str!("fixtures/rsa-pkcs1-encrypted.key");
const EC: &str = include_str!("fixtures/ec.pem");
const EC_SEC1: &str = include_str!("fixtures/ec-sec1.key");
const EC_ENCRYPTED: &str = include_str!("fixtures/ec-encrypted.key");

/// Why a certificate and a key are no identity, for people.
fn why(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> String {
    let error = identity(certificate, key).unwrap_err();
    format!("{}: {error}", error.file())
}

#[test]
fn keys_of_every_kind_that_tools_write_are_read() {
    let authority = Authority::new();
    for algorithm in
        [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519]
    {
        let Signed { certificate, key } = authority.sign_with(algorithm, |_| ());
        identity(certificate, key).unwrap();
    }
    // `openssl req`, `openssl rsa -traditional`; `openssl ecparam -genkey`, with its parameters.
    for (certificate, key) in [(RSA, RSA_KEY), (RSA, RSA_PKCS1), (EC, EC_SEC1)] {
        identity(certificate, key).unwrap();
    }
    assert!(EC_SEC1.starts_with("-----BEGIN EC PARAMETERS-----"));
}

#[test]
fn keys_of_kinds_that_cannot_be_used_are_refused() {
    for (certificate, key) in [
        (include_str!("fixtures/p521.pem"), include_str!("fixtures/p521.key")),
        (include_str!("fixtures/rsa1024.pem"), include_str!("fixtures/rsa1024.key")),
        (EC, include_str!("fixtures/ed448.key")),
    ] {
        let error = identity(certificate, key).unwrap_err();
        assert!(matches!(error, CertificateError::Bad(PemFile::Key, _)), "{error:?}");
    }
}

#[test]
fn line_ends_of_all_systems_and_marks_of_editors_are_read() {
    let Signed { certificate, key } = Authority::new().sign();
    for change in [
        |text: &str| text.replace('\n', "\r\n"),
        |text: &str| text.replace('\n', "\r"),
        |text: &str| text.replace('\n', "\n\n"),
        |text: &str| text.trim_end().to_owned(),
        |text: &str| format!("\u{FEFF}{text}"),
        |text: &str| format!("\n\n  a remark\n{text}another\n"),
        |text: &str| text.replace("-----\n", "----- \n"),
        |text: &str| text.replace('\n', " \n"),
        // What `openssl pkcs12` writes before each.
        |text: &str| {
            format!("Bag Attributes\n    localKeyID: 01 02 \nKey Attributes: <None>\n{text}")
        },
    ] {
        let (certificate, key) = (change(&certificate), change(&key));
        assert!(identity(&certificate, &key).is_ok(), "{certificate}");
    }
}

#[test]
fn a_file_may_have_both_the_certificate_and_the_key() {
    let Signed { certificate, key } = Authority::new().sign();
    for both in [format!("{certificate}{key}"), format!("{key}{certificate}")] {
        identity(&both, &both).unwrap();
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let authority = Authority::new();
    let (one, other) = (authority.sign(), authority.sign());
    assert_eq!(identity(&one.certificate, &other.key).unwrap_err(), CertificateError::Mismatch);
    // Of another kind, too.
    assert_eq!(identity(&one.certificate, RSA_KEY).unwrap_err(), CertificateError::Mismatch);
    assert_eq!(identity(RSA, &one.key).unwrap_err(), CertificateError::Mismatch);
    assert!(why(RSA, &one.key).starts_with("key: the key does not belong to the certificate"));
}

#[test]
fn of_several_keys_the_first_counts() {
    let authority = Authority::new();
    let (one, other) = (authority.sign(), authority.sign());
    identity(&one.certificate, one.key.clone() + &other.key).unwrap();
    let error = identity(&one.certificate, other.key + &one.key).unwrap_err();
    assert_eq!(error, CertificateError::Mismatch);
}

#[test]
fn the_servers_own_certificate_comes_first() {
    let root = Authority::new();
    let below = root.below();
    let Signed { certificate, key } = below.sign();
    identity(format!("{certificate}{}{}", below.certificate, root.certificate), &key).unwrap();
    // The order of the others is the clients' matter.
    identity(format!("{certificate}{}{}", root.certificate, below.certificate), &key).unwrap();
    let error = identity(format!("{}{certificate}", below.certificate), &key).unwrap_err();
    assert_eq!(error, CertificateError::NotFirst);
    assert_eq!(error.file(), PemFile::Certificate);
    assert!(error.to_string().contains("put the server's own before"), "{error}");
}

#[test]
fn encrypted_keys_are_told_apart() {
    for (certificate, key) in [(EC, EC_ENCRYPTED), (RSA, RSA_PKCS1_ENCRYPTED)] {
        assert_eq!(identity(certificate, key).unwrap_err(), CertificateError::Encrypted);
    }
    assert!(why(EC, EC_ENCRYPTED).contains("openssl pkey -in FILE -out NEW"));
    // One that is not encrypted can be used, whatever stands beside it.
    let Signed { certificate, key } = Authority::new().sign();
    identity(&certificate, format!("# NOT ENCRYPTED\n{key}")).unwrap();
    identity(&certificate, format!("{EC_ENCRYPTED}{key}")).unwrap();
}

#[test]
fn files_without_what_they_are_for_are_told() {
    let Signed { certificate, key } = Authority::new().sign();
    let none = "cert: no certificate in it (a line -----BEGIN CERTIFICATE----- is missing)";
    let no_key = "key: no private key in it (a line -----BEGIN PRIVATE KEY----- is missing)";
    let trusted = certificate.replace("CERTIFICATE", "TRUSTED CERTIFICATE");
    let der = &[0x30, 0x82, 1, 2, 0xFF, b'\n', 0][..];
    for text in [&b""[..], b"\n\n", b"hello", der, key.as_bytes(), trusted.as_bytes()] {
        assert_eq!(why(text, &key), none);
    }
    let public = key.replace("PRIVATE", "PUBLIC");
    for text in [&b""[..], b"hello", der, certificate.as_bytes(), public.as_bytes()] {
        assert_eq!(why(&certificate, text), no_key);
    }
    let verifier = maker().identity(certificate.as_bytes(), key.as_bytes(), Some(b""));
    assert_eq!(verifier.unwrap_err(), CertificateError::Missing(PemFile::ClientCa));
}

#[test]
fn damage_in_the_text_is_told() {
    let Signed { certificate, key } = Authority::new().sign();
    let lines = |text: &str, keep: fn(usize, usize) -> bool| {
        let all: Vec<&str> = text.lines().collect();
        let kept = all.iter().enumerate().filter(|(at, _)| keep(*at, all.len()));
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    type Damage = fn(&str) -> String;
    let cases: [(Damage, &str); 4] = [
        (|text| text[..text.len() / 2].to_owned(), "the PEM text is cut off"),
        (|text| text.replacen("BEGIN", "BEGIN ", 1).replacen("-----\n", "---\n", 1), "is damaged"),
        (|text| text.replacen("MI", "M!", 1), "it is no base64"),
        (|text| text.replacen("\nM", "\n=", 1), "it is no base64"),
    ];
    for (damage, told) in cases {
        let (bad, bad_key) = (why(damage(&certificate), &key), why(&certificate, damage(&key)));
        assert!(bad.starts_with("cert: ") && bad.contains(told), "{told}: {bad}");
        assert!(bad_key.starts_with("key: ") && bad_key.contains(told), "{told}: {bad_key}");
    }
    // A line is missing in the middle, or at an end.
    assert!(why(lines(&certificate, |at, _| at != 2), &key).starts_with("cert: "));
    assert!(why(&certificate, lines(&key, |at, _| at != 1)).starts_with("key: "));
    assert!(why(lines(&certificate, |at, _| at != 0), &key).contains("no certificate in it"));
    assert!(why(lines(&certificate, |at, len| at + 1 != len), &key).contains("is cut off"));
}

#[test]
fn what_is_in_the_text_has_to_be_a_certificate() {
    let Signed { certificate, key } = Authority::new().sign();
    let of_garbage = "-----BEGIN CERTIFICATE-----\naGVsbG8gd29ybGQ=\n-----END CERTIFICATE-----\n";
    let told = "cert: it is no X.509 certificate";
    assert_eq!(why(of_garbage, &key), told);
    assert_eq!(why("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", &key), told);
    // Clients would get it, too.
    assert_eq!(why(format!("{certificate}{of_garbage}"), &key), told);
    let no_authority =
        maker().identity(certificate.as_bytes(), key.as_bytes(), Some(of_garbage.as_bytes()));
    assert_eq!(no_authority.unwrap_err().file(), PemFile::ClientCa);
    let of_garbage = of_garbage.replace("CERTIFICATE", "PRIVATE KEY");
    assert!(why(&certificate, of_garbage).starts_with("key: "));
}

/// No byte of a certificate or a key, changed or missing, makes it fail in another way than by an
/// error.
#[test]
fn any_byte_may_be_wrong() {
    let Signed { certificate, key } = Authority::new().sign();
    let (certificate, key) = (certificate.into_bytes(), key.into_bytes());
    for place in 0..certificate.len().max(key.len()) {
        for byte in [b'A', b'-', b'\n', 0xFF] {
            let changed = |text: &[u8]| {
                let mut text = text.to_vec();
                text.iter_mut().skip(place).take(1).for_each(|it| *it = byte);
                text
            };
            // Some bytes are not looked at by a server.
            let _ = identity(changed(&certificate), &key);
            let _ = identity(&certificate, changed(&key));
        }
        let _ = identity(&certificate[..place.min(certificate.len())], &key);
        let _ = identity(&certificate, &key[..place.min(key.len())]);
    }
}
