use std::fmt;

use crate::descriptor::Descriptor;

/// Why an [`Environment`](super::Environment) cannot be made. The messages name the configuration key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// A base URL that may not be used.
    #[error("`providers.{provider}.{key}` cannot be used: {reason}")]
    BaseUrl {
        /// The provider's name.
        provider: &'static str,
        /// The configuration key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificates that cannot be read.
    #[error("the certificates of `egress.extra_ca` cannot be used: {0}")]
    ExtraCa(String),
    /// TLS that cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// An HTTP client that cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    HttpClient(String),
}

impl EnvironmentError {
    pub(crate) fn base_url(
        descriptor: &Descriptor,
        key: &'static str,
        reason: impl fmt::Display,
    ) -> Self {
        Self::BaseUrl { provider: descriptor.name, key, reason: reason.to_string() }
    }
}
