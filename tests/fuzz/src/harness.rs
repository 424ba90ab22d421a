//! An HTTP server on loopback that answers what it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Harness {
    pub(crate) address: SocketAddr,
    given: Arc<Mutex<Given>>,
}

#[derive(Default)]
struct Given {
    answers: Vec<Vec<u8>>,
    served: usize,
}

impl Harness {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let given = Arc::<Mutex<Given>>::default();
        let of_server = Arc::clone(&given);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let given = Arc::clone(&of_server);
                // A client may go when it has heard enough.
                tokio::spawn(async move { drop(converse(stream, &given).await) });
            }
        });
        Self { address, given }
    }

    /// The first request gets the first of these, and every request after the last one the last.
    pub(crate) fn answers(&self, answers: Vec<Vec<u8>>) {
        *self.given.lock().unwrap() = Given { answers, served: 0 };
    }

    pub(crate) fn served(&self) -> usize {
        self.given.lock().unwrap().served
    }
}

async fn converse(mut stream: TcpStream, given: &Mutex<Given>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut heard = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = end_of_request(&heard) {
                break end;
            }
            if stream.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
        };
        heard.drain(..end);
        let answer = {
            let mut given = given.lock().unwrap();
            let number = given.served.min(given.answers.len().saturating_sub(1));
            given.served += 1;
            given.answers.get(number).cloned().unwrap_or_default()
        };
        stream.write_all(&answer).await?;
    }
}

/// Where the first request ends, once it is here as a whole.
fn end_of_request(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(bytes.get(..head)?).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let end = head + length.map_or(0, |length| length.trim().parse().unwrap());
    (bytes.len() >= end).then_some(end)
}
