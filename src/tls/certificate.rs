//! The files of certificates and keys: PEM, RFC 7468.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;

/// A file, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemFile {
    /// `cert=`.
    Certificate,
    /// `key=`.
    Key,
    /// `client-ca=`.
    ClientCa,
    /// `--ca` of a client.
    ServerCa,
}

impl fmt::Display for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PemFile::Certificate => "cert",
            PemFile::Key => "key",
            PemFile::ClientCa => "client-ca",
            PemFile::ServerCa => "ca",
        })
    }
}

/// Why files are no identity; the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// There is none of what the file is for.
    Missing(PemFile),
    /// The key is encrypted with a passphrase.
    Encrypted,
    /// The contents are wrong.
    Bad(PemFile, String),
    /// The key is another certificate's.
    Mismatch,
    /// The key belongs to a certificate that is not the first in its file.
    NotFirst,
}

impl CertificateError {
    /// The file that is wrong. If two do not fit together, it is the key.
    pub fn file(&self) -> PemFile {
        match self {
            CertificateError::Missing(file) | CertificateError::Bad(file, _) => *file,
            CertificateError::NotFirst => PemFile::Certificate,
            CertificateError::Encrypted | CertificateError::Mismatch => PemFile::Key,
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateError::Missing(PemFile::Key) => {
                f.write_str("no private key in it (a line -----BEGIN PRIVATE KEY----- is missing)")
            }
            CertificateError::Missing(_) => {
                f.write_str("no certificate in it (a line -----BEGIN CERTIFICATE----- is missing)")
            }
            CertificateError::Encrypted => f.write_str(
                "the key is encrypted with a passphrase, and nobody is there to type it (write it \
                 without: openssl pkey -in FILE -out NEW)",
            ),
            CertificateError::Bad(_, why) => f.write_str(why),
            CertificateError::Mismatch => {
                f.write_str("the key does not belong to the certificate: one of them is another's")
            }
            CertificateError::NotFirst => f.write_str(
                "the key belongs to a certificate that is not the first in the file (put the \
                 server's own before those of its authorities)",
            ),
        }
    }
}

impl std::error::Error for CertificateError {}

/// All certificates in a text.
pub(super) fn certificates(
    text: &[u8],
    file: PemFile,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(without_mark(text)).collect();
    let all = all.map_err(|error| bad_pem(file, &error))?;
    if all.is_empty() { Err(CertificateError::Missing(file)) } else { Ok(all) }
}

/// The text without the mark of UTF-8, which some editors put before the first line.
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(text)
}

/// The private key in a text: the first one that is not encrypted.
pub(super) fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let has = |mark: &&[u8]| text.windows(mark.len()).any(|part| part == *mark);
    match PrivateKeyDer::from_pem_slice(without_mark(text)) {
        Ok(key) => Ok(key),
        Err(_) if ENCRYPTED.iter().any(has) => Err(CertificateError::Encrypted),
        Err(pem::Error::NoItemsFound) => Err(CertificateError::Missing(PemFile::Key)),
        Err(error) => Err(bad_pem(PemFile::Key, &error)),
    }
}

/// How keys are marked that are encrypted: PKCS #8, and the header of older ones, RFC 1421.
const ENCRYPTED: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

fn bad_pem(file: PemFile, error: &pem::Error) -> CertificateError {
    let why = match error {
        pem::Error::MissingSectionEnd { .. } => "the PEM text is cut off: its last line is missing",
        pem::Error::IllegalSectionStart { .. } => "a line that begins the PEM text is damaged",
        pem::Error::Base64Decode(_) => "the PEM text is damaged: it is no base64",
        _ => "it is no PEM text",
    };
    CertificateError::Bad(file, why.to_owned())
}

/// When a certificate is valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) begins: u64,
    pub(super) expires: u64,
}

/// When a certificate is valid; `None` if it is no certificate.
pub(super) fn validity(certificate: &[u8]) -> Option<Validity> {
    let mut certificate = Der(certificate).contents(SEQUENCE)?;
    let mut fields = certificate.contents(SEQUENCE)?;
    if fields.tag() == Some(VERSION) {
        fields.next()?;
    }
    // Serial number, algorithm, issuer.
    (0..3).try_for_each(|_| fields.next().map(drop))?;
    let mut validity = fields.contents(SEQUENCE)?;
    let mut time = || validity.next().and_then(|(tag, time)| seconds(tag, time));
    Some(Validity { begins: time()?, expires: time()? })
}

const SEQUENCE: u8 = 0x30;
/// The field that version 1 does not have.
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Values that follow each other, each with a tag and a length: DER, X.690.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let (digits, behind) = rest.split_at_checked(usize::from(first & 0x7F))?;
            if digits.len() > 4 {
                return None;
            }
            length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            rest = behind;
        }
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    fn contents(&mut self, expected: u8) -> Option<Der<'a>> {
        self.next().filter(|(tag, _)| *tag == expected).map(|(_, value)| Der(value))
    }
}

/// Seconds since 1970 of `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, RFC 5280.
fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => text.split_at_checked(2)?,
        GENERALIZED_TIME => text.split_at_checked(4)?,
        _ => return None,
    };
    let year: i32 = year.parse().ok()?;
    let year = match tag {
        UTC_TIME if year < 50 => year + 2000,
        UTC_TIME => year + 1900,
        _ => year,
    };
    let digits = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let month = time::Month::try_from(digits(0)?).ok()?;
    let date = time::Date::from_calendar_date(year, month, digits(2)?).ok()?;
    let time = date.with_hms(digits(4)?, digits(6)?, digits(8)?).ok()?.assume_utc();
    // A date before 1970 has passed, too.
    Some(u64::try_from(time.unix_timestamp()).unwrap_or_default())
}
