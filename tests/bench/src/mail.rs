//! A mail server that offers STARTTLS and AUTH, and lets everybody in.

use std::path::PathBuf;
use std::sync::Arc;

use bonafide_emulator::Authority;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{Result, block_on};

/// Serves for ever, and writes the certificate to trust into this file first.
pub(crate) fn run(certificate: &str) -> Result<()> {
    let authority = Authority::new()?;
    std::fs::write(PathBuf::from(certificate), authority.pem())?;
    let acceptor = TlsAcceptor::from(authority.server_config()?);
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        let acceptor = Arc::new(acceptor);
        loop {
            let (stream, _) = listener.accept().await?;
            let acceptor = Arc::clone(&acceptor);
            // A client that goes away ends its own connection alone.
            tokio::spawn(async move { converse(stream, &acceptor).await.ok() });
        }
    })
}

async fn converse(stream: TcpStream, acceptor: &TlsAcceptor) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut outside = BufReader::new(stream);
    outside.get_mut().write_all(b"220 mail.example.com ESMTP\r\n").await?;
    if answer_until_tls(&mut outside).await? {
        let mut inside = BufReader::new(acceptor.accept(outside.into_inner()).await?);
        answer_until_tls(&mut inside).await?;
    }
    Ok(())
}

/// Whether TLS is to begin.
async fn answer_until_tls<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
) -> Result<bool> {
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let command = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let reply = match command.as_str() {
            "EHLO" => "250-mail.example.com\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n",
            "STARTTLS" => "220 2.0.0 Go ahead\r\n",
            "AUTH" => "235 2.7.0 Accepted\r\n",
            "QUIT" => "221 2.0.0 Bye\r\n",
            _ => "250 2.0.0 OK\r\n",
        };
        stream.get_mut().write_all(reply.as_bytes()).await?;
        stream.get_mut().flush().await?;
        match command.as_str() {
            "STARTTLS" => return Ok(true),
            "QUIT" => return Ok(false),
            _ => line.clear(),
        }
    }
    Ok(false)
}
