//! The network that the checks of one process share: egress policy, resolvers, HTTP clients, TLS.

mod builder;
mod error;
mod provider_config;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::ClientConfig;

pub use self::builder::EnvironmentBuilder;
pub use self::error::EnvironmentError;
pub use self::provider_config::{ConfiguredBaseUrl, ProviderConfig};
use crate::egress::http_client::HttpClients;
use crate::egress::policy::Policy;
use crate::egress::resolver::NameResolver;

/// Leads a host and port that settings name to another address: how the sandbox and the tests point checks at
/// their emulators. The policy checks the address that it returns like any other.
pub type Route = Arc<dyn Fn(&str, u16) -> SocketAddr + Send + Sync>;

/// The network that the checks of one process share. The host builds it once; a clone shares it.
#[derive(Clone)]
pub struct Environment(Arc<Shared>);

struct Shared {
    policy: Policy,
    refusals: Arc<AtomicU64>,
    http: HttpClients,
    tls: Arc<ClientConfig>,
    providers: HashMap<&'static str, Arc<ProviderConfig>>,
    route: Option<Route>,
    resolver: Arc<dyn NameResolver>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("policy", &self.0.policy)
            .field("providers", &self.0.providers)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// Starts with the strict policy, the built-in roots and no provider.
    pub fn builder() -> EnvironmentBuilder {
        EnvironmentBuilder::default()
    }

    /// How many connections the egress policy has forbidden so far, to hosts that settings name and to built-in ones.
    pub fn egress_refusals(&self) -> u64 {
        self.0.refusals.load(Ordering::Relaxed)
    }

    pub(crate) fn count_egress_refusal(&self) {
        self.0.refusals.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn provider(&self, name: &str) -> Option<&Arc<ProviderConfig>> {
        self.0.providers.get(name)
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub(crate) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0.tls)
    }

    pub(crate) fn route(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.0.route.as_ref().map(|route| route(host, port))
    }

    pub(crate) fn resolver(&self) -> &dyn NameResolver {
        self.0.resolver.as_ref()
    }

    pub(crate) fn http(&self) -> &HttpClients {
        &self.0.http
    }
}
