//! The certificates and keys of encrypted listeners: read at the start, and again in a thread after
//! SIGHUP.
//!
//! Invariants: a certificate is used with the key that belongs to it, or not at all: both are read,
//! checked, and only then replace the old ones. A supervisor reads them for its shards, which all
//! have the same, and the same keys for tickets. A process has one seed of those keys, which steps
//! on with the time; the new process of an upgrade goes on from it.

use crate::background::{Ordered, Repeatable};
use crate::interruptible;
use crate::sandbox;
use crate::start::StartError;
use crate::upgrade::{Predecessor, SealedSeed};
use readyd::config::listen::{Listen, TlsFiles};
use readyd::config::{Config, Located, Origins};
use readyd::io::clock::WallTime;
use readyd::io::net::Identity;
use readyd::os::files::{self, ReadError};
use readyd::os::sealed_memfd::{self, SealedMemfd};
use readyd::reactor::Reactor;
use readyd::tls::{Identities, IdentityMaker, PemFile, ServerIdentity, TicketSeed};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime};
use time::UtcDateTime;

#[cfg(test)]
mod tests;

/// No file of certificates is longer.
const MOST_BYTES: usize = 1 << 20;

/// A certificate that expires sooner is worth a warning.
const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What is in the files of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// The files of all encrypted listeners, each once, with what is in them. They stand under what the
/// operator wrote. Copies share the keys of tickets.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    texts: BTreeMap<String, Texts>,
    maker: IdentityMaker,
}

/// The wall clock.
fn now() -> WallTime {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().into()
}

fn date(seconds: u64) -> String {
    let time = UtcDateTime::from_unix_timestamp(seconds.cast_signed());
    time.map_or_else(|_| "never".to_owned(), |time| time.date().to_string())
}

/// The files that listeners name, each once.
fn named(listeners: &[Listen]) -> Vec<TlsFiles> {
    let mut all: Vec<TlsFiles> = Vec::new();
    for files in listeners.iter().filter_map(|listen| listen.tls.as_deref()) {
        if !all.contains(files) {
            all.push(files.clone());
        }
    }
    all
}

/// What is wrong with the files of the configuration.
pub(crate) fn faults(config: &Config, origins: &Origins) -> Vec<Located<StartError>> {
    let seed = TicketSeed::random(now());
    seed.map_or_else(|_| Vec::new(), |seed| faults_of(config, origins, &IdentityMaker::new(seed)))
}

fn faults_of(
    config: &Config,
    origins: &Origins,
    maker: &IdentityMaker,
) -> Vec<Located<StartError>> {
    let mut faults = Vec::new();
    for (index, listen) in config.listeners.iter().enumerate() {
        let Some(files) = &listen.tls else { continue };
        if let Err(why) = Texts::read(files).and_then(|texts| texts.identity(files, maker)) {
            faults.push(Located::new(origins.of_listener(index), StartError::Certificate(why)));
        }
    }
    faults
}

/// Reads the files for the first time, in a thread, and checks them; `None` if no listener has any.
/// The keys of tickets go on from the seed that an old process has handed over.
///
/// # Errors
///
/// What is wrong with them.
pub(crate) fn first(
    config: &Config,
    origins: &Origins,
    reactor: &mut Reactor,
    predecessor: Option<&mut Predecessor>,
) -> Result<Option<Certificates>, StartError> {
    let files = named(&config.listeners);
    if files.is_empty() {
        return Ok(None);
    }
    let now = now();
    let handed = predecessor.and_then(Predecessor::take_seed);
    let seed = handed.and_then(|handed| usable(handed, now));
    let seed = seed.map_or_else(|| TicketSeed::random(now), Ok);
    let seed = seed.map_err(|error| StartError::System("make keys for TLS tickets", error))?;
    let maker = IdentityMaker::new(seed);
    let (config, origins) = (config.clone(), origins.clone());
    let work = move || match faults_of(&config, &origins, &maker) {
        faults if faults.is_empty() => read(&files, maker).map_err(StartError::Certificate),
        faults => Err(StartError::Several(faults)),
    };
    interruptible::run(reactor, work)?.map(Some)
}

/// The seed of an old process. One of another format means something else, and one that a wrong
/// clock has put into the future would not step before that time: clients begin new sessions.
fn usable(SealedSeed { format, memory }: SealedSeed, now: WallTime) -> Option<TicketSeed> {
    let bytes = SealedMemfd::of_sealed(memory).ok().filter(|_| format == TicketSeed::FORMAT)?;
    TicketSeed::from_bytes(&bytes).filter(|seed| !seed.is_ahead_of(now))
}

