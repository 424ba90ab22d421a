//! The server as a process: what it prints, how it stops, and what its log does not hold.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cli::bonafide;
use crate::support::{TOKEN, VALIDATE, config};
use crate::upstream::{Upstream, accept, question};

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = read_line(&mut stdout);
        let token = line.strip_prefix("token: ").map(str::to_owned);
        if token.is_some() {
            line = read_line(&mut stdout);
        }
        let address = line.strip_prefix("listening on http://").expect(&line).parse().unwrap();
        Self { child, address, token, stdout, stderr }
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines of the log, read while the server runs, or it would wait for a reader.
    pub(crate) fn log(&mut self) -> Log {
        let stderr = self.take_stderr();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // Whoever reads it may have seen enough.
                let _unread = sender.send(line);
            }
        });
        Log(lines)
    }

    /// Reads the log while the server runs, or it would wait for a reader. The thread gives all of it at the end.
    pub(crate) fn read_log(&mut self) -> JoinHandle<String> {
        let mut stderr = self.take_stderr();
        std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        })
    }

    fn take_stderr(&mut self) -> BufReader<ChildStderr> {
        std::mem::replace(&mut self.stderr, BufReader::new(spare_stderr()))
    }

    /// Waits until the process is gone and returns the rest of its log.
    pub(crate) fn end(mut self) -> String {
        let mut log = String::new();
        self.stderr.read_to_string(&mut log).unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line is all that goes to standard output");
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{log}");
        log
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> String {
        ask(self.address, method, path, token, body).await
    }
}

/// Only what fails by hanging lasts as long.
pub(crate) const HANGS: Duration = Duration::from_mins(1);

/// The lines of a server's log.
pub(crate) struct Log(mpsc::Receiver<String>);

impl Log {
    /// Waits for the next line that holds this text, and returns it.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.0.recv_timeout(HANGS).unwrap_or_else(|_| panic!("not logged: {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }
}

fn read_line(reader: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: &str,
) -> String {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    String::from_utf8(send_raw(address, &request).await).unwrap()
}

/// Connects and writes these bytes as they are.
#[expect(clippy::disallowed_methods, reason = "the server under test, on loopback")]
pub(crate) async fn connect(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Sends these bytes as they are, and reads to the end.
pub(crate) async fn send_raw(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = connect(address, request).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

fn twilio(token: &str) -> String {
    json!({"name": "x", "provider_id": "1000", "settings": {
        "account_sid": "AC00000000000000000000000000000001",
        "auth_token": token,
    }})
    .to_string()
}

#[tokio::test]
async fn the_sandbox_makes_a_token_and_says_what_it_is() {
    let mut server =
        Server::start(&mut bonafide(&["serve", "--sandbox", "--listen", "127.0.0.1:0"]));
    let token = server.token.clone().unwrap();
    assert!(token.len() >= 32);
    let mut banner = Vec::new();
    // The last bundled provider stands last but for those that somebody adds.
    while !banner.last().is_some_and(|line: &String| line.contains("mailgun (eu_base_url)")) {
        banner.push(read_line(&mut server.stderr));
    }
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]")]}, {
        insta::assert_snapshot!(banner.join("\n"));
    });
    let answer = server.ask("POST", VALIDATE, &token, &twilio("sandbox-token-with-numbers")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("x-bonafide-sandbox: true"));
    assert!(server.ask("GET", "/nowhere", "", "").await.contains("x-bonafide-sandbox: true"));
    assert!(server.ask("POST", VALIDATE, "wrong", "").await.starts_with("HTTP/1.1 401 "));

    // A provider that is stopped as the banner says is down, which is no rejection.
    let stop = banner.iter().find(|line| line.contains("twilio")).unwrap();
    let url = stop.split("curl -X POST http://").nth(1).unwrap().trim_end_matches(')');
    let (address, path) = url.split_once('/').unwrap();
    ask(address.parse().unwrap(), "POST", &format!("/{path}"), "", "").await;
    let answer = server.ask("POST", VALIDATE, &token, &twilio("sandbox-token-with-numbers")).await;
    assert!(
        answer.starts_with("HTTP/1.1 500 ") && answer.contains("provider_unavailable"),
        "{answer}"
    );
    server.terminate();
    server.end();
}

