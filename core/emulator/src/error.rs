//! Why an emulator cannot be started.

use std::io;

use bonafide_core::host::EnvironmentError;
use bonafide_core::interaction::InteractionError;

/// Why an emulator cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The interactions of the provider do not have the form of [`Interaction`](bonafide_core::interaction::Interaction).
    #[error("the provider `{provider}` cannot be emulated: {source}")]
    Interactions {
        /// The provider's name.
        provider: &'static str,
        /// Where they break the form.
        source: InteractionError,
    },
    /// An interaction that cannot be replayed.
    #[error(
        "the interaction `{interaction}` of provider `{provider}` cannot be replayed: {reason}"
    )]
    InvalidInteraction {
        /// The provider's name.
        provider: &'static str,
        /// The interaction's name.
        interaction: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No listener on loopback.
    #[error("the emulator cannot listen on 127.0.0.1: {0}")]
    Listen(#[from] io::Error),
    /// A certificate that cannot be made.
    #[error("a certificate for the emulator cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS that cannot be set up.
    #[error("TLS for the emulator cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The environment refuses a base URL or the certificates.
    #[error("the environment of the sandbox cannot be made: {0}")]
    Environment(#[from] EnvironmentError),
}
