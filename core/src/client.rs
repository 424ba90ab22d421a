//! The HTTP client: connections to built-in hosts, kept and shared by all checks, each dialled at a judged address.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, vec};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use crate::egress::{Forbidden, Policy};
use crate::resolver::{NameResolver, look_up};

/// How long connecting to a built-in host may take before it counts as a failure: finding it, TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends requests over connections that it keeps. HTTP/2 where the host offers it; no redirects, no proxy.
pub(crate) type Client = legacy::Client<Connector, Full<Bytes>>;

type BoxError = Box<dyn Error + Send + Sync>;

/// A client whose connections go where the resolver lets them.
#[expect(clippy::disallowed_methods, reason = "the one place where the guarded clients are made")]
pub(crate) fn client(tls: &ClientConfig, resolver: GuardedResolver) -> Client {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(Connector(connector))
}

/// Connects within [`CONNECT_TIMEOUT`].
#[derive(Clone)]
pub(crate) struct Connector(HttpsConnector<HttpConnector<GuardedResolver>>);

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, host: Uri) -> Self::Future {
        let connecting = timeout(CONNECT_TIMEOUT, self.0.call(host));
        Box::pin(async { connecting.await? })
    }
}

/// Resolves a built-in host once and hands on only judged addresses, which are then the ones that are dialled.
#[derive(Clone)]
pub(crate) struct GuardedResolver {
    pub(crate) policy: Policy,
    pub(crate) resolver: Arc<dyn NameResolver>,
    /// Counts what the policy refused.
    pub(crate) refusals: Arc<AtomicU64>,
    /// Whether the connection is for plain HTTP.
    pub(crate) plain: bool,
}

impl GuardedResolver {
    fn judge(&self, addresses: &[SocketAddr]) -> Result<(), Forbidden> {
        addresses.iter().try_for_each(|address| {
            if self.plain {
                self.policy.judge_plain_http(address.ip())
            } else {
                self.policy.judge(address.ip())
            }
        })
    }
}

impl Service<Name> for GuardedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = look_up(guard.resolver.as_ref(), name.as_str(), 0).await?;
            guard.judge(&addresses).inspect_err(|_| {
                guard.refusals.fetch_add(1, Ordering::Relaxed);
            })?;
            Ok(addresses.into_iter())
        })
    }
}

/// Looks through an error and whatever caused it, what errors of the system hide inside included.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        let hidden = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        hidden.map(|hidden| hidden as &(dyn Error + 'static)).or_else(|| error.source())
    })
}