fn seal_seed_of(maker: &IdentityMaker) -> io::Result<SealedSeed> {
    let bytes = maker.tickets().seed(now()).to_bytes();
    let memory = sealed_memfd::seal(c"readyd tickets", &[&bytes])?;
    Ok(SealedSeed { format: TicketSeed::FORMAT, memory })
}

fn read(files: &[TlsFiles], maker: IdentityMaker) -> Result<Certificates, String> {
    let text = |files: &TlsFiles| Ok((files.to_string(), Texts::read(files)?));
    let texts = files.iter().map(text).collect::<Result<_, String>>()?;
    Ok(Certificates { texts, maker })
}

impl Texts {
    fn read(files: &TlsFiles) -> Result<Texts, String> {
        let text = |path: &Path, file: PemFile| {
            files::read(path, MOST_BYTES).map_err(|error| {
                let advice = match &error {
                    ReadError::System(error) => sandbox::advice(error),
                    _ => String::new(),
                };
                format!("{file}={}: {error}{advice}", path.display())
            })
        };
        let client_ca = files.client_ca.as_deref();
        Ok(Texts {
            certificate: text(&files.certificate, PemFile::Certificate)?,
            key: text(&files.key, PemFile::Key)?,
            client_ca: client_ca.map(|path| text(path, PemFile::ClientCa)).transpose()?,
        })
    }

    fn identity(&self, files: &TlsFiles, maker: &IdentityMaker) -> Result<ServerIdentity, String> {
        self.make(maker).map_err(|error| {
            let path = match error.file() {
                PemFile::Certificate => &files.certificate,
                PemFile::Key => &files.key,
                PemFile::ClientCa | PemFile::ServerCa => {
                    files.client_ca.as_ref().unwrap_or(&files.certificate)
                }
            };
            format!("{}={}: {error}", error.file(), path.display())
        })
    }

    fn make(&self, maker: &IdentityMaker) -> Result<ServerIdentity, readyd::tls::CertificateError> {
        maker.identity(&self.certificate, &self.key, self.client_ca.as_deref())
    }
}

impl Certificates {
    /// Copies them into a sealed memfd, with the seed of tickets as it is now, for shards.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor or not enough memory.
    pub(crate) fn seal(&self) -> io::Result<OwnedFd> {
        let mut bytes = self.maker.tickets().seed(now()).to_bytes();
        let mut put = |part: &[u8]| {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        };
        for (name, Texts { certificate, key, client_ca }) in &self.texts {
            put(name.as_bytes());
            put(certificate);
            put(key);
            put(client_ca.as_deref().unwrap_or_default());
        }
        sealed_memfd::seal(c"readyd certificates", &[&bytes])
    }

    /// Copies the seed of tickets as it is now into a sealed memfd, for a new process.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor or not enough memory.
    pub(crate) fn seal_seed(&self) -> io::Result<SealedSeed> {
        seal_seed_of(&self.maker)
    }

    /// Those in a memfd that [`Certificates::seal`] made.
    ///
    /// # Errors
    ///
    /// When mmap(2) fails, or the bytes are no certificates.
    pub(crate) fn map(memory: OwnedFd) -> io::Result<Certificates> {
        let bytes = SealedMemfd::of_sealed(memory)?;
        Certificates::decode(&bytes).ok_or_else(|| io::Error::other("they are no certificates"))
    }

    fn decode(bytes: &[u8]) -> Option<Certificates> {
        let (seed, mut rest) = bytes.split_at_checked(TicketSeed::LEN)?;
        let mut take = || {
            let (length, behind) = rest.split_first_chunk()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (part, behind) = behind.split_at_checked(length)?;
            rest = behind;
            Some(part.to_vec())
        };
        let mut texts = BTreeMap::new();
        while let Some(name) = take() {
            let (certificate, key, client_ca) = (take()?, take()?, take()?);
            let client_ca = Some(client_ca).filter(|text| !text.is_empty());
            texts.insert(String::from_utf8(name).ok()?, Texts { certificate, key, client_ca });
        }
        Some(Certificates { texts, maker: IdentityMaker::new(TicketSeed::from_bytes(seed)?) })
    }

