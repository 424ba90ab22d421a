//! Servers that misbehave as they are told to.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bonafide_emulator::{Authority, Certificate};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    copy_bidirectional,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use url::Url;

/// The longest request that is read.
const REQUEST_LIMIT: u64 = 1024 * 1024;
/// After this many bytes a server says nothing more on a connection: a client that reads without bound fills the memory
/// no further, and waits.
const SAID_AT_MOST: usize = 32 * 1024 * 1024;
/// What a mail client can say. Of a line that begins with anything else nothing is kept.
const VERBS: [&str; 11] =
    ["EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "NOOP", "RSET", "QUIT"];

/// One thing that a [`Faulty`] server does on a connection. After the last one it closes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerAction {
    /// Reads an HTTP request: its head, and as much of a body as the head says.
    Read,
    /// Reads one line.
    ReadLine,
    /// Writes these bytes.
    Say(Vec<u8>),
    /// Writes what it read last, be it a secret.
    Echo,
    /// Does nothing for a while.
    Wait(Duration),
    /// Does nothing for ever.
    Hang,
    /// Says nothing more, and waits until the client is gone. See [`Faulty::held`] and [`Faulty::gone`].
    HoldUntilGone,
    /// Begins TLS as a server, with such a certificate. Needs [`Faulty::trusted_by`].
    Tls(Certificate),
    /// Does all of this over and over, until the client is gone. After 32 MiB nothing more is written.
    Loop(Vec<ServerAction>),
    /// Leaves the rest of the connection to another server.
    Forward(SocketAddr),
    /// Asks another server what it read last with [`ServerAction::Read`], and gives its answer, after which nothing follows.
    Pass(SocketAddr),
    /// Resets the connection, instead of closing it.
    Reset,
}

impl ServerAction {
    /// Writes this text.
    pub fn say(text: impl Into<String>) -> Self {
        Self::Say(text.into().into_bytes())
    }
}

/// A request that a [`Faulty`] server read with [`ServerAction::Read`]. Its `Debug` withholds the path.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeardRequest {
    /// The method.
    pub method: String,
    /// The path, as it was sent, without the query.
    pub path: String,
}

