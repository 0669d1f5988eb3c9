//! An authority, and certificates that it has signed.

use crate::io::clock::WallTime;
use crate::tls::certificate::CertificateError;
use crate::tls::{IdentityMaker, ServerIdentity, TicketSeed};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SignatureAlgorithm,
    date_time_ymd,
};

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// See the [module](self).
pub(super) struct Authority {
    /// Its own certificate, in PEM.
    pub(super) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Authority {
        Authority::named("an authority for tests")
    }

    fn named(name: &str) -> Authority {
        let (params, key) = (of_authority(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap().pem();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// An authority that this one has signed, and its certificate.
    pub(super) fn below(&self) -> Authority {
        let (params, key) = (of_authority("an authority below"), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `localhost`.
    pub(super) fn sign(&self) -> Signed {
        self.sign_with(&rcgen::PKCS_ECDSA_P256_SHA256, |_| ())
    }

    pub(super) fn sign_with(
        &self,
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Signed {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1970, 1, 1);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { certificate, key: key.serialize_pem() }
    }
}

/// Valid since 1970: the clocks of networks in memory begin there.
fn of_authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(1970, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

pub(super) fn maker() -> IdentityMaker {
    IdentityMaker::new(TicketSeed::random(WallTime::default()).unwrap())
}

/// The identity that a certificate and a key make.
pub(super) fn identity(
    certificate: impl AsRef<[u8]>,
    key: impl AsRef<[u8]>,
) -> Result<ServerIdentity, CertificateError> {
    maker().identity(certificate.as_ref(), key.as_ref(), None)
}
