#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(unused_crate_dependencies))]

mod api;
mod check;
mod cli;
mod config;
mod providers;
mod request;
mod schema;
mod telemetry;
mod token;

use bonafide_registry::Registry;
// The allocator of the `bonafide` command, which is a target of the same package.
use mimalloc as _;

pub use crate::cli::run;
pub use crate::config::ConfigError;

/// The HTTP API as a service to mount in a program of one's own, and what the tests of the product ask.
///
/// `manifest` is the Cargo.toml of the calling package, `include_str!("../Cargo.toml")`, and serves as it does for [`run`].
/// `config` is the text of a configuration file. The environment is not read, and no token is made: without an
/// account every request that needs one is refused.
pub async fn router(manifest: &str, config: &str) -> Result<axum::Router, StartError> {
    let registry = Registry::collect(manifest)?;
    let config = config::Config::read(&registry, Some(config::File::inline(config)), [])?;
    let environment = config.environment(&registry)?;
    let checks = check::Checks::new(registry, environment, |descriptor| {
        config.provider_limits(descriptor, false)
    });
    Ok(api::router(api::Api::new(checks, &config, false).await?))
}

/// Why nothing can be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The linked providers do not make a registry.
    #[error(transparent)]
    Registry(#[from] bonafide_registry::RegistryError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The counters of the rate limit cannot be kept.
    #[error("`rate_limit.store` cannot be used: {0}")]
    Store(String),
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`, from `{key}`: {reason}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The configuration key that it stands under.
        key: &'static str,
        /// What the system says.
        reason: std::io::Error,
    },
}
