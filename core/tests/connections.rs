//! Which connections requests to a built-in host go over, counted by the host.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bonafide_core::egress::Policy;
use bonafide_core::field::Field;
use bonafide_core::host::{Environment, NameResolver, ProviderConfig};
use bonafide_core::{
    AllowedRequest, BaseUrl, Cause, Context, Descriptor, ProviderType, async_trait,
};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use rustls::{HandshakeKind, ServerConfig};
use secrecy::SecretString;
use socket2::{SockFilter, Socket};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use url::Url;
use uuid::Uuid;

const NAME: &str = "provider.example";
const HANGS: Duration = Duration::from_secs(20);
/// Within this, a fault of the network must be over for every check.
const RECOVERS: Duration = Duration::from_secs(15);
/// The classic BPF instruction that returns a constant: how many bytes of the packet to keep.
const BPF_RETURN: u16 = 0x06;

static DESCRIPTOR: Descriptor = Descriptor::new("1", "example", ProviderType::Email, "Example")
    .with_base_urls(&[BaseUrl::main("https://provider.example")])
    .with_requests(&[
        AllowedRequest::get("/status", "it is the test's own host"),
        AllowedRequest::post("/status", "it is the test's own host"),
    ]);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http,
    Https,
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
    /// Connections with a smaller number than this get no further answer, though they stay open.
    silent_before: AtomicUsize,
    /// The sockets of the connections, while the network is to forget them.
    sockets: Mutex<Option<Vec<Socket>>>,
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
        // The host would speak HTTP/2, too, if it were asked to.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let shared = Shared {
            handshakes: Mutex::default(),
            answers: Semaphore::new(1000),
            heard: Semaphore::new(0),
            ended: Semaphore::new(0),
            closes,
            silent_before: AtomicUsize::new(0),
            sockets: Mutex::new(None),
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

    /// Answers nothing more on the connections that are open, and takes new ones.
    fn fall_silent(&self) {
        self.shared.silent_before.store(self.connections(), Ordering::SeqCst);
    }

    /// Drops every segment that comes in on the connections that are open, as a NAT does that has forgotten them.
    fn forget_flows(&self) {
        let drop_all = [SockFilter::new(BPF_RETURN, 0, 0, 0)];
        for socket in self.shared.sockets.lock().unwrap().take().unwrap() {
            socket.attach_filter(&drop_all).unwrap();
        }
    }

    /// A check of a provider at this host.
    fn context(&self) -> Context {
        self.context_with(HANGS)
    }

    fn context_with(&self, deadline: Duration) -> Context {
        let address = self.listener.local_addr().unwrap();
        let mut config = ProviderConfig::of(&DESCRIPTOR).unwrap();
        let url = match self.speaks {
            Speaks::Http => format!("http://{address}"),
            Speaks::Https => format!("https://{NAME}:{}", address.port()),
        };
        config.base_urls[0] = url.parse::<Url>().unwrap().into();
        config.timeout = deadline;
        let environment = Environment::builder()
            .with_policy(Policy::new(vec![address.ip().into()], vec![address.port()]))
            .with_extra_ca(self.certificate.clone().into_bytes())
            .with_resolver(Arc::new(Loopback))
            .with_provider(&DESCRIPTOR, config)
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
    if let Some(sockets) = &mut *shared.sockets.lock().unwrap() {
        sockets.push(tcp.as_fd().try_clone_to_owned().unwrap().into());
    }
    if speaks == Speaks::Http {
        shared.handshakes.lock().unwrap().push(None);
        answer(tcp, Arc::clone(&shared)).await;
    } else {
        let stream = tls.accept(tcp).await.unwrap();
        shared.handshakes.lock().unwrap().push(stream.get_ref().1.handshake_kind());
        answer(stream, Arc::clone(&shared)).await;
    }
    shared.ended.add_permits(1);
}

async fn answer<S>(stream: S, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let number = shared.handshakes.lock().unwrap().len() - 1;
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        let needs_length = request.method() == Method::POST
            && !request.headers().contains_key(header::CONTENT_LENGTH);
        let credentials = request.headers().get_all(header::AUTHORIZATION).iter().count();
        async move {
            shared.heard.add_permits(1);
            if number < shared.silent_before.load(Ordering::SeqCst) {
                return std::future::pending().await;
            }
            shared.answers.acquire().await.unwrap().forget();
            let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
            if credentials > 1 {
                *response.status_mut() = StatusCode::BAD_REQUEST;
            }
            if needs_length {
                *response.status_mut() = StatusCode::LENGTH_REQUIRED;
            }
            if shared.closes {
                response.headers_mut().insert(header::CONNECTION, "close".parse().unwrap());
            }
            Ok::<_, io::Error>(response)
        }
    });
    let stream = TokioIo::new(stream);
    // How a connection ends is what the tests are about.
    let _ended = http1::Builder::new().serve_connection(stream, service).await;
}

