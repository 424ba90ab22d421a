//! A provider that answers when the test lets it: Mitto, played by the test or by a server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
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

/// A request that asks this provider, about a key that no other request asks about.
pub(crate) fn question() -> String {
    static ASKED: AtomicUsize = AtomicUsize::new(1_000_000);
    question_about(&format!("key-{}", ASKED.fetch_add(1, Ordering::Relaxed)))
}

/// A request that asks this provider about a key.
pub(crate) fn question_about(key: &str) -> String {
    json!({"name": "x", "provider_id": "1004", "settings": {"api_key": key}}).to_string()
}

/// A Mitto that answers as often as it is allowed to, and as the keys say.
pub(crate) struct Mitto {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

struct State {
    gate: Semaphore,
    is_down: AtomicBool,
    /// How often each key was asked about.
    asked: Mutex<BTreeMap<String, usize>>,
    /// How many are asked about now, and at most so far.
    in_flight: Mutex<(usize, usize)>,
}

impl Mitto {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            gate: Semaphore::new(0),
            is_down: AtomicBool::new(false),
            asked: Mutex::default(),
            in_flight: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let answer = move |headers: HeaderMap| {
            let state = Arc::clone(&shared);
            async move { state.answer(headers["x-mitto-api-key"].to_str().unwrap()).await }
        };
        let router = Router::new().fallback(answer);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state, server }
    }

    /// Lets so many more answers out.
    pub(crate) fn release(&self, answers: usize) {
        self.state.gate.add_permits(answers);
    }

    /// Answers that it fails, whatever it is asked, or does so no longer.
    pub(crate) fn fail(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Is not there any more, for those it keeps waiting either.
    pub(crate) fn go_away(&self) {
        self.server.abort();
        self.state.gate.close();
    }

    /// How many are asked about now, and at most so far.
    pub(crate) fn in_flight(&self) -> (usize, usize) {
        *self.state.in_flight.lock().unwrap()
    }

    pub(crate) fn asked(&self) -> BTreeMap<String, usize> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl State {
    async fn answer(&self, key: &str) -> axum::response::Response {
        let _in_flight = InFlight::new(self);
        *self.asked.lock().unwrap().entry(key.to_owned()).or_default() += 1;
        match self.gate.acquire().await {
            Ok(permit) => permit.forget(),
            // The provider has gone.
            Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
        }
        if self.is_down.load(Ordering::Relaxed) {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let mut words = key.split('-');
        match words.next() {
            Some("limited") => {
                let wait = words.next().unwrap_or_default().to_owned();
                (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, wait)]).into_response()
            }
            Some("wrong") => StatusCode::UNAUTHORIZED.into_response(),
            Some("down") => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            _ => ([(CONTENT_TYPE, "application/json")], RECEIPT).into_response(),
        }
    }
}

/// A question that is not answered yet, nor given up by who asked it.
struct InFlight<'a>(&'a State);

impl<'a> InFlight<'a> {
    fn new(state: &'a State) -> Self {
        let mut in_flight = state.in_flight.lock().unwrap();
        in_flight.0 += 1;
        in_flight.1 = in_flight.1.max(in_flight.0);
        Self(state)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.lock().unwrap().0 -= 1;
    }
}
