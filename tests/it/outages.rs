//! What happens while others fail for long: providers that never answer, and name servers.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use crate::limits::{descriptors, in_shell, is_running, settle, soon};
use crate::process::{Server, ask};
use crate::support::{VALIDATE, tell};
use crate::upstream::{Upstream, accept, lead_to, question};

/// Asks all of these at once.
fn ask_all(server: &Server, bodies: impl IntoIterator<Item = String>) -> JoinSet<String> {
    let (address, token) = (server.address, server.token.clone().unwrap());
    let mut asking = JoinSet::new();
    for body in bodies {
        let token = token.clone();
        asking.spawn(async move { ask(address, "POST", VALIDATE, &token, &body).await });
    }
    asking
}

/// Waits for every answer, each of which is a 500 that holds this text.
async fn expect_no_verdict(mut asking: JoinSet<String>, text: &str) {
    while let Some(answer) = soon("an answer", asking.join_next()).await {
        let answer = answer.unwrap();
        assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains(text), "{answer}");
    }
}

fn without_rate(command: &mut Command) {
    command.env("BONAFIDE_RATE_LIMIT__PER_SECOND", "0").env("BONAFIDE_RATE_LIMIT__PER_MINUTE", "0");
}

/// A check of another provider, which answers.
async fn ask_another(server: &Server, upstream: &Upstream) {
    let asking = ask_all(server, [question()]);
    accept(&mut upstream.asked().await).await;
    for answer in soon("another", asking.join_all()).await {
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    }
}

/// Asks until a check is let through to the provider, which is left alone after so many failures, and answers it.
async fn answer_one(server: &Server, provider: &TcpListener, question: impl Fn(usize) -> String) {
    for number in 0.. {
        let mut asking = ask_all(server, [question(number)]);
        tokio::select! {
            asked = provider.accept() => {
                let (mut asked, _) = asked.unwrap();
                // To the end of its body: a connection that is closed with something unread is reset.
                let mut request = Vec::new();
                while !request.ends_with(b"}") {
                    asked.read_buf(&mut request).await.unwrap();
                }
                asked.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").await.unwrap();
                expect_no_verdict(asking, "unexpected_response").await;
                return;
            }
            Some(answer) = asking.join_next() => {
                let answer = answer.unwrap();
                let wait = answer.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
                tokio::time::sleep(Duration::from_secs(wait.parse().unwrap())).await;
            }
        }
    }
}

/// A number that the system tells of the process, such as `VmRSS`, which is in KiB.
fn status(server: &Server, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_checks_that_wait_for_a_provider_keep_no_other_from_being_asked() {
    const CHECKS: usize = 2000;
    // The test holds both ends.
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).unwrap();
    if limits.maximum.is_some_and(|most| most < 3 * CHECKS as u64) {
        tell("skipped: not enough files may be open here");
        return;
    }
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream::listen().await;
    // It begins with the usual soft limit, under which two thousand checks have no room.
    let mut command = in_shell("ulimit -S -n 1024; exec \"$0\" serve --listen 127.0.0.1:0");
    without_rate(&mut command);
    lead_to(&mut command, &upstream.url());
    let url = format!("http://{}", silent.local_addr().unwrap());
    command
        .env("BONAFIDE_PROVIDERS__MANDRILL__BASE_URL", url)
        .env("BONAFIDE_PROVIDERS__MANDRILL__TIMEOUT", "20s");
    let mut server = Server::start(&mut command);
    let _log = server.log();
    ask_another(&server, &upstream).await;
    settle(&server, |_| true).await;
    let open = descriptors(&server);
    let mut rounds = vec![(status(&server, "VmRSS"), status(&server, "Threads"))];
    for round in 0..3 {
        let question = |number| {
            let settings = json!({"api_key": format!("key-{round}-{number}")});
            json!({"name": "x", "provider_id": "1002", "settings": settings}).to_string()
        };
        let asking = ask_all(&server, (0..CHECKS).map(question));
        let mut asked = Vec::new();
        while asked.len() < CHECKS {
            asked.push(soon("the provider is asked", silent.accept()).await.unwrap());
        }
        ask_another(&server, &upstream).await;
        expect_no_verdict(asking, "provider_timeout").await;
        drop(asked);
        soon("the provider is asked again", answer_one(&server, &silent, question)).await;
        settle(&server, |now| now <= open).await;
        ask_another(&server, &upstream).await;
        rounds.push((status(&server, "VmRSS"), status(&server, "Threads")));
    }
    tell(&format!("KiB and threads before the first round and after each: {rounds:?}"));
    let [(_, threads), (memory, _), _, (memory_at_last, threads_at_last)] = rounds[..] else {
        panic!("{rounds:?}");
    };
    // What the allocator has once got it keeps for the next round, more or less of it; if checks kept theirs, it would
    // be three times as much.
    assert!(memory_at_last < 2 * memory, "{rounds:?}");
    assert!(threads_at_last <= threads, "{rounds:?}");
    server.terminate();
    server.end();
}

/// Takes questions on the port of name servers, and answers none until it is told that there are no such names.
#[derive(Clone)]
struct NameServer(Arc<State>);

/// A question, and who asked it.
type Question = (Vec<u8>, SocketAddr);

struct State {
    socket: UdpSocket,
    /// What is kept of the questions, until they are answered.
    asked: Mutex<Option<Vec<Question>>>,
}

