use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::error::EnvironmentError;
use super::provider_config::ProviderConfig;
use super::{Environment, Route, Shared, tls};
use crate::descriptor::Descriptor;
use crate::egress::base_url;
use crate::egress::guard::GuardedResolver;
use crate::egress::http_client::HttpClients;
use crate::egress::policy::Policy;
use crate::egress::resolver::{NameResolver, SystemResolver};

/// Builds an [`Environment`].
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
    /// Sets which addresses may be dialled. The default is the public internet alone.
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets certificates, in PEM, that are trusted beside the built-in roots.
    pub fn with_extra_ca(mut self, pem: Vec<u8>) -> Self {
        self.extra_ca = pem;
        self
    }

    /// Adds a provider. One that is not added cannot be asked.
    pub fn with_provider(
        mut self,
        descriptor: &'static Descriptor,
        config: ProviderConfig,
    ) -> Self {
        self.providers.push((descriptor, config));
        self
    }

    /// Leads every destination that settings name to another address.
    pub fn with_route(mut self, route: Route) -> Self {
        self.route = Some(route);
        self
    }

    /// Looks names up with this resolver instead of the operating system's. The policy checks what it finds all the same.
    pub fn with_resolver(mut self, resolver: Arc<dyn NameResolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Checks the configuration and builds the clients.
    pub fn build(self) -> Result<Environment, EnvironmentError> {
        let mut providers = HashMap::new();
        for (descriptor, config) in self.providers {
            if config.base_urls.len() != descriptor.base_urls().len() {
                let reason = "there must be one for each base URL of the descriptor";
                return Err(EnvironmentError::base_url(descriptor, "base_url", reason));
            }
            for (base_url, configured) in descriptor.base_urls().iter().zip(&config.base_urls) {
                for url in configured.urls() {
                    base_url::check(&self.policy, url).map_err(|reason| {
                        EnvironmentError::base_url(descriptor, base_url.key, reason)
                    })?;
                }
            }
            providers.insert(descriptor.name, Arc::new(config));
        }
        let tls = tls::client_config(&self.extra_ca)?;
        // Separate resolvers, so that slow look-ups of user-supplied hosts cannot starve the built-in ones.
        let (resolver, of_base_urls): (Arc<dyn NameResolver>, Arc<dyn NameResolver>) = match self
            .resolver
        {
            Some(resolver) => (Arc::clone(&resolver), resolver),
            None => {
                (Arc::new(SystemResolver::of_settings()), Arc::new(SystemResolver::of_base_urls()))
            }
        };
        let refusals = Arc::new(AtomicU64::new(0));
        let guard = GuardedResolver {
            policy: self.policy.clone(),
            resolver: of_base_urls,
            refusals: Arc::clone(&refusals),
            is_plain: false,
        };
        let http = HttpClients::new(&tls, &guard)
            .map_err(|error| EnvironmentError::HttpClient(error.to_string()))?;
        Ok(Environment(Arc::new(Shared {
            http,
            resolver,
            policy: self.policy,
            refusals,
            tls: Arc::new(tls),
            providers,
            route: self.route,
        })))
    }
}
