//! The resolver of the HTTP clients, which hands on only addresses that the policy allows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::policy::{Forbidden, Policy};
use super::resolver::{NameResolver, look_up};

/// Looks a built-in host up once and hands on its addresses, which are then the ones that are dialled. If one of them is
/// forbidden, none is handed on.
#[derive(Clone)]
pub(crate) struct GuardedResolver {
    pub(crate) policy: Policy,
    pub(crate) resolver: Arc<dyn NameResolver>,
    /// Counts what the policy refused.
    pub(crate) refusals: Arc<AtomicU64>,
    /// Whether the connection is for plain HTTP.
    pub(crate) is_plain: bool,
}

impl GuardedResolver {
    fn check(&self, addresses: &[SocketAddr]) -> Result<(), Forbidden> {
        addresses.iter().try_for_each(|address| {
            if self.is_plain {
                self.policy.check_plain_http(address.ip())
            } else {
                self.policy.check(address.ip())
            }
        })
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            // Port 0 stands for the port of the URL.
            let addresses = look_up(guard.resolver.as_ref(), name.as_str(), 0).await?;
            guard.check(&addresses).inspect_err(|_| {
                guard.refusals.fetch_add(1, Ordering::Relaxed);
            })?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
