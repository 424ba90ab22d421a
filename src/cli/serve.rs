//! `bonafide serve`: the HTTP API, until it is told to stop.

use std::future::pending;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use bonafide_emulator::Sandbox;
use bonafide_registry::Registry;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::reload::Reload;
use super::{Asking, CommandError, Setup, print, tell};
use crate::StartError;
use crate::api::{self, Api, Service};
use crate::config::{Account, Limits};
use crate::token::Token;

/// What finishing a request may take beside its check.
const GRACE: Duration = Duration::from_secs(5);

/// How many may ask for metrics at once, where they have a listener of their own.
const METRICS_CONNECTIONS: usize = 32;

/// What a command says that asks emulators.
pub(super) const SANDBOX: &str =
    "==> SANDBOX: answers come from emulators on this machine, not from providers. <==";

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    asking: Asking,
    /// The address to listen on, instead of the configured one; port 0 picks a port
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(
    arguments: Arguments,
    registry: Registry,
) -> Result<ExitCode, CommandError> {
    let setup = arguments.asking.set_up(&registry).await?;
    let checks = setup.checks(registry.clone());
    let Setup { mut config, sandbox, .. } = setup;
    let mut welcome = String::new();
    if config.accounts.is_empty() {
        let token = Token::generate()?;
        config.accounts.push(Account { id: "local".into(), token_sha256: token.sha256() });
        welcome = format!("token: {}\n", token.reveal());
    }
    let api = Api::new(checks, &config, sandbox.is_some()).await?;
    // From here on a signal is kept for us, so none is lost between the greeting and the first request.
    let signals = Signals::listen()?;
    let hang_up = listen(SignalKind::hangup())?;
    let (listener, address) = bind("listen", arguments.listen.unwrap_or(config.listen)).await?;
    if let Some(address) = config.metrics_listen {
        let (listener, address) = bind("metrics.listen", address).await?;
        tracing::info!(%address, "Metrics are served.");
        let service = Service::of_metrics(api.clone());
        let limits = Limits { connections: METRICS_CONNECTIONS, ..config.limits };
        // Until the process ends: how requests in flight are finished is worth watching too.
        let serving = api::server::serve(
            listener,
            service,
            limits,
            Gauge::default(),
            pending(),
            Duration::ZERO,
        );
        tokio::spawn(serving);
    }
    if let Some(sandbox) = &sandbox {
        announce(sandbox);
    }
    print(&format!("{welcome}listening on http://{address}\n"))?;

    let limits = config.limits;
    let patience = config.longest_timeout() + GRACE;
    let service = Service::of_all(api.clone());
    let connections = api.connections();
    let reload = Reload { asking: arguments.asking, registry, started: config, api };
    tokio::spawn(reload.on(hang_up));
    api::server::serve(listener, service, limits, connections, signals.first(), patience).await;
    Ok(ExitCode::SUCCESS)
}

/// Listens on an address, which stands under `key` in the configuration.
async fn bind(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |reason| StartError::Listen { address, key, reason };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

fn listen(kind: SignalKind) -> Result<Signal, CommandError> {
    signal(kind).map_err(|error| CommandError::Usage(format!("cannot wait for signals: {error}")))
}

/// What asks a process to stop, from the moment on that it is listened for.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, CommandError> {
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn first(mut self) {
        self.next().await;
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn announce(sandbox: &Sandbox) {
    tell(SANDBOX);
    for emulator in sandbox.emulators() {
        let name = emulator.descriptor().name;
        let base_urls = emulator.base_urls();
        if base_urls.is_empty() {
            tell(&format!(
                "    {name}: every host and port that settings name leads to an emulator"
            ));
        }
        for (region, base_url) in emulator.descriptor().base_urls().iter().zip(base_urls) {
            let url = base_url.as_str().trim_end_matches('/');
            let region =
                if region.key == "base_url" { String::new() } else { format!(" ({})", region.key) };
            tell(&format!(
                "    {name}{region}: {url} (to stop it: curl -X POST {url}/__sandbox__/stop)"
            ));
        }
    }
}
