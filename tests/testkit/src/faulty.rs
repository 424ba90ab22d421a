//! Servers that misbehave as they are told to.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

/// The longest request that is read.
const REQUEST_LIMIT: u64 = 1024 * 1024;

/// One thing that a [`Faulty`] server does on a connection. After the last one it closes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Reads an HTTP request: its head, and as much of a body as the head says.
    Read,
    /// Reads one line.
    ReadLine,
    /// Writes these bytes.
    Say(Vec<u8>),
    /// Does nothing for a while.
    Wait(Duration),
    /// Does nothing for ever.
    Hang,
}

impl Act {
    /// Writes this text.
    pub fn say(text: impl Into<String>) -> Self {
        Self::Say(text.into().into_bytes())
    }
}

/// A TCP server on loopback that plays one script on every connection. Dropping it closes everything.
#[derive(Debug)]
pub struct Faulty {
    address: SocketAddr,
    url: Url,
    connections: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Faulty {
    /// A server that does this on every connection.
    ///
    /// # Panics
    ///
    /// When nothing can listen on loopback.
    #[expect(clippy::expect_used, reason = "a test without loopback cannot go on")]
    pub async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let script: Arc<[Act]> = script.into_iter().collect();
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a listener on loopback");
        let address = listener.local_addr().expect("the address of a listener");
        let url = Url::parse(&format!("http://{address}")).expect("the URL of a listener");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let script = Arc::clone(&script);
                open.spawn(async move {
                    // A client that has gone is no fault of the test.
                    drop(play(stream, &script).await);
                });
            }
        });
        Self { address, url, connections, _server: server }
    }

    /// A server that gives every HTTP request this answer, with its length, and closes.
    pub async fn answering(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let mut lines = vec![format!("HTTP/1.1 {status} Status")];
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.push(format!("content-length: {}", body.len()));
        lines.push(format!("connection: close\r\n\r\n{body}"));
        let answer = lines.join("\r\n");
        Self::start([Act::Read, Act::say(answer)]).await
    }

    /// A server that accepts and never says anything.
    pub async fn silent() -> Self {
        Self::start([Act::Hang]).await
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
        self.connections.load(Ordering::Relaxed)
    }
}

async fn play(stream: TcpStream, script: &[Act]) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    for act in script {
        match act {
            Act::Read => read_request(&mut stream).await?,
            Act::ReadLine => {
                (&mut stream).take(REQUEST_LIMIT).read_until(b'\n', &mut Vec::new()).await?;
            }
            Act::Say(bytes) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
            }
            Act::Wait(time) => tokio::time::sleep(*time).await,
            Act::Hang => std::future::pending().await,
        }
    }
    stream.shutdown().await?;
    // Closing with something unread resets the connection, and what was said may be lost with it.
    let mut unread = [0; 4096];
    let drain = async { while stream.read(&mut unread).await.is_ok_and(|length| length > 0) {} };
    drop(timeout(Duration::from_secs(1), drain).await);
    Ok(())
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        (&mut *stream).take(REQUEST_LIMIT).read_line(&mut line).await?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    (&mut *stream).take(REQUEST_LIMIT.min(length)).read_to_end(&mut body).await?;
    Ok(())
}