impl fmt::Debug for HeardRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HeardRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A command that a [`Faulty`] server read with [`ServerAction::ReadLine`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeardCommand {
    /// The verb, in upper case; `?` for a line that begins with none, which may hold a secret.
    pub verb: &'static str,
    /// Whether it came inside TLS.
    pub inside_tls: bool,
}

/// A TCP server on loopback that runs one script on every connection. Dropping it closes everything.
#[derive(Debug)]
pub struct Faulty {
    address: SocketAddr,
    url: Url,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    scripts: Vec<Vec<ServerAction>>,
    authority: Option<Authority>,
    connections: AtomicUsize,
    held: AtomicUsize,
    gone: AtomicUsize,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    requests: Vec<HeardRequest>,
    commands: Vec<HeardCommand>,
}

impl Faulty {
    /// A server that does this on every connection.
    ///
    /// # Panics
    ///
    /// When nothing can listen on loopback.
    pub async fn start(script: impl IntoIterator<Item = ServerAction>) -> Self {
        Self::listen(vec![script.into_iter().collect()], None).await
    }

    /// A server that runs the first script on the first connection, the second on the second, and the last on all that
    /// follow.
    ///
    /// # Panics
    ///
    /// When nothing can listen on loopback.
    pub async fn in_turn(scripts: Vec<Vec<ServerAction>>) -> Self {
        Self::listen(scripts, None).await
    }

    /// As [`in_turn`](Self::in_turn), for scripts with TLS: the certificates are those of this authority.
    ///
    /// # Panics
    ///
    /// When nothing can listen on loopback.
    pub async fn trusted_by(authority: &Authority, scripts: Vec<Vec<ServerAction>>) -> Self {
        Self::listen(scripts, Some(authority.clone())).await
    }

    #[expect(clippy::expect_used, reason = "a test without loopback cannot go on")]
    async fn listen(scripts: Vec<Vec<ServerAction>>, authority: Option<Authority>) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a listener on loopback");
        let address = listener.local_addr().expect("the address of a listener");
        let url = Url::parse(&format!("http://{address}")).expect("the URL of a listener");
        let shared = Arc::new(Shared {
            scripts,
            authority,
            connections: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            gone: AtomicUsize::new(0),
            heard: Mutex::default(),
        });
        let mut server = JoinSet::new();
        let of_server = Arc::clone(&shared);
        server.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&of_server);
                let turn = shared.connections.fetch_add(1, Ordering::Relaxed);
                open.spawn(async move {
                    let last = shared.scripts.len().saturating_sub(1);
                    let script = shared.scripts.get(turn.min(last)).map_or(&[][..], Vec::as_slice);
                    // A client that has gone is no fault of the test.
                    drop(ScriptRun::new(stream, &shared).play_to_the_end(script).await);
                });
            }
        });
        Self { address, url, shared, _server: server }
    }

    /// A server that gives every HTTP request this answer, with its length, and closes.
    pub async fn answering(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        Self::start([
            ServerAction::Read,
            ServerAction::Say(answer(status, headers, body.as_bytes())),
        ])
        .await
    }

    /// A server that accepts and never says anything.
    pub async fn silent() -> Self {
        Self::start([ServerAction::Hang]).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a base URL.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// How many connections it accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// On how many connections it came to [`ServerAction::HoldUntilGone`] so far.
    pub fn held(&self) -> usize {
        self.shared.held.load(Ordering::Relaxed)
    }

    /// On how many of them the client has closed its side since.
    pub fn gone(&self) -> usize {
        self.shared.gone.load(Ordering::Relaxed)
    }

    /// The requests that it read so far, in order.
    pub fn requests(&self) -> Vec<HeardRequest> {
        self.shared.heard().requests.clone()
    }

    /// The commands that it read so far, in order.
    pub fn commands(&self) -> Vec<HeardCommand> {
        self.shared.heard().commands.clone()
    }
}

/// An HTTP answer with its length, after which the connection is closed.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut lines = vec![format!("HTTP/1.1 {status} Status")];
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.push(format!("content-length: {}", body.len()));
    lines.push("connection: close\r\n\r\n".to_owned());
    let mut answer = lines.join("\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection is spoken over: TCP, or TLS on it.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<Box<dyn Wire>> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0.tcp()
    }
}

struct ScriptRun<'a> {
    /// None while TLS begins.
    stream: Option<BufReader<Box<dyn Wire>>>,
    inside_tls: bool,
    /// How many bytes were written.
    said: usize,
    /// What was read last.
    last: Vec<u8>,
    shared: &'a Shared,
}

impl<'a> ScriptRun<'a> {
    fn new(stream: TcpStream, shared: &'a Shared) -> Self {
        // Without this, what is said in small parts would arrive as one.
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Wire> = Box::new(stream);
        Self {
            stream: Some(BufReader::new(stream)),
            inside_tls: false,
            said: 0,
            last: Vec::new(),
            shared,
        }
    }

    fn stream(&mut self) -> io::Result<&mut BufReader<Box<dyn Wire>>> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    async fn play_to_the_end(mut self, script: &[ServerAction]) -> io::Result<()> {
        self.play(script).await?;
        let stream = self.stream()?;
        stream.shutdown().await?;
        // Closing with something unread resets the connection, and what was said may be lost with it.
        drop(timeout(Duration::from_secs(1), read_to_the_end(stream)).await);
        Ok(())
    }

