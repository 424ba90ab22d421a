//! What clients may take of the server, and what happens when they or the system take too much.
//!
//! Nothing here measures time: limits are short where they must run out, so long that they cannot where something else
//! is shown, and what is waited for is the event.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::bonafide;
use crate::process::{HANGS, Server, ask, connect};
use crate::support::{CATALOGUE, VALIDATE, tell};
use crate::upstream::{Upstream, accept, question};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// A server with these limits, by their names.
fn serve(limits: &[(&str, &str)]) -> Server {
    let mut command = bonafide(&["serve", "--listen", "127.0.0.1:0"]);
    limit(&mut command, limits);
    Server::start(&mut command)
}

fn limit(command: &mut Command, limits: &[(&str, &str)]) {
    for (name, value) in limits {
        command.env(format!("BONAFIDE_LIMITS__{}", name.to_uppercase()), value);
    }
}

/// Fails what hangs.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(HANGS, future).await.unwrap_or_else(|_| panic!("this hangs: {what}"))
}

/// Everything that comes until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // What is unread when a connection is closed makes a reset of it.
    let _closed_or_reset = soon("closing", stream.read_to_end(&mut rest)).await;
    String::from_utf8(rest).unwrap()
}

/// Sends a request on a connection that stays open, and reads the answer that is known to have a body of this end.
async fn exchange(stream: &mut TcpStream, request: &str, end: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with(end) {
        let mut buffer = [0; 1024];
        let read = soon("an answer", stream.read(&mut buffer)).await.unwrap();
        assert!(read > 0, "closed after: {answer}");
        answer += std::str::from_utf8(&buffer[..read]).unwrap();
    }
    answer
}

