//! A provider that answers when the test lets it: Mitto, played by hand.

use std::process::Command;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::cli::bonafide;
use crate::process::HANGS;

/// A listener in the place of the provider.
pub(crate) struct Upstream(TcpListener);

impl Upstream {
    pub(crate) async fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// The command to serve with this provider, which it waits for, and without a rate limit.
    pub(crate) fn serve(&self) -> Command {
        let mut command = bonafide(&["serve", "--listen", "127.0.0.1:0"]);
        command
            .env("BONAFIDE_RATE_LIMIT__PER_SECOND", "0")
            .env("BONAFIDE_RATE_LIMIT__PER_MINUTE", "0");
        lead_to(&mut command, &self.url());
        command
    }

    /// Waits until it is asked.
    pub(crate) async fn asked(&self) -> TcpStream {
        self.heard().await.0
    }

    /// Waits until it is asked, and tells how.
    pub(crate) async fn heard(&self) -> (TcpStream, String) {
        let accepted = timeout(HANGS, self.0.accept()).await.expect("the provider is not asked");
        let (mut stream, _) = accepted.unwrap();
        let mut heard = vec![0; 1024];
        let length = stream.read(&mut heard).await.unwrap();
        assert!(length > 0);
        heard.truncate(length);
        (stream, String::from_utf8(heard).unwrap())
    }
}

/// Leads a command to the provider at this URL, which may take its time.
pub(crate) fn lead_to(command: &mut Command, url: &str) {
    command
        .env("BONAFIDE_EGRESS__ALLOW", "127.0.0.0/8")
        .env("BONAFIDE_PROVIDERS__MITTO__TIMEOUT", "5m")
        .env("BONAFIDE_PROVIDERS__MITTO__BASE_URL", url);
}

/// The answer to credentials that are right.
pub(crate) const RECEIPT: &str = r#"{"id":"1","timestamp":"x","responseCode":0,"textLength":5,"responseText":"SMS sent","test":true}"#;

/// Answers that the credentials are right.
pub(crate) async fn accept(stream: &mut TcpStream) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{RECEIPT}",
        RECEIPT.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// A request that asks this provider.
pub(crate) fn question() -> String {
    json!({"name": "x", "provider_id": "1004", "settings": {"api_key": "key"}}).to_string()
}