#[tokio::test]
async fn a_request_in_flight_is_finished_when_the_process_is_told_to_stop() {
    let upstream = Upstream::listen().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bonafide.toml");
    let more = format!(
        "[egress]\nallow = [\"127.0.0.0/8\"]\n[providers.mitto]\nbase_url = \"{}\"\n",
        upstream.url()
    );
    std::fs::write(&file, config(&more)).unwrap();
    let mut server =
        Server::start(bonafide(&["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&file));
    assert!(server.token.is_none());
    let address = server.address;
    let asking =
        tokio::spawn(async move { ask(address, "POST", VALIDATE, TOKEN, &question()).await });
    let mut stream = upstream.asked().await;
    server.terminate();
    assert!(read_line(&mut server.stderr).contains("Stopping"));
    accept(&mut stream).await;
    let answer = asking.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    server.end();
}

#[tokio::test]
async fn a_check_is_dropped_when_the_client_goes_away() {
    let upstream = Upstream::listen().await;
    let mut server = Server::start(&mut upstream.serve());
    let (address, token) = (server.address, server.token.take().unwrap());
    let asking =
        tokio::spawn(async move { ask(address, "POST", VALIDATE, &token, &question()).await });
    let mut stream = upstream.asked().await;
    asking.abort();
    let mut rest = Vec::new();
    // However it ends, it ends: the check would wait five minutes.
    let _closed_or_reset = stream.read_to_end(&mut rest).await;
    server.terminate();
    server.end();
}

#[tokio::test]
async fn a_client_that_sends_too_much_gets_to_read_why() {
    let server = Server::start(&mut bonafide(&["serve", "--listen", "127.0.0.1:0"]));
    let token = server.token.clone().unwrap();
    let large = " ".repeat(900_000);
    assert!(server.ask("POST", VALIDATE, &token, &large).await.starts_with("HTTP/1.1 413 "));
    assert!(server.ask("POST", VALIDATE, "wrong", &large).await.starts_with("HTTP/1.1 401 "));
    server.terminate();
    server.end();
}

#[test]
fn a_filter_of_the_log_that_is_not_understood_is_warned_of() {
    let output = bonafide(&["providers"]).env("RUST_LOG", "bonafide=loud").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("RUST_LOG is not understood"), "{said}");
    assert!(!said.contains('\u{1b}'), "it is no terminal: {said}");
}

#[tokio::test]
async fn every_line_of_a_request_bears_its_trace_id_and_none_a_secret() {
    let mut server = Server::start(
        bonafide(&["serve", "--sandbox", "--listen", "127.0.0.1:0"]).env("RUST_LOG", "trace"),
    );
    let log = server.read_log();
    let token = server.token.clone().unwrap();
    let secrets = ["sandbox-token-with-numbers", "Marker-0f1e2d"];
    for secret in secrets {
        for (id, settings) in [
            (
                "1000",
                json!({"account_sid": "AC00000000000000000000000000000001", "auth_token": secret}),
            ),
            (
                "1001",
                json!({"sending_domain": "smtp.example.com", "port": "587", "username": "news@example.com", "password": secret}),
            ),
            ("1002", json!({"api_key": secret})),
            ("1003", json!({"api_key": secret})),
            ("1004", json!({"api_key": secret, "sender_name": "Example"})),
            ("1005", json!({"api_key": secret, "domain": "mg.example.com"})),
            ("1005", json!({"api_key": [secret], secret: secret})),
            (secret, json!({})),
        ] {
            let body = json!({"name": secret, "provider_id": id, "settings": settings}).to_string();
            let answer = server.ask("POST", VALIDATE, &token, &body).await;
            assert!(!answer.contains(secret), "{answer}");
        }
        server.ask("GET", &format!("/{secret}?{secret}"), secret, "").await;
    }
    server.terminate();
    server.end();
    let log = log.join().unwrap();
    for secret in secrets.into_iter().chain([token.as_str()]) {
        assert!(!log.contains(secret), "{secret}");
        // In base64 what follows a colon at any of the three offsets; the ends depend on the neighbours.
        for padding in ["", "x", "xx"] {
            let encoded =
                base64::engine::general_purpose::STANDARD.encode(format!("{padding}{secret}"));
            let middle = &encoded[4..encoded.len() - 4];
            assert!(!log.contains(middle), "{secret}");
        }
    }
    let answered: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == "Answered a request.")
        .collect();
    assert_eq!(answered.len(), 18);
    for line in &answered {
        assert!(line["span"]["trace_id"].is_string(), "{line}");
        assert!(line["status"].is_u64() && line["elapsed_ms"].is_u64(), "{line}");
    }
    assert_eq!(answered[0]["provider"], "twilio");
    assert_eq!(answered[0]["route"], VALIDATE);
    assert_eq!(answered[0]["account"], "local");
    assert_eq!(answered[9]["cause"], "invalid_credentials");
    assert_eq!(answered[9]["provider_status"], 401);
}

#[tokio::test]
async fn the_trace_of_the_caller_is_taken_over_and_goes_no_further() {
    let upstream = Upstream::listen().await;
    let mut server = Server::start(&mut upstream.serve());
    let (address, token) = (server.address, server.token.take().unwrap());
    let log = server.log();
    let question = question();
    let request = format!(
        "POST {VALIDATE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: vendor=opaque\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{question}",
        question.len()
    );
    let asking = tokio::spawn(async move { send_raw(address, &request).await });
    let (mut stream, heard) = upstream.heard().await;
    accept(&mut stream).await;
    let answer = String::from_utf8(asking.await.unwrap()).unwrap();
    let trace_id = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
    assert!(answer.contains(&format!("x-trace-id: {trace_id}\r\n")), "{answer}");
    let line: Value = serde_json::from_str(&log.wait_for("Answered a request.")).unwrap();
    assert_eq!(line["span"]["trace_id"], trace_id);
    let heard = heard.to_ascii_lowercase();
    for inside in ["traceparent", "tracestate", "4bf92f35"] {
        assert!(!heard.contains(inside), "{heard}");
    }
    server.terminate();
    server.end();
}

/// A standard error that holds nothing, to stand in for one that is read elsewhere.
fn spare_stderr() -> ChildStderr {
    let mut child = Command::new("true").stderr(Stdio::piped()).spawn().unwrap();
    child.wait().unwrap();
    child.stderr.take().unwrap()
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = bonafide(&["serve", "--listen", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with(&format!("error: cannot listen on `{address}`")), "{said}");
    assert!(output.stdout.is_empty());
}