async fn ask(context: &Context) {
    let answer = context.get(["status"]).send().await.unwrap();
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
    for speaks in [Speaks::Http, Speaks::Https] {
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
    let host = Host::start(Speaks::Http, false).await;
    let context = host.context();
    let (first, last) = (SecretString::from("first"), SecretString::from("last"));
    let answer =
        context.get(["status"]).bearer_auth(&first).bearer_auth(&last).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK.as_u16());
}

#[tokio::test]
async fn a_post_without_a_body_says_its_length() {
    let host = Host::start(Speaks::Http, false).await;
    let answer = host.context().post(["status"]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK.as_u16());
}

#[tokio::test]
async fn requests_at_once_have_a_connection_each_and_leave_it_to_others() {
    let host = Host::start(Speaks::Https, false).await;
    let context = host.context();
    ask_at_once(&context, 8).await;
    assert_eq!(host.connections(), 8);
    for _ in 0..3 {
        ask_at_once(&context, 8).await;
    }
    assert_eq!(host.connections(), 8);
}

#[tokio::test]
async fn a_host_that_has_hung_up_is_asked_anew() {
    for speaks in [Speaks::Http, Speaks::Https] {
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
    let mut host = Host::start(Speaks::Http, false).await;
    let context = host.context();
    ask_at_once(&context, 8).await;
    host.hang_up().await;
    ask(&context).await;
    assert_eq!(host.connections(), 9);
}

#[tokio::test]
async fn a_connection_that_the_host_closes_with_its_answer_is_not_kept() {
    let host = Host::start(Speaks::Http, true).await;
    let context = host.context();
    for round in 1..=5 {
        ask(&context).await;
        assert_eq!(host.connections(), round);
    }
    wait(&host.shared.ended, 5).await;
}

#[tokio::test]
async fn a_tls_session_goes_on_over_the_next_connection() {
    for speaks in [Speaks::Https] {
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
    let host = Host::start(Speaks::Https, false).await;
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
    let host = Host::start(Speaks::Http, false).await;
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
async fn an_idle_connection_is_closed_after_a_while() {
    for speaks in [Speaks::Http, Speaks::Https] {
        let host = Host::start(speaks, false).await;
        let context = host.context();
        ask(&context).await;
        wait(&host.shared.ended, 1).await;
        ask(&context).await;
        assert_eq!(host.connections(), 2);
    }
}

#[tokio::test]
async fn a_host_that_falls_silent_costs_only_the_checks_on_its_open_connections() {
    const OPEN: usize = 8;
    for speaks in [Speaks::Http, Speaks::Https] {
        let host = Host::start(speaks, false).await;
        // Far longer than the fault may last.
        let context = host.context_with(Duration::from_mins(10));
        ask_at_once(&context, OPEN).await;
        host.fall_silent();
        // Two checks are on silent connections: one stays, one leaves.
        let mut stays = Box::pin(ask(&context));
        let mut leaves = Box::pin(ask(&context));
        wait(&host.shared.heard, u32::try_from(OPEN).unwrap()).await;
        tokio::select! {
            () = &mut stays => panic!("it has no answer"),
            () = &mut leaves => panic!("it has no answer"),
            () = wait(&host.shared.heard, 2) => {}
        }
        drop(leaves);
        let recovered = async {
            // The others are closed when they have been idle too long.
            wait(&host.shared.ended, u32::try_from(OPEN - 1).unwrap()).await;
            ask_at_once(&context, 2 * OPEN).await;
        };
        tokio::select! {
            () = &mut stays => panic!("it has no answer"),
            recovered = timeout(RECOVERS, recovered) => recovered.unwrap(),
        }
        assert_eq!(host.connections(), 3 * OPEN);
    }
}

#[tokio::test]
async fn a_flow_that_the_network_forgot_is_given_up_and_the_check_passes_over_another() {
    let host = Host::start(Speaks::Http, false).await;
    let context = host.context_with(Duration::from_mins(10));
    *host.shared.sockets.lock().unwrap() = Some(Vec::new());
    ask_at_once(&context, 4).await;
    host.forget_flows();
    timeout(RECOVERS, ask_at_once(&context, 8)).await.unwrap();
    assert_eq!(host.connections(), 12, "a check that is sent again has a connection of its own");
    assert_eq!(host.shared.heard.available_permits(), 12, "no request was heard twice");
}

#[tokio::test]
async fn a_host_that_breaks_off_every_request_is_asked_three_times() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut host = Host::start(Speaks::Http, false).await;
    host.serving.shutdown().await;
    host.listener = Arc::new(listener);
    let context = host.context();
    let serve = async {
        for _ in 0..3 {
            let (mut tcp, _) = host.listener.accept().await.unwrap();
            assert!(tcp.read(&mut [0; 1024]).await.unwrap() > 0);
        }
    };
    let (result, ()) = tokio::join!(context.get(["status"]).send(), serve);
    assert_eq!(result.unwrap_err().cause(), Cause::ProviderUnavailable);
}