async fn health(stream: &mut TcpStream) {
    let answer = exchange(stream, HEALTH, "}").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

fn post(token: &str, length: usize) -> String {
    format!(
        "POST {VALIDATE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// A whole request that asks the provider.
fn asking(token: &str) -> String {
    let question = question();
    post(token, question.len()) + &question
}

#[tokio::test]
async fn a_head_that_does_not_come_closes_the_connection_without_a_word() {
    let server = serve(&[("head_timeout", "1s"), ("idle_timeout", "5m")]);
    let mut all = Vec::new();
    for beginning in ["", "G", "GET /healthz HTTP/1.1\r\nhost: x\r\n", "\r\n\r\n"] {
        all.push((beginning, connect(server.address, beginning).await));
    }
    for (beginning, mut slow) in all {
        assert_eq!(rest(&mut slow).await, "", "{beginning:?}");
    }
    // The same between requests, where the connection could idle for minutes if it said nothing.
    let mut idle = connect(server.address, "").await;
    health(&mut idle).await;
    let mut slow = connect(server.address, "").await;
    health(&mut slow).await;
    slow.write_all(b"GET").await.unwrap();
    assert_eq!(rest(&mut slow).await, "");
    health(&mut idle).await;
    server.terminate();
    server.end();
}

#[tokio::test]
async fn a_head_that_dribbles_in_gets_no_more_time_than_one_that_stops() {
    let mut server = serve(&[("head_timeout", "500ms"), ("idle_timeout", "5m")]);
    let _log = server.log();
    let mut other = connect(server.address, "").await;
    let slow = connect(server.address, "GET /healthz HTTP/1.1\r\nx: ").await;
    let (mut reading, mut writing) = slow.into_split();
    // A byte for every answer that another gets: the size of a head would last for many times as long as its time.
    let end = async {
        let mut buffer = [0; 64];
        loop {
            let dribble = async {
                health(&mut other).await;
                writing.write_all(b"y").await
            };
            tokio::select! {
                read = reading.read(&mut buffer) => break read.unwrap_or(0),
                written = dribble => if written.is_err() { break 0 },
            }
        }
    };
    assert_eq!(soon("closing", end).await, 0, "it was closed without a word");
    server.terminate();
    server.end();
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = serve(&[("head_timeout", "5m"), ("idle_timeout", "100ms")]);
    let mut idle = connect(server.address, "").await;
    health(&mut idle).await;
    assert_eq!(rest(&mut idle).await, "");
    server.terminate();
    server.end();
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_let_go() {
    let mut command = bonafide(&["serve", "--listen", "127.0.0.1:0"]);
    limit(&mut command, &[("idle_timeout", "100ms"), ("head_timeout", "100ms")]);
    let mut server = Server::start(command.env("RUST_LOG", "info,bonafide=debug"));
    let (log, token) = (server.log(), server.token.clone().unwrap());
    let document =
        format!("GET /openapi.json HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    // More than the buffers of both sides hold.
    let stream = connect(server.address, &document.repeat(400)).await;
    log.wait_for("its client took too long");
    drop(stream);
    server.terminate();
    server.end();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_refused_and_the_connection_closed() {
    let server = serve(&[("body_timeout", "100ms"), ("idle_timeout", "5m")]);
    let token = server.token.clone().unwrap();
    for (token, status, said) in
        [(token.as_str(), "400", "did not arrive in full"), ("unknown", "401", "needs the token")]
    {
        let mut slow = connect(server.address, &(post(token, 1000) + "{")).await;
        let answer = rest(&mut slow).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(said), "{answer}");
    }
    // A route that takes no body does not wait for one.
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
    let answer = rest(&mut connect(server.address, request).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.terminate();
    server.end();
}

#[tokio::test]
async fn what_the_http_library_refuses_is_refused_without_detail() {
    let server = serve(&[("head_bytes", "2048"), ("headers", "20")]);
    let long = "x".repeat(2048);
    for (status, text) in [
        ("400", "nonsense\r\n\r\n".to_owned()),
        ("400", "GET /healthz HTTP/1.1\r\nno colon\r\n\r\n".to_owned()),
        ("400", "GET /healthz HTTP/3.0\r\n\r\n".to_owned()),
        ("400", "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned()),
        ("431", format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n")),
        ("431", format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n")),
        ("431", format!("GET /healthz HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(21))),
        ("431", format!("GET /healthz HTTP/1.1\r\nx: {long}")),
    ] {
        let answer = rest(&mut connect(server.address, &text).await).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{text:?}: {head}");
        assert_eq!(body, "", "{text:?}");
        let names: Vec<&str> =
            head.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
        assert_eq!(names, ["connection", "content-length", "date"], "{text:?}");
    }
    let fits = format!(
        "GET /healthz HTTP/1.1\r\n{}x: {}\r\n\r\n",
        "x: y\r\n".repeat(19),
        "x".repeat(1900)
    );
    let mut stream = connect(server.address, "").await;
    assert!(exchange(&mut stream, &fits, "}").await.starts_with("HTTP/1.1 200 "));
    server.terminate();
    server.end();
}

#[tokio::test]
async fn slow_clients_make_room_for_others() {
    // No limit of time runs out here: only that of connections holds.
    let mut server = serve(&[
        ("connections", "40"),
        ("head_timeout", "5m"),
        ("body_timeout", "5m"),
        ("idle_timeout", "5m"),
    ]);
    let (_log, token) = (server.log(), server.token.clone().unwrap());
    // It idles, but not as long as the others keep the server waiting.
    let mut frequent = connect(server.address, "").await;
    let mut slow = Vec::new();
    for number in 0..300 {
        let beginning = ["", "GET /healthz HTTP/1.1\r\nhost: x\r\n", HEALTH][number % 3];
        slow.push(connect(server.address, beginning).await);
        // Connections are accepted in their order: when this one is answered, the slow one is in.
        let answer = soon("a request", server.ask("GET", CATALOGUE, &token, "")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        health(&mut frequent).await;
    }
    // The first ones have waited longest, and are gone; some may have changed places.
    for stream in &mut slow[..250] {
        rest(stream).await;
    }
    server.terminate();
    drop(slow);
    server.end();
}

#[tokio::test]
async fn connections_with_a_request_at_work_are_never_closed_for_others() {
    let upstream = Upstream::listen().await;
    let mut command = upstream.serve();
    limit(&mut command, &[("connections", "2")]);
    let server = Server::start(&mut command);
    let (address, token) = (server.address, server.token.clone().unwrap());
    let mut asking = Vec::new();
    let mut asked = Vec::new();
    for _ in 0..2 {
        let token = token.clone();
        asking.push(tokio::spawn(async move {
            ask(address, "POST", VALIDATE, &token, &question()).await
        }));
        asked.push(upstream.asked().await);
    }
    let open = descriptors(&server);
    let waiting = tokio::spawn(async move { ask(address, "GET", "/healthz", "", "").await });
    // When it is in, it is decided who makes room for it, and at once: nobody.
    soon("the third is accepted", async {
        while descriptors(&server) <= open {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..1000 {
        assert_eq!(descriptors(&server), open + 1);
    }
    for (mut stream, asking) in asked.into_iter().zip(asking) {
        accept(&mut stream).await;
        let answer = soon("an answer", asking).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    }
    assert!(soon("the third", waiting).await.unwrap().starts_with("HTTP/1.1 200 "));
    server.terminate();
    server.end();
}

/// How many files and sockets the process has open.
pub(crate) fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count()
}

#[tokio::test]
async fn clients_that_vanish_leave_nothing_behind() {
    let upstream = Upstream::listen().await;
    let mut server = Server::start(&mut upstream.serve());
    let (_log, token) = (server.log(), server.token.clone().unwrap());
    // What is opened for the first request of all stays.
    let mut first = connect(server.address, &asking(&token)).await;
    upstream.asked().await.write_all(b"nonsense\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1024];
    assert!(soon("an answer", first.read(&mut buffer)).await.unwrap() > 0);
    drop(first);
    settle(&server, |_| true).await;
    let before = descriptors(&server);

    let mut clients = Vec::new();
    let mut asked = Vec::new();
    for _ in 0..50 {
        clients.push(connect(server.address, &asking(&token)).await);
        asked.push(upstream.asked().await);
        clients.push(connect(server.address, "").await);
        clients.push(connect(server.address, "GET /healthz HTTP/1.1\r\n").await);
        clients.push(connect(server.address, &(post(&token, 1000) + "{")).await);
    }
    assert!(descriptors(&server) >= before + 100);
    drop(clients);
    for mut stream in asked {
        rest(&mut stream).await;
    }
    settle(&server, |open| open <= before).await;
    server.terminate();
    server.end();
}

/// Asks the server for its health, each time on a connection of its own, until it has as many descriptors as wanted.
pub(crate) async fn settle(server: &Server, is_wanted: impl Fn(usize) -> bool) {
    soon("descriptors are given back", async {
        loop {
            let answer = server.ask("GET", "/healthz", "", "").await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            if is_wanted(descriptors(server)) {
                break;
            }
        }
    })
    .await;
}

/// A script whose `$0` is the command.
pub(crate) fn in_shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_bonafide")]).env_clear();
    command
}

#[tokio::test]
async fn without_file_descriptors_slow_clients_go_and_others_are_served() {
    let mut command = in_shell("ulimit -n 40; exec \"$0\" serve --listen 127.0.0.1:0");
    limit(&mut command, &[("head_timeout", "5m"), ("idle_timeout", "5m")]);
    let mut server = Server::start(&mut command);
    let log = server.log();
    let mut slow = Vec::new();
    for _ in 0..60 {
        slow.push(connect(server.address, "GET").await);
    }
    log.wait_for("cannot be accepted at the moment");
    let answer = soon("a request", server.ask("GET", "/healthz", "", "")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(slow);
    log.wait_for("accepted again");
    let answer = soon("a request", server.ask("GET", "/healthz", "", "")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.terminate();
    server.end();
}

#[tokio::test]
async fn a_disk_that_is_full_of_logs_keeps_nobody_from_being_served() {
    let mut command = in_shell("exec \"$0\" serve --listen 127.0.0.1:0 2>/dev/full");
    let server = Server::start(command.env("RUST_LOG", "trace"));
    let token = server.token.clone().unwrap();
    for _ in 0..3 {
        let answer = soon("a request", server.ask("POST", VALIDATE, &token, "{")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    server.terminate();
    server.end();
}

/// A script that has a small disk of its own, mounted at `$DISK`. `None` where this user may not mount one.
fn with_small_disk(folder: &Path, script: &str) -> Option<Command> {
    let unshare = |script: &str| {
        let mount = "mount -t tmpfs -o size=64k disk \"$DISK\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &format!("{mount} && {script}")]);
        command
            .arg(env!("CARGO_BIN_EXE_bonafide"))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DISK", folder);
        command
    };
    let may_mount = unshare("true").output().is_ok_and(|output| output.status.success());
    may_mount.then(|| unshare(script))
}

#[tokio::test]
async fn a_disk_of_logs_that_has_room_again_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let script = "dd if=/dev/zero of=\"$DISK/filler\" bs=1k count=60 2>/dev/null; \
                  exec \"$0\" serve --listen 127.0.0.1:0 2>>\"$DISK/log\"";
    let Some(mut command) = with_small_disk(folder.path(), script) else {
        tell("skipped: this user may not mount a disk");
        return;
    };
    let server = Server::start(&mut command);
    // The disk as the server sees it.
    let disk = PathBuf::from(format!("/proc/{}/root", server.id()))
        .join(folder.path().strip_prefix("/").unwrap());
    let log = || std::fs::read_to_string(disk.join("log")).unwrap();
    ask_often(&server, 1000).await;
    std::fs::remove_file(disk.join("filler")).unwrap();
    soon("the log goes on", async {
        while !log().contains(LOST) {
            ask_often(&server, 1).await;
        }
    })
    .await;
    server.terminate();
    while is_running(server.id()) {
        tokio::task::yield_now().await;
    }
}

/// Asks for its health as many times on one connection, and counts the answers.
async fn ask_often(server: &Server, times: usize) {
    let (mut reading, mut writing) = connect(server.address, "").await.into_split();
    let last = HEALTH.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let requests = HEALTH.repeat(times - 1) + &last;
    let mut answers = Vec::new();
    let both = async {
        tokio::join!(writing.write_all(requests.as_bytes()), reading.read_to_end(&mut answers))
    };
    let (written, read) = soon("answers", both).await;
    written.and(read).unwrap();
    let answers = String::from_utf8(answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), times);
}

const ANSWERED: &str = "Answered a request.";
const LOST: &str = "Lines of the log are lost here";

#[tokio::test]
async fn a_log_that_nobody_reads_keeps_nobody_from_being_served() {
    // More lines than the pipe and the queue hold.
    const TIMES: usize = 16_000;
    let mut server = serve(&[]);
    let token = server.token.clone().unwrap();
    ask_often(&server, TIMES).await;
    // From here on somebody reads.
    let log = server.log();
    let (mut written, mut lost) = (0, 0);
    while written + lost < TIMES {
        let line = log.wait_for("\"message\"");
        if line.contains(ANSWERED) {
            written += 1;
        } else if line.contains(LOST) {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            lost += usize::try_from(line["lines"].as_u64().unwrap()).unwrap();
        }
    }
    assert_eq!(written + lost, TIMES, "every line is there, or is told to be missing");
    assert!(lost > 0, "nothing was proved: all of {TIMES} lines found room");
    let metrics = server.ask("GET", "/metrics", &token, "").await;
    assert!(metrics.contains(&format!("\nbonafide_log_lines_lost_total {lost}\n")), "{metrics}");
    ask_often(&server, 1).await;
    log.wait_for(ANSWERED);
    server.terminate();
    server.end();
}

#[tokio::test]
async fn a_log_that_nobody_reads_does_not_keep_the_process_from_its_end() {
    let server = serve(&[]);
    ask_often(&server, 16_000).await;
    server.terminate();
    // It ends by itself: only then is the rest of its log read.
    soon("the end of the process", async {
        while is_running(server.id()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.end();
}

/// Whether this child has not ended. One that has stays a zombie until somebody waits for it.
pub(crate) fn is_running(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    !status.rsplit(')').next().unwrap().trim_start().starts_with('Z')
}
