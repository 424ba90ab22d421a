//! The TLS configuration that HTTP and SMTP share.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::error::EnvironmentError;

/// How many TLS sessions are kept to be resumed. A server takes up to eight, and user-supplied hosts must not push out the
/// providers'.
const MAX_SESSIONS: usize = 4096;

/// A client configuration that trusts the built-in roots and the certificates in `extra_ca`, which is PEM and may be empty.
pub(super) fn client_config(extra_ca: &[u8]) -> Result<ClientConfig, EnvironmentError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if !extra_ca.is_empty() {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(extra_ca) {
            let certificate =
                certificate.map_err(|error| EnvironmentError::ExtraCa(error.to_string()))?;
            roots.add(certificate).map_err(|error| EnvironmentError::ExtraCa(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(EnvironmentError::ExtraCa(
                "the file does not contain a certificate".to_owned(),
            ));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EnvironmentError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
    Ok(config)
}