    fn play<'b>(
        &'b mut self,
        script: &'b [ServerAction],
    ) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'b>> {
        Box::pin(async move {
            for act in script {
                match act {
                    ServerAction::Read => self.read_request().await?,
                    ServerAction::ReadLine => self.read_line().await?,
                    ServerAction::Say(bytes) => self.say(bytes).await?,
                    ServerAction::Echo => {
                        let last = std::mem::take(&mut self.last);
                        self.say(&last).await?;
                    }
                    ServerAction::Wait(time) => tokio::time::sleep(*time).await,
                    ServerAction::Hang => std::future::pending().await,
                    ServerAction::HoldUntilGone => self.hold_until_gone().await,
                    ServerAction::Tls(certificate) => self.begin_tls(*certificate).await?,
                    ServerAction::Loop(acts) => loop {
                        self.play(acts).await?;
                    },
                    ServerAction::Forward(address) => {
                        let mut other = connect(*address).await?;
                        copy_bidirectional(self.stream()?, &mut other).await?;
                    }
                    ServerAction::Pass(address) => {
                        let answer = pass(*address, &self.last).await?;
                        self.say(&answer).await?;
                    }
                    ServerAction::Reset => {
                        self.stream()?.get_ref().tcp().set_zero_linger()?;
                        return Err(io::ErrorKind::ConnectionReset.into());
                    }
                }
            }
            Ok(())
        })
    }

    /// A connection that breaks is closed as well as one that ends.
    async fn hold_until_gone(&mut self) {
        let shared = self.shared;
        shared.held.fetch_add(1, Ordering::Relaxed);
        if let Ok(stream) = self.stream() {
            read_to_the_end(stream).await;
        }
        shared.gone.fetch_add(1, Ordering::Relaxed);
    }

    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.said += bytes.len();
        if self.said > SAID_AT_MOST {
            std::future::pending::<()>().await;
        }
        let stream = self.stream()?;
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    async fn begin_tls(&mut self, certificate: Certificate) -> io::Result<()> {
        let authority = self.shared.authority.as_ref();
        let authority = authority.ok_or_else(|| io::Error::other("no authority was given"))?;
        let config = authority.server_config_with(certificate).map_err(io::Error::other)?;
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?.into_inner();
        let stream: Box<dyn Wire> = Box::new(TlsAcceptor::from(config).accept(stream).await?);
        self.stream = Some(BufReader::new(stream));
        self.inside_tls = true;
        Ok(())
    }

    async fn read_line(&mut self) -> io::Result<()> {
        let mut line = Vec::new();
        let length = self.stream()?.take(REQUEST_LIMIT).read_until(b'\n', &mut line).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let first = line.trim_ascii().split(|byte| *byte == b' ').next().unwrap_or_default();
        let known = VERBS.into_iter().find(|verb| first.eq_ignore_ascii_case(verb.as_bytes()));
        let command = HeardCommand { verb: known.unwrap_or("?"), inside_tls: self.inside_tls };
        self.shared.heard().commands.push(command);
        self.last = line;
        Ok(())
    }

    async fn read_request(&mut self) -> io::Result<()> {
        let mut head = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream()?.take(REQUEST_LIMIT).read_line(&mut line).await?;
            head.push_str(&line);
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = Vec::new();
        self.stream()?.take(REQUEST_LIMIT.min(length)).read_to_end(&mut body).await?;
        let mut words = head.lines().next().unwrap_or_default().split(' ');
        if let (Some(method), Some(target)) = (words.next(), words.next()) {
            let path = target.split('?').next().unwrap_or_default().to_owned();
            let request = HeardRequest { method: method.to_owned(), path };
            self.shared.heard().requests.push(request);
        }
        self.last = head.into_bytes();
        self.last.extend(body);
        Ok(())
    }
}

async fn read_to_the_end(stream: &mut (impl AsyncRead + Unpin)) {
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await.is_ok_and(|length| length > 0) {}
}

/// Sends a request on, as the last one of its connection, and reads the answer.
async fn pass(address: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut other = connect(address).await?;
    let line = request.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (line, rest) = request.split_at(line);
    other.write_all(&[line, b"connection: close\r\n", rest].concat()).await?;
    let mut answer = Vec::new();
    other.read_to_end(&mut answer).await?;
    Ok(answer)
}

#[expect(clippy::disallowed_methods, reason = "from one server of a test to another")]
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(address).await
}
