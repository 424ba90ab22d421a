//! What the checks of one process share: the egress policy, connections, TLS, compiled schemas.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};
use uuid::Uuid;

use crate::client::{Client, GuardedResolver};
use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::egress::Policy;
use crate::provider::ProviderValidator;
use crate::resolver::{NameResolver, SystemResolver};
use crate::settings::{SchemaError, SettingsSchema};

/// Leads a host and port that settings name to another address: how the sandbox and the tests point checks at
/// their emulators. The address it returns is judged like any other.
pub type Route = Arc<dyn Fn(&str, u16) -> SocketAddr + Send + Sync>;

/// Where and for how long a provider is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderConfig {
    /// Base URLs, region by region; empty where the settings name the host.
    pub base_urls: Vec<Url>,
    /// The whole check, retries and second regions included.
    pub timeout: Duration,
    /// Ports on which a host that the settings name speaks TLS from the first byte.
    pub implicit_tls_ports: Vec<u16>,
}

impl ProviderConfig {
    /// What holds where nothing is configured: the provider's own hosts, 15 seconds, port 465.
    pub fn of(descriptor: &Descriptor) -> Result<Self, EnvironmentError> {
        let parse = |base_url: &crate::BaseUrl| {
            Url::parse(base_url.url)
                .map_err(|_| EnvironmentError::base_url(descriptor, base_url.key, "it is no URL"))
        };
        Ok(Self {
            base_urls: descriptor.base_urls().iter().map(parse).collect::<Result<_, _>>()?,
            timeout: Duration::from_secs(15),
            implicit_tls_ports: vec![465],
        })
    }
}

/// Why an [`Environment`] cannot be made. The texts name the configuration key.
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
}

impl EnvironmentError {
    fn base_url(descriptor: &Descriptor, key: &'static str, reason: impl fmt::Display) -> Self {
        Self::BaseUrl { provider: descriptor.name, key, reason: reason.to_string() }
    }
}

/// What an [`Environment`] is made from.
#[derive(Default)]
#[must_use]
pub struct EnvironmentBuilder {
    policy: Policy,
    extra_ca: Vec<u8>,
    providers: Vec<(&'static Descriptor, ProviderConfig)>,
    route: Option<Route>,
    resolver: Option<Arc<dyn NameResolver>>,
}

impl fmt::Debug for EnvironmentBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EnvironmentBuilder")
            .field("policy", &self.policy)
            .field("providers", &self.providers)
            .finish_non_exhaustive()
    }
}

impl EnvironmentBuilder {
    /// Which addresses may be dialled. The default is the public internet alone.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Certificates, in PEM, that are trusted beside the built-in roots.
    pub fn extra_ca(mut self, pem: Vec<u8>) -> Self {
        self.extra_ca = pem;
        self
    }

    /// Adds a provider. One that is not added cannot be asked.
    pub fn provider(mut self, descriptor: &'static Descriptor, config: ProviderConfig) -> Self {
        self.providers.push((descriptor, config));
        self
    }

    /// Leads every destination that settings name to another address.
    pub fn route(mut self, route: Route) -> Self {
        self.route = Some(route);
        self
    }

    /// Looks names up with this resolver instead of the operating system's. What it finds is judged all the same.
    pub fn resolver(mut self, resolver: Arc<dyn NameResolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Judges the configuration and sets up the clients.
    pub fn build(self) -> Result<Environment, EnvironmentError> {
        let mut providers = HashMap::new();
        for (descriptor, config) in self.providers {
            for (base_url, url) in descriptor.base_urls().iter().zip(&config.base_urls) {
                judge_base_url(&self.policy, url).map_err(|reason| {
                    EnvironmentError::base_url(descriptor, base_url.key, reason)
                })?;
            }
            providers.insert(descriptor.name, Arc::new(config));
        }
        let tls = tls_config(&self.extra_ca)?;
        // One for each, so that no name of anybody's settings keeps the providers' from being looked up.
        let (resolver, of_base_urls): (Arc<dyn NameResolver>, Arc<dyn NameResolver>) = match self
            .resolver
        {
            Some(resolver) => (Arc::clone(&resolver), resolver),
            None => {
                (Arc::new(SystemResolver::of_settings()), Arc::new(SystemResolver::of_base_urls()))
            }
        };
        let refusals = Arc::new(AtomicU64::new(0));
        let guarded = |plain| GuardedResolver {
            policy: self.policy.clone(),
            resolver: Arc::clone(&of_base_urls),
            refusals: Arc::clone(&refusals),
            plain,
        };
        Ok(Environment(Arc::new(Shared {
            https: Client::new(&tls, guarded(false)),
            plain_http: Client::new(&tls, guarded(true)),
            resolver,
            policy: self.policy,
            refusals,
            tls: Arc::new(tls),
            providers,
            route: self.route,
            schemas: RwLock::default(),
        })))
    }
}

/// What the checks of one process share. Made once; cloning it shares it.
#[derive(Clone)]
pub struct Environment(Arc<Shared>);

struct Shared {
    policy: Policy,
    refusals: Arc<AtomicU64>,
    https: Client,
    plain_http: Client,
    tls: Arc<ClientConfig>,
    providers: HashMap<&'static str, Arc<ProviderConfig>>,
    route: Option<Route>,
    resolver: Arc<dyn NameResolver>,
    schemas: RwLock<HashMap<&'static str, Arc<SettingsSchema>>>,
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

    /// The context of one check of this provider. Its deadline runs from now.
    pub fn context(&self, descriptor: &Descriptor, trace_id: Uuid) -> Context {
        let config = self.0.providers.get(descriptor.name).cloned();
        Context::new(self.clone(), config, descriptor.requests, trace_id)
    }

    /// The schema of a provider's settings, generated at the first use and kept.
    pub fn schema_of(
        &self,
        validator: &dyn ProviderValidator,
    ) -> Result<Arc<SettingsSchema>, SchemaError> {
        let name = validator.descriptor().name;
        let known =
            self.0.schemas.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(schema) = known {
            return Ok(schema);
        }
        let schema = Arc::new(validator.settings_schema()?);
        let mut schemas = self.0.schemas.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(schemas.entry(name).or_insert(schema)))
    }

    /// How many connections the egress policy has forbidden so far, to hosts that settings name and to built-in ones.
    pub fn egress_refusals(&self) -> u64 {
        self.0.refusals.load(Ordering::Relaxed)
    }

    pub(crate) fn count_egress_refusal(&self) {
        self.0.refusals.fetch_add(1, Ordering::Relaxed);
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

    pub(crate) fn client(&self, scheme: &str) -> &Client {
        if scheme == "http" { &self.0.plain_http } else { &self.0.https }
    }
}

/// Judges what can be judged before anything is resolved. An address written in the URL never reaches the
/// resolver, so this is where it is stopped.
fn judge_base_url(policy: &Policy, url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(
            "it must begin with `https://`, or with `http://` for an allowed network".to_owned()
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not hold a user name or a password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it must end with the path prefix, without `?` and `#`".to_owned());
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) if url.scheme() == "http" && policy.allows_nothing() => {
            return Err("plain HTTP is only for allowed networks; `egress.allow` opens a network"
                .to_owned());
        }
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err("it names no host".to_owned()),
    };
    let judged = if url.scheme() == "http" {
        policy.judge_plain_http(literal)
    } else {
        policy.judge(literal)
    };
    judged.map_err(|forbidden| format!("{forbidden}; `egress.allow` opens a network"))
}

fn tls_config(extra_ca: &[u8]) -> Result<ClientConfig, EnvironmentError> {
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
                "there is no certificate in the file".to_owned(),
            ));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EnvironmentError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