impl NameServer {
    /// Where it listens: on loopback, where nobody else does.
    const ADDRESS: &str = "127.83.7.53";

    /// `None` where this user may not listen on such a port.
    async fn listen() -> Option<Self> {
        let socket = UdpSocket::bind((Self::ADDRESS, 53)).await.ok()?;
        let server = Self(Arc::new(State { socket, asked: Mutex::new(Some(Vec::new())) }));
        let serving = server.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 1024];
            loop {
                let (length, client) = serving.0.socket.recv_from(&mut buffer).await.unwrap();
                let question = (buffer[..length].to_vec(), client);
                let mut asked = serving.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
                match &mut *asked {
                    Some(asked) => asked.push(question),
                    None => serving.deny(&question),
                }
            }
        });
        Some(server)
    }

    fn asked(&self) -> usize {
        self.0.asked.lock().unwrap().as_ref().map_or(0, Vec::len)
    }

    /// Answers all that was asked, and what is asked from now on.
    fn recover(&self) {
        for question in self.0.asked.lock().unwrap().take().unwrap() {
            self.deny(&question);
        }
    }

    /// Whoever asks may be gone.
    fn deny(&self, (question, client): &Question) {
        let mut answer = question.clone();
        // A response, with recursion, that says NXDOMAIN (RFC 1035, section 4.1.1).
        answer[2] |= 0x80;
        answer[3] = 0x83;
        let _gone = self.0.socket.try_send_to(&answer, *client);
    }

    /// A server whose system asks this name server, and waits for minutes. `None` where that cannot be made.
    fn serve(folder: &Path, upstream: &Upstream) -> Option<Command> {
        const NAMESPACE: &str = "mount --bind \"$RESOLV\" /etc/resolv.conf";
        let file = folder.join("resolv.conf");
        std::fs::write(&file, format!("nameserver {}\n", Self::ADDRESS)).unwrap();
        let unshare = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", &format!("{NAMESPACE} && {script}")]);
            command.arg(env!("CARGO_BIN_EXE_bonafide"));
            command
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                .env("RESOLV", &file)
                .env("RES_OPTIONS", "timeout:30 attempts:5");
            command
        };
        if !unshare("true").output().is_ok_and(|output| output.status.success()) {
            return None;
        }
        let mut command = unshare("exec \"$0\" serve --listen 127.0.0.1:0");
        without_rate(&mut command);
        lead_to(&mut command, &upstream.url().replace("127.0.0.1", "localhost"));
        command
            .env("BONAFIDE_EGRESS__ALLOW", "127.0.0.0/8,::1/128")
            .env("BONAFIDE_PROVIDERS__SMTP__TIMEOUT", "10s");
        Some(command)
    }
}

/// A check of a mail server whose name nobody has looked up before.
fn mail_server(number: usize) -> String {
    let settings = json!({
        "sending_domain": format!("mail-{number}.example.org"), "port": "587",
        "username": "news@example.com", "password": "key",
    });
    json!({"name": "x", "provider_id": "1001", "settings": settings}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_that_hang_end_without_a_verdict_and_keep_no_other_from_being_made() {
    let upstream = Upstream::listen().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(names) = NameServer::listen().await else {
        tell("skipped: this user may not listen on the port of name servers");
        return;
    };
    let Some(mut command) = NameServer::serve(folder.path(), &upstream) else {
        tell("skipped: this user may not give a process a name server of its own");
        return;
    };
    let mut server = Server::start(&mut command);
    let (_log, token) = (server.log(), server.token.clone().unwrap());
    let threads = status(&server, "Threads");
    // More than the runtime has threads for look-ups.
    let asking = ask_all(&server, (0..600).map(mail_server));
    soon("as many are looked up as may be", async {
        while names.asked() < 256 {
            assert!(server.ask("GET", "/healthz", "", "").await.starts_with("HTTP/1.1 200 "));
        }
    })
    .await;
    // The name of a provider is looked up meanwhile: `localhost`, which stands in a file.
    ask_another(&server, &upstream).await;
    expect_no_verdict(asking, "The host name cannot be looked up at the moment").await;
    // Where the name of a built-in host cannot be looked up, it is an outage as well.
    let mandrill = json!({"name": "x", "provider_id": "1002", "settings": {"api_key": "key"}});
    let asking = ask_all(&server, [mandrill.to_string()]);
    expect_no_verdict(asking, "provider_unavailable").await;
    let most = status(&server, "Threads");
    assert!((256..256 + 128 + 16).contains(&most), "{most} threads");

    // Told to stop, a process does not wait for them either.
    let stopping = Server::start(&mut command);
    expect_no_verdict(ask_all(&stopping, [mail_server(601)]), "cannot be looked up").await;
    stopping.terminate();
    soon("the end of the process", async {
        while is_running(stopping.id()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stopping.end();

    names.recover();
    soon("names are looked up again", async {
        loop {
            let answer = server.ask("POST", VALIDATE, &token, &mail_server(600)).await;
            if answer.contains("This host does not exist.") {
                break;
            }
            assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        }
    })
    .await;
    soon("threads end", async {
        while status(&server, "Threads") > threads + 2 {
            assert!(server.ask("GET", "/healthz", "", "").await.starts_with("HTTP/1.1 200 "));
        }
    })
    .await;
    server.terminate();
    server.end();
}
