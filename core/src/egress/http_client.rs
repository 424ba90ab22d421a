//! The HTTP clients of the checks: the one place where `reqwest` is configured.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, redirect, retry};
use rustls::ClientConfig;

use super::guard::GuardedResolver;

/// The maximum time to find a built-in host and connect to it, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept. Shorter than any NAT's idle timeout, and so short that a host which stops answering
/// on its open connections is soon asked over new ones.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long sent bytes may stay unacknowledged before the kernel gives the connection up, where it can be told.
#[cfg(target_os = "linux")]
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(4);

/// The clients of one environment, by what a request needs.
pub(crate) struct HttpClients {
    https: Pair,
    plain: Pair,
}

/// The same client twice, with and without kept connections.
struct Pair {
    keeping: Client,
    fresh: Client,
}

impl HttpClients {
    /// Clients whose connections go where `guard` allows.
    pub(crate) fn new(tls: &ClientConfig, guard: &GuardedResolver) -> reqwest::Result<Self> {
        let mut tls = tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let pair = |is_plain| {
            let guard = Arc::new(GuardedResolver { is_plain, ..guard.clone() });
            Ok(Pair { keeping: client(&tls, &guard, usize::MAX)?, fresh: client(&tls, &guard, 0)? })
        };
        Ok(Self { https: pair(false)?, plain: pair(true)? })
    }

    /// The client for a URL of this scheme. A retry is sent over a fresh connection: the kept ones may all be dead.
    pub(crate) fn get(&self, scheme: &str, is_retry: bool) -> &Client {
        let pair = if scheme == "http" { &self.plain } else { &self.https };
        if is_retry { &pair.fresh } else { &pair.keeping }
    }
}

/// HTTP/1.1 alone: what one check does to its connection touches no other check. With HTTP/2 a session that falls silent
/// would be shared by all of them, and it cannot be closed: <https://github.com/seanmonstar/reqwest/issues/1323>.
#[expect(clippy::disallowed_methods, reason = "the one place where the guarded clients are built")]
fn client(
    tls: &ClientConfig,
    guard: &Arc<GuardedResolver>,
    max_idle: usize,
) -> reqwest::Result<Client> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .dns_resolver(Arc::clone(guard))
        .https_only(!guard.is_plain)
        .http1_only()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .no_hickory_dns()
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(max_idle);
    #[cfg(target_os = "linux")]
    let client = client.tcp_user_timeout(TCP_USER_TIMEOUT);
    client.build()
}
