//! Which connections requests to a built-in host go over, counted by the host.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bonafide_core::egress::Policy;
use bonafide_core::{
    AllowedRequest, BaseUrl, Context, Descriptor, Destination, Environment, Field, NameResolver,
    ProviderConfig, ProviderType, async_trait,
};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::PrivateKeyDer;
use rustls::{HandshakeKind, ServerConfig};
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

const NAME: &str = "provider.example";
const HANGS: Duration = Duration::from_secs(20);

static DESCRIPTOR: Descriptor = Descriptor {
    id: "1",
    name: "example",
    provider_type: ProviderType::Email,
    title: "Example",
    destination: Destination::BuiltIn(&[BaseUrl {
        key: "base_url",
        url: "https://provider.example",
    }]),
    requests: &[AllowedRequest::get("/status", "it is the test's own host")],
    interactions: "[]",
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Plain,
    Http1,
    Http2,
}

/// What the host has seen and does.
struct Shared {
    handshakes: Mutex<Vec<Option<HandshakeKind>>>,
    /// A permit for each answer that it may give.
    answers: Semaphore,
    /// A permit for each request that it has heard.
    heard: Semaphore,
    /// A permit for each connection that has ended.
    ended: Semaphore,
    /// It closes the connection with each answer.
    closes: bool,
}

struct Host {
    speaks: Speaks,
    listener: Arc<TcpListener>,
    tls: TlsAcceptor,
    certificate: String,
    shared: Arc<Shared>,
    serving: JoinSet<()>,
}

impl Host {
    async fn start(speaks: Speaks, closes: bool) -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols =
            if speaks == Speaks::Http2 { vec![b"h2".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let shared = Shared {
            handshakes: Mutex::default(),
            answers: Semaphore::new(1000),
            heard: Semaphore::new(0),
            ended: Semaphore::new(0),
            closes,
        };
        let mut host = Self {
            speaks,
            listener: Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap()),
            tls: TlsAcceptor::from(Arc::new(config)),
            certificate: made.cert.pem(),
            shared: Arc::new(shared),
            serving: JoinSet::new(),
        };
        host.serve();
        host
    }

    fn serve(&mut self) {
        let (listener, tls) = (Arc::clone(&self.listener), self.tls.clone());
        let (shared, speaks) = (Arc::clone(&self.shared), self.speaks);
        self.serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                connections.spawn(connection(tcp, speaks, tls.clone(), Arc::clone(&shared)));
            }
        });
    }

    /// Closes every connection, and takes new ones.
    async fn hang_up(&mut self) {
        self.serving.shutdown().await;
        self.serve();
    }

    fn connections(&self) -> usize {
        self.shared.handshakes.lock().unwrap().len()
    }

    fn resumed(&self) -> usize {
        let handshakes = self.shared.handshakes.lock().unwrap();
        handshakes.iter().filter(|kind| **kind == Some(HandshakeKind::Resumed)).count()
    }

    /// A check of a provider at this host.
    fn context(&self) -> Context {
        let address = self.listener.local_addr().unwrap();
        let mut config = ProviderConfig::of(&DESCRIPTOR).unwrap();
        let url = match self.speaks {
            Speaks::Plain => format!("http://{address}"),
            Speaks::Http1 | Speaks::Http2 => format!("https://{NAME}:{}", address.port()),
        };
        config.base_urls[0] = url.parse().unwrap();
        config.timeout = HANGS;
        let environment = Environment::builder()
            .policy(Policy::new(vec![address.ip().into()], vec![address.port()]))
            .extra_ca(self.certificate.clone().into_bytes())
            .resolver(Arc::new(Loopback))
            .provider(&DESCRIPTOR, config)
            .build()
            .unwrap();
        environment.context(&DESCRIPTOR, Uuid::nil())
    }
}

struct Loopback;

#[async_trait]
impl NameResolver for Loopback {
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(name, NAME);
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }
}

async fn connection(tcp: TcpStream, speaks: Speaks, tls: TlsAcceptor, shared: Arc<Shared>) {
    if speaks == Speaks::Plain {
        shared.handshakes.lock().unwrap().push(None);
        answer(tcp, speaks, Arc::clone(&shared)).await;
    } else {
        let stream = tls.accept(tcp).await.unwrap();
        shared.handshakes.lock().unwrap().push(stream.get_ref().1.handshake_kind());
        answer(stream, speaks, Arc::clone(&shared)).await;
    }
    shared.ended.add_permits(1);
}

async fn answer<S>(stream: S, speaks: Speaks, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        let credentials = request.headers().get_all(header::AUTHORIZATION).iter().count();
        async move {
            shared.heard.add_permits(1);
            shared.answers.acquire().await.unwrap().forget();
            let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
            if credentials > 1 {
                *response.status_mut() = StatusCode::BAD_REQUEST;
            }
            if shared.closes {
                response.headers_mut().insert(header::CONNECTION, "close".parse().unwrap());
            }
            Ok::<_, io::Error>(response)
        }
    });
    let stream = TokioIo::new(stream);
    // How a connection ends is what the tests are about.
    let _ended = match speaks {
        Speaks::Http2 => {
            http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
        }
        Speaks::Plain | Speaks::Http1 => {
            http1::Builder::new().serve_connection(stream, service).await
        }
    };
}

async fn ask(context: &Context) {
    let answer = context.get(&["status"]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK.as_u16());
}

