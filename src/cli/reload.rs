//! Accounts that change while the server runs: on `SIGHUP` the configuration is read again.
//!
//! Accounts alone are taken over. Everything else is held by connections, counters and checks that are under way, and
//! waits for the next start.

use bonafide_registry::Registry;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;

use super::Asking;
use crate::api::Api;
use crate::config::{Config, ConfigError};

/// What a server needs to change its accounts.
pub(super) struct Reload {
    pub(super) asking: Asking,
    pub(super) registry: Registry,
    /// What the server was started with.
    pub(super) started: Config,
    pub(super) api: Api,
}

impl Reload {
    /// Reads the configuration again on each signal, for as long as the server runs.
    pub(super) async fn on(self, mut signal: Signal) {
        while signal.recv().await.is_some() {
            // Files are read, and they may stand on a disk that lets one wait.
            let (asking, registry) = (self.asking.clone(), self.registry.clone());
            match spawn_blocking(move || read(&asking, &registry)).await {
                Ok(Ok(config)) => self.take(config),
                Err(error) => tracing::error!(%error, "Reading the configuration ended early."),
                Ok(Err(error)) => {
                    for problem in error.to_string().lines() {
                        tracing::error!(
                            problem,
                            "The configuration cannot be used: the accounts stay as they were."
                        );
                    }
                }
            }
        }
    }

    fn take(&self, config: Config) {
        let waiting = self.started.differences(&config);
        if !waiting.is_empty() {
            let keys = waiting.join(", ");
            tracing::warn!(
                keys,
                "The configuration changed here too, which waits for the next start."
            );
        }
        if config.accounts.is_empty() {
            // More often a file that is being written than a wish; whoever wishes to refuse everybody stops the server.
            tracing::warn!("The configuration has no `accounts`: they stay as they were.");
            return;
        }
        let accounts = config.accounts.len();
        self.api.replace_accounts(config.accounts);
        tracing::info!(accounts, "The accounts of the configuration are in force.");
    }
}

/// What would stop the start is refused here too.
fn read(asking: &Asking, registry: &Registry) -> Result<Config, ConfigError> {
    let config = asking.configuration(registry)?;
    if !asking.sandbox {
        config.environment(registry)?;
    }
    Ok(config)
}
