//! A provider, played as cheaply as can be: it waits as long as it was told to and gives SendGrid's answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::{Result, block_on};

/// A key that begins with this has as many scopes as a key can have.
pub(crate) const MANY_SCOPES: &str = "SG.many";
const SCOPES: usize = 250;
/// Connections that wait to be accepted. The kernel allows no more than `net.core.somaxconn`, which is 4,096 mostly.
const MAX_QUEUE: u32 = 16_384;

/// Answers for ever. `latency` is in milliseconds.
pub(crate) fn run(latency: &str) -> Result<()> {
    let latency = Duration::from_millis(latency.parse()?);
    let few = answer(&["mail.send", "sender_verification_eligible"].map(str::to_owned));
    let mut scopes: Vec<String> =
        (1..SCOPES).map(|number| format!("marketing.automation.scope_{number:03}.read")).collect();
    scopes.push("mail.send".to_owned());
    let many = answer(&scopes);
    block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        // A connection that found the queue full would come again a second later.
        let listener = socket.listen(MAX_QUEUE)?;
        println!("listening on http://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            let (few, many) = (few.clone(), many.clone());
            // A client that goes away ends its own connection alone.
            tokio::spawn(async move { converse(stream, latency, &few, &many).await.ok() });
        }
    })
}

fn answer(scopes: &[String]) -> Vec<u8> {
    let body = serde_json::json!({ "scopes": scopes }).to_string();
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

async fn converse(mut stream: TcpStream, latency: Duration, few: &[u8], many: &[u8]) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::with_capacity(1024);
    loop {
        while !request.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
        }
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let wanted = MANY_SCOPES.as_bytes();
        let is_many = request.windows(wanted.len()).any(|part| part == wanted);
        stream.write_all(if is_many { many } else { few }).await?;
        request.clear();
    }
}
