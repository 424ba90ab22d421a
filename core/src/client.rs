//! The HTTP client: connections to built-in hosts, kept and shared by all checks, each dialled at a judged address.

mod pool;

use std::error::Error;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{io, vec};

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;
use tokio::task::yield_now;
use tokio::time::timeout;
use tower_service::Service;

use self::pool::Pool;
use crate::egress::{Forbidden, Policy};
use crate::resolver::{NameResolver, look_up};

/// How long connecting to a built-in host may take before it counts as a failure: finding it, TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type BoxError = Box<dyn Error + Send + Sync>;
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type RequestBody = Full<Bytes>;

/// Sends requests over connections that it keeps. HTTP/2 where the host offers it; no redirects, no proxy.
pub(crate) struct Client {
    connector: HttpsConnector<HttpConnector<GuardedResolver>>,
    pool: Arc<Pool>,
}

/// Why there is no whole answer.
pub(crate) struct SendError {
    pub(crate) error: BoxError,
    /// It was connecting that failed.
    pub(crate) connecting: bool,
    /// The connection was an old one, which may have been closed just before.
    pub(crate) stale: bool,
}

impl Client {
    /// A client whose connections go where the resolver lets them.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the guarded clients are made"
    )]
    pub(crate) fn new(tls: &ClientConfig, resolver: GuardedResolver) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        Self { connector, pool: Arc::default() }
    }

    /// Sends a request and has its answer read.
    pub(crate) async fn send<T, F: Future<Output = Result<T, BoxError>>>(
        &self,
        request: Request<RequestBody>,
        read: impl FnOnce(Response<Incoming>) -> F,
    ) -> Result<T, SendError> {
        let failed = |error, connecting, stale| SendError { error, connecting, stale };
        let Some(host) = request.uri().authority().cloned() else {
            return Err(failed("the URL names no host".into(), false, false));
        };
        let (connection, stale) = if let Some(connection) = self.pool.take(&host) {
            (connection, true)
        } else {
            // Rare, and so large that every check would be.
            let connection = Box::pin(self.connect(request.uri().clone())).await;
            (connection.map_err(|error| failed(error, true, false))?, false)
        };
        // First whatever else is ready: with many checks at a time, the other side is then woken for a batch of
        // requests and not for each.
        yield_now().await;
        match connection {
            Connection::Exclusive(mut connection) => {
                let answer = connection.exchange(&host, request, read).await;
                let answer = answer.map_err(|error| failed(error, false, stale))?;
                self.pool.put(host, Connection::Exclusive(connection));
                Ok(answer)
            }
            Connection::Shared(mut requests) => {
                if !stale {
                    self.pool.put(host, Connection::Shared(requests.clone()));
                }
                let exchange = async {
                    requests.ready().await?;
                    read(requests.send_request(request).await?).await
                };
                exchange.await.map_err(|error: BoxError| failed(error, false, stale))
            }
        }
    }

    async fn connect(&self, host: Uri) -> Result<Connection, BoxError> {
        let stream = timeout(CONNECT_TIMEOUT, self.connector.clone().call(host)).await??;
        if stream.connected().is_negotiated_h2() {
            let mut http = http2::Builder::new(TokioExecutor::new());
            let (requests, driver) = http.timer(TokioTimer::new()).handshake(stream).await?;
            // It ends when nobody has anything left to send.
            tokio::spawn(driver);
            Ok(Connection::Shared(requests))
        } else {
            let (requests, driver) = http1::handshake(stream).await?;
            Ok(Connection::Exclusive(Exclusive { requests, driver: Box::new(driver) }))
        }
    }
}

/// An open connection to a host.
enum Connection {
    Exclusive(Exclusive),
    /// HTTP/2, which takes many requests at a time.
    Shared(http2::SendRequest<RequestBody>),
}

impl Connection {
    /// Whether it can take a request, as far as that shows without asking.
    fn is_usable(&mut self) -> bool {
        match self {
            Self::Exclusive(connection) => connection.is_usable(),
            Self::Shared(requests) => !requests.is_closed(),
        }
    }
}

/// A connection that one request has to itself: HTTP/1.1.
///
/// Whoever waits for the answer drives it, so that no other task has to be woken on the way. With hundreds of checks at
/// a time that is what keeps a check's memory in the processor's cache.
struct Exclusive {
    requests: http1::SendRequest<RequestBody>,
    driver: Box<http1::Connection<Stream, RequestBody>>,
}

impl Exclusive {
    fn is_usable(&mut self) -> bool {
        // What has come since the last answer shows now, such as the end of the connection.
        let nobody = &mut Context::from_waker(Waker::noop());
        Pin::new(&mut *self.driver).poll(nobody).is_pending() && self.requests.is_ready()
    }

    async fn exchange<T, F: Future<Output = Result<T, BoxError>>>(
        &mut self,
        host: &Authority,
        mut request: Request<RequestBody>,
        read: impl FnOnce(Response<Incoming>) -> F,
    ) -> Result<T, BoxError> {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.unwrap_or(PathAndQuery::from_static("/")).into();
        request.headers_mut().insert(header::HOST, HeaderValue::try_from(host.as_str())?);
        let Self { requests, driver } = self;
        // It waits for nothing but the driver, which is polled whenever it is: nobody need be woken for it. A budget
        // that has run out would want somebody to.
        let mut exchange =
            pin!(unconstrained(async { read(requests.send_request(request).await?).await }));
        poll_fn(|context| {
            let nobody = &mut Context::from_waker(Waker::noop());
            if let Poll::Ready(result) = exchange.as_mut().poll(nobody) {
                return Poll::Ready(result);
            }
            let driven = Pin::new(&mut **driver).poll(context);
            match (exchange.as_mut().poll(nobody), driven) {
                (Poll::Ready(result), _) => Poll::Ready(result),
                (Poll::Pending, Poll::Pending) => Poll::Pending,
                (Poll::Pending, Poll::Ready(_)) => {
                    Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()))
                }
            }
        })
        .await
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
