//! A certificate authority that lives in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::EmulatorError;

/// More names than this are not kept: a certificate is cheap to make again.
const KEPT_CERTIFICATES: usize = 256;

/// A certificate authority that is made at start and lives in memory only.
///
/// It issues a certificate for every server name that a client asks for. Cloning it shares it.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    pem: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
    provider: Arc<CryptoProvider>,
    /// One key for all certificates: making keys is what takes time.
    key: KeyPair,
    issued: Mutex<HashMap<Wanted, Arc<CertifiedKey>>>,
}

/// For which names a certificate is wanted, and of which kind.
type Wanted = (Vec<String>, Certificate);

/// What is wrong with the certificate of a server, if anything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Certificate {
    /// Nothing: it is the authority's, for the name that the client asks for.
    Trusted,
    /// It was valid once.
    Expired,
    /// It is signed by itself alone.
    SelfSigned,
    /// It is for another name than the one that is asked for.
    OtherName,
}

/// The name in a certificate for another name.
const OTHER_NAME: &str = "another-name.example";

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes an authority with a key of its own.
    pub fn new() -> Result<Self, EmulatorError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Bonafide sandbox, trusted nowhere else");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self(Arc::new(Inner {
            pem: issuer.pem(),
            issuer,
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            key: KeyPair::generate()?,
            issued: Mutex::default(),
        })))
    }

    /// The certificate of the authority, in PEM, for an environment that is to trust it.
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// The TLS configuration of a server that answers for every name.
    ///
    /// A client that names no server gets a certificate for `localhost`, `127.0.0.1` and `::1`.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, EmulatorError> {
        self.server_config_for(&[])
    }

    /// As [`server_config`](Self::server_config), with certificates that have this fault.
    pub fn server_config_with(
        &self,
        certificate: Certificate,
    ) -> Result<Arc<ServerConfig>, EmulatorError> {
        self.config(&[], certificate)
    }

    /// As [`server_config`](Self::server_config), for a server that is also reached by these addresses, which TLS
    /// clients do not name.
    pub(crate) fn server_config_for(
        &self,
        addresses: &[String],
    ) -> Result<Arc<ServerConfig>, EmulatorError> {
        self.config(addresses, Certificate::Trusted)
    }

    fn config(
        &self,
        addresses: &[String],
        certificate: Certificate,
    ) -> Result<Arc<ServerConfig>, EmulatorError> {
        let mut unnamed = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        unnamed.extend_from_slice(addresses);
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.0.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver {
                authority: self.clone(),
                unnamed,
                certificate,
            }));
        Ok(Arc::new(config))
    }

    fn certificate_for(
        &self,
        names: &[String],
        certificate: Certificate,
    ) -> Result<Arc<CertifiedKey>, EmulatorError> {
        let wanted = (names.to_vec(), certificate);
        let mut issued = self.0.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certified) = issued.get(&wanted) {
            return Ok(Arc::clone(certified));
        }
        let mut params = match certificate {
            Certificate::OtherName => CertificateParams::new([OTHER_NAME.to_owned()])?,
            _ => CertificateParams::new(names)?,
        };
        if certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        params.distinguished_name = name("Bonafide sandbox");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let signed = match certificate {
            Certificate::SelfSigned => params.self_signed(&self.0.key)?,
            _ => params.signed_by(&self.0.key, &self.0.issuer)?,
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.0.key.serialize_der()));
        let certified = CertifiedKey::from_der(vec![signed.der().clone()], key, &self.0.provider)?;
        if issued.len() >= KEPT_CERTIFICATES {
            issued.clear();
        }
        let certified = Arc::new(certified);
        issued.insert(wanted, Arc::clone(&certified));
        Ok(certified)
    }
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

#[derive(Debug)]
struct Resolver {
    authority: Authority,
    unnamed: Vec<String>,
    certificate: Certificate,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let issued = match hello.server_name() {
            Some(name) => {
                self.authority.certificate_for(&[name.to_ascii_lowercase()], self.certificate)
            }
            None => self.authority.certificate_for(&self.unnamed, self.certificate),
        };
        issued.inspect_err(|error| tracing::debug!(%error, "no certificate can be issued")).ok()
    }
}
