//! Emulators for several providers at once.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bonafide_core::Descriptor;
use bonafide_core::egress::{MAIL_PORTS, Policy};
use bonafide_core::host::{Environment, EnvironmentBuilder, ProviderConfig, Route};
use ipnet::IpNet;

use crate::authority::Authority;
use crate::emulator::Emulator;
use crate::error::EmulatorError;
use crate::smtp::MailRoutes;

/// Emulators for several providers, and the environment that leads checks to them and nowhere else.
#[derive(Debug)]
pub struct Sandbox {
    authority: Authority,
    emulators: Vec<Emulator>,
}

impl Sandbox {
    /// Replays every interaction of these providers.
    pub async fn start(
        descriptors: impl IntoIterator<Item = &'static Descriptor>,
    ) -> Result<Self, EmulatorError> {
        let authority = Authority::new()?;
        let mut emulators = Vec::new();
        for descriptor in descriptors {
            emulators.push(Emulator::start(descriptor, &authority).await?);
        }
        Ok(Self { authority, emulators })
    }

    /// A sandbox of emulators that run already. `authority` is the one that they were started with.
    pub fn of(authority: Authority, emulators: Vec<Emulator>) -> Self {
        Self { authority, emulators }
    }

    /// Records neither requests nor commands any more, for a run without an end in sight.
    pub fn without_record(self) -> Self {
        for emulator in &self.emulators {
            emulator.turn_record_off();
        }
        self
    }

    /// Who signs the certificates of the emulators.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The emulators, in the order in which the providers were given.
    pub fn emulators(&self) -> &[Emulator] {
        &self.emulators
    }

    /// Gives the emulators away, still running.
    pub fn into_emulators(self) -> Vec<Emulator> {
        self.emulators
    }

    /// The emulator of the provider with this name.
    pub fn emulator(&self, name: &str) -> Option<&Emulator> {
        self.emulators.iter().find(|emulator| emulator.descriptor().name == name)
    }

    /// Takes every provider down, as [`Emulator::stop`] does.
    pub async fn stop(&mut self) {
        for emulator in &mut self.emulators {
            emulator.stop().await;
        }
    }

    /// The beginnings of an environment that leads every check to these emulators and nowhere else, with the default
    /// timeout.
    ///
    /// On loopback only `127.0.0.1` may be dialled there, and every host that settings name is led to an emulator, or
    /// to a port that refuses connections.
    pub fn environment(&self) -> Result<EnvironmentBuilder, EmulatorError> {
        self.environment_with(|_, _| {})
    }

    /// As [`environment`](Self::environment), with each provider's configuration changed by `change` first, for
    /// instance to keep a configured timeout. The base URLs are the emulators' whatever it sets, and of the ports of
    /// implicit TLS the emulators know 465 alone.
    pub fn environment_with(
        &self,
        mut change: impl FnMut(&'static Descriptor, &mut ProviderConfig),
    ) -> Result<EnvironmentBuilder, EmulatorError> {
        let loopback = IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut builder = Environment::builder()
            .with_policy(Policy::new(vec![loopback], MAIL_PORTS.to_vec()))
            .with_extra_ca(self.authority.pem().as_bytes().to_vec());
        for emulator in &self.emulators {
            let descriptor = emulator.descriptor();
            let mut config = ProviderConfig::of(descriptor)?;
            change(descriptor, &mut config);
            config.base_urls = emulator.base_urls().iter().cloned().map(Into::into).collect();
            builder = builder.with_provider(descriptor, config);
        }
        let mail: Vec<Arc<MailRoutes>> =
            self.emulators.iter().filter_map(|emulator| emulator.mail().cloned()).collect();
        Ok(builder.with_route(combined(mail)))
    }
}

/// Leads to the emulator that knows the host and port, else to the first that answers for any, else to a port that
/// refuses connections.
fn combined(mail: Vec<Arc<MailRoutes>>) -> Route {
    Arc::new(move |host, port| {
        let named = mail.iter().find_map(|routes| routes.named(host, port));
        let address = named.or_else(|| mail.iter().find_map(|routes| routes.fallback(port)));
        let closed_port = || mail.first().map(|routes| routes.closed_port());
        // A server cannot listen on port 0, which is for a sandbox without mail servers.
        address.or_else(closed_port).unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    })
}