async fn ask_at_once(context: &Context, count: usize) {
    join_all((0..count).map(|_| ask(context))).await;
}

async fn wait(permits: &Semaphore, count: u32) {
    // It runs out where it does not come to it.
    timeout(HANGS, permits.acquire_many(count)).await.unwrap().unwrap().forget();
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    for speaks in [Speaks::Plain, Speaks::Http1, Speaks::Http2] {
        let host = Host::start(speaks, false).await;
        let context = host.context();
        for _ in 0..10 {
            ask(&context).await;
        }
        assert_eq!(host.connections(), 1);
    }
}

#[tokio::test]
async fn of_a_header_that_is_given_twice_the_last_is_sent() {
    let host = Host::start(Speaks::Plain, false).await;
    let context = host.context();
    let (first, last) = (SecretString::from("first"), SecretString::from("last"));
    let answer = context.get(&["status"]).bearer(&first).bearer(&last).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK.as_u16());
}

#[tokio::test]
async fn requests_at_once_have_a_connection_each_and_leave_it_to_others() {
    let host = Host::start(Speaks::Http1, false).await;
    let context = host.context();
    ask_at_once(&context, 8).await;
    assert_eq!(host.connections(), 8);
    for _ in 0..3 {
        ask_at_once(&context, 8).await;
    }
    assert_eq!(host.connections(), 8);
}

#[tokio::test]
async fn http_2_carries_many_requests_at_once() {
    let host = Host::start(Speaks::Http2, false).await;
    let context = host.context();
    ask(&context).await;
    ask_at_once(&context, 50).await;
    assert_eq!(host.connections(), 1);
}

#[tokio::test]
async fn a_host_that_has_hung_up_is_asked_anew() {
    for speaks in [Speaks::Plain, Speaks::Http1, Speaks::Http2] {
        let mut host = Host::start(speaks, false).await;
        let context = host.context();
        for round in 1..=5 {
            ask(&context).await;
            assert_eq!(host.connections(), round);
            host.hang_up().await;
        }
    }
}

#[tokio::test]
async fn of_many_connections_that_the_host_has_closed_none_is_tried() {
    let mut host = Host::start(Speaks::Plain, false).await;
    let context = host.context();
    ask_at_once(&context, 8).await;
    host.hang_up().await;
    ask(&context).await;
    assert_eq!(host.connections(), 9);
}

#[tokio::test]
async fn a_connection_that_the_host_closes_with_its_answer_is_not_kept() {
    let host = Host::start(Speaks::Plain, true).await;
    let context = host.context();
    for round in 1..=5 {
        ask(&context).await;
        assert_eq!(host.connections(), round);
    }
    wait(&host.shared.ended, 5).await;
}

#[tokio::test]
async fn a_tls_session_goes_on_over_the_next_connection() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let mut host = Host::start(speaks, false).await;
        let context = host.context();
        for _ in 0..10 {
            ask(&context).await;
            host.hang_up().await;
        }
        assert_eq!((host.connections(), host.resumed()), (10, 9));
    }
}

#[tokio::test]
async fn a_tls_session_goes_on_where_it_is_the_settings_that_name_the_host() {
    let host = Host::start(Speaks::Http1, false).await;
    let context = host.context();
    let port = host.listener.local_addr().unwrap().port();
    let (name, port) = (Field::new("host", NAME), Field::new("port", port));
    for _ in 0..5 {
        let stream = context.dial(name, port).await.unwrap();
        let mut stream = context.tls(name, port, stream).await.unwrap();
        let request = b"GET /status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
    }
    assert_eq!((host.connections(), host.resumed()), (5, 4));
}

#[tokio::test]
async fn an_answer_nobody_waits_for_ends_its_connection_and_no_other() {
    let host = Host::start(Speaks::Plain, false).await;
    let context = host.context();
    ask_at_once(&context, 2).await;
    host.shared.answers.forget_permits(1000);
    wait(&host.shared.heard, 2).await;
    tokio::select! {
        () = ask(&context) => panic!("nobody has answered"),
        () = wait(&host.shared.heard, 1) => {}
    }
    wait(&host.shared.ended, 1).await;
    host.shared.answers.add_permits(2);
    ask_at_once(&context, 2).await;
    // The one that was left, and one in the place of the other.
    assert_eq!(host.connections(), 3);
}

#[tokio::test]
async fn http_2_goes_on_when_nobody_waits_for_one_of_its_answers() {
    let host = Host::start(Speaks::Http2, false).await;
    let context = host.context();
    ask(&context).await;
    host.shared.answers.forget_permits(1000);
    wait(&host.shared.heard, 1).await;
    tokio::select! {
        () = ask(&context) => panic!("nobody has answered"),
        () = wait(&host.shared.heard, 1) => {}
    }
    // The host may still want to answer the one that is gone.
    host.shared.answers.add_permits(2);
    ask(&context).await;
    assert_eq!(host.connections(), 1);
}

#[tokio::test]
async fn what_nobody_uses_is_closed_after_a_while() {
    for speaks in [Speaks::Plain, Speaks::Http2] {
        let host = Host::start(speaks, false).await;
        let context = host.context();
        ask(&context).await;
        tokio::time::pause();
        for _ in 0..8 {
            tokio::time::advance(Duration::from_secs(15)).await;
        }
        tokio::time::resume();
        wait(&host.shared.ended, 1).await;
        ask(&context).await;
        assert_eq!(host.connections(), 2);
    }
}