    /// Logs when they expire.
    pub(crate) fn say_when_they_expire(&self) {
        let Some(held) = Held::of(self) else { return };
        let (begins, expires) = (held.identities.last_beginning(), held.first_expiry());
        let (now, begin, date) = (now().seconds, date(begins), date(expires));
        if begins > now {
            log::warn!("a certificate is not valid before {begin}: clients will not accept it");
        }
        if expires <= now {
            log::warn!("a certificate has expired on {date}: clients will not accept it");
        } else if expires - now < SOON.as_secs() {
            log::warn!("a certificate expires soon, on {date}");
        } else {
            log::info!("certificates are valid until {date}");
        }
    }
}

/// The certificates that a server uses.
#[derive(Clone)]
pub(crate) struct Held {
    identities: Identities,
    names: Vec<String>,
}

impl Held {
    /// Those that were read and checked; `None` if they are damaged.
    pub(crate) fn of(certificates: &Certificates) -> Option<Held> {
        let identities = Identities::of(certificates.maker.clone());
        let names = certificates.texts.keys().cloned().collect();
        let held = Held { identities, names };
        held.replace(certificates).then_some(held)
    }

    /// Uses others of the same listeners from now on. Returns whether they are sound.
    pub(crate) fn replace(&self, certificates: &Certificates) -> bool {
        let maker = self.identities.maker();
        let made = |name: &String| certificates.texts.get(name)?.make(&maker).ok();
        let made: Option<Vec<ServerIdentity>> = self.names.iter().map(made).collect();
        let is_sound = made.is_some();
        made.into_iter().for_each(|made| self.identities.replace(made));
        is_sound
    }

    /// The identities, for a network.
    pub(crate) fn identities(&self) -> Identities {
        self.identities.clone()
    }

    /// Copies the seed of tickets as it is now into a sealed memfd, for a new process.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor or not enough memory.
    pub(crate) fn seal_seed(&self) -> io::Result<SealedSeed> {
        seal_seed_of(&self.identities.maker())
    }

    /// When the first of them expires, in seconds since 1970.
    pub(crate) fn first_expiry(&self) -> u64 {
        self.identities.first_expiry()
    }

    /// The number of a listener's certificate, if it is encrypted.
    pub(crate) fn number(&self, listen: &Listen) -> Option<Identity> {
        let name = listen.tls.as_ref()?.to_string();
        let place = self.names.iter().position(|known| *known == name)?;
        u8::try_from(place).ok().map(Identity)
    }
}

/// Reads the files again, in a thread.
pub(crate) struct CertificateReader(Repeatable<Result<Certificates, String>>);

impl CertificateReader {
    /// A reader that wakes `reactor` when there is something to [take](CertificateReader::take).
    pub(crate) fn new(
        config: &Config,
        certificates: &Certificates,
        reactor: &Reactor,
    ) -> CertificateReader {
        let (files, maker) = (named(&config.listeners), certificates.maker.clone());
        CertificateReader(Repeatable::new(reactor, move || {
            let mut paths = files.iter().flat_map(TlsFiles::paths);
            if let Some(path) = paths.find(|path| files::is_pipe(path)) {
                // It would block this read and all later ones.
                return Err(format!("{} is a pipe, and cannot be read again", path.display()));
            }
            let certificates = read(&files, maker.clone())?;
            for files in &files {
                let texts = certificates.texts.get(&files.to_string());
                texts.map_or(Ok(()), |texts| texts.identity(files, &maker).map(drop))?;
            }
            Ok(certificates)
        }))
    }

    /// Orders a read of the files.
    pub(crate) fn order(&mut self) {
        if let Ordered::NoThread(error) = self.0.order() {
            log::error!("keeping the old certificates: cannot start a thread: {error}");
        }
    }

    /// Whether a read has begun and not ended.
    pub(crate) fn is_reading(&self) -> bool {
        self.0.is_at_work()
    }

    /// The certificates, if a read has ended and they are sound. An error is logged. If another
    /// read was ordered meanwhile, it begins.
    pub(crate) fn take(&mut self) -> Option<Certificates> {
        let (outcome, ordered_again) = self.0.take()?;
        if ordered_again {
            self.order();
        }
        match outcome {
            Ok(certificates) => Some(certificates),
            Err(why) => {
                log::error!("keeping the old certificates: {why}");
                None
            }
        }
    }
}
