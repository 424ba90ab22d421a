//! Two replicas and the Redis in which they count together.
//!
//! Redis writes down what it counts, so nothing here depends on when something happens: the windows are read from its
//! file.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cli::bonafide;
use crate::process::{HANGS, Server, connect};
use crate::support::{TOKEN, VALIDATE, account};

/// How many connections ask each replica at the same time.
const CONNECTIONS: usize = 4;

/// A Redis of the test's own.
struct Redis {
    child: Child,
    port: u16,
    folder: TempDir,
    /// Kept open, for what it goes on to say.
    _output: BufReader<ChildStdout>,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Redis {
    /// Starts one, if there is one on this machine.
    #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
    fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let redis = Self::start_at(port);
        if redis.is_none() {
            eprintln!("skipped: there is no `redis-server` on the path");
        }
        redis
    }

    fn start_at(port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "no", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("Ready to accept connections") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "Redis does not start");
        }
        Some(Self { child, port, folder, _output: output })
    }

    /// What was counted in each window of this many seconds, in the order in which they began.
    fn windows(&self, seconds: u32) -> Vec<usize> {
        let key = format!("bonafide:rate:{{a}}:{seconds}");
        let folder = self.folder.path().join("appendonlydir");
        let file = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .unwrap();
        let written = String::from_utf8(std::fs::read(file).unwrap()).unwrap();
        // Each word of a command is behind a line with its length.
        let words: Vec<&str> =
            written.lines().filter(|line| !line.starts_with(['*', '$', '#'])).collect();
        let mut windows = Vec::new();
        for pair in words.windows(2).filter(|pair| pair[1] == key) {
            match pair[0].to_ascii_uppercase().as_str() {
                "SET" => windows.push(1),
                "INCR" => *windows.last_mut().unwrap() += 1,
                _ => {}
            }
        }
        windows
    }
}

/// A replica that counts in this Redis, and asks emulators.
fn replica(redis: &Redis, per_second: u32, per_minute: u32, folder: &TempDir) -> Server {
    let file = folder.path().join("bonafide.toml");
    let limits = format!(
        "[rate_limit]\nper_second = {per_second}\nper_minute = {per_minute}\nstore = \"redis://127.0.0.1:{}/0\"\n",
        redis.port
    );
    std::fs::write(&file, account("a", TOKEN) + &limits).unwrap();
    let mut command = bonafide(&["serve", "--sandbox", "--listen", "127.0.0.1:0", "--config"]);
    let mut server = Server::start(command.arg(&file));
    // Or it would wait for a reader.
    drop(server.log());
    server
}

/// One connection of a client, on which it asks again and again.
struct Client {
    stream: TcpStream,
    asked: usize,
}

/// What an answer says.
#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: Option<u64>,
}

impl Answer {
    fn is_admitted(&self) -> bool {
        self.status != 429
    }

    /// Whether the window of a minute is what is used up.
    fn waits_for_the_minute(&self) -> bool {
        self.retry_after.is_some_and(|seconds| seconds > 1)
    }
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self { stream: connect(address, "").await, asked: 0 }
    }

    async fn ask(&mut self) -> Answer {
        self.asked += 1;
        // Nobody else asks for the same at the same time.
        let key = format!("key-{}-{}", self.stream.local_addr().unwrap().port(), self.asked);
        let settings = json!({"api_key": key});
        let body = json!({"name": "x", "provider_id": "1004", "settings": settings}).to_string();
        let answer = self.exchange(&format!("POST {VALIDATE}"), &body).await;
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(matches!(status, 204 | 400 | 429), "{answer}");
        let retry_after = answer.split("retry-after: ").nth(1);
        let retry_after = retry_after.map(|rest| rest.lines().next().unwrap().parse().unwrap());
        Answer { status, retry_after }
    }

    /// Sends a request and reads the answer to its end.
    async fn exchange(&mut self, line: &str, body: &str) -> String {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        loop {
            let read = timeout(HANGS, self.stream.read_buf(&mut answer)).await;
            assert!(read.expect("no answer").unwrap() > 0, "closed without an answer");
            let text = String::from_utf8_lossy(&answer).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.split("content-length: ").nth(1);
            let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
    }
}

/// Asks all of these replicas on several connections, each until an answer is the last one that it wants. Returns how many
/// requests each replica let through.
async fn load(
    replicas: &[&Server],
    is_last: impl Fn(&Answer) -> bool + Copy + Send + 'static,
) -> Vec<usize> {
    let mut clients = JoinSet::new();
    for (number, replica) in replicas.iter().enumerate() {
        let address = replica.address;
        for _ in 0..CONNECTIONS {
            clients.spawn(async move {
                let mut client = Client::connect(address).await;
                let mut admitted = 0;
                loop {
                    let answer = client.ask().await;
                    admitted += usize::from(answer.is_admitted());
                    if is_last(&answer) {
                        return (number, admitted);
                    }
                }
            });
        }
    }
    let mut admitted = HashMap::new();
    for (number, count) in clients.join_all().await {
        *admitted.entry(number).or_default() += count;
    }
    (0..replicas.len()).map(|number| admitted[&number]).collect()
}

async fn store_failures(replica: &Server) -> u64 {
    let mut client = Client::connect(replica.address).await;
    let metrics = client.exchange("GET /metrics", "").await;
    let name = "\nbonafide_rate_limit_store_failures_total ";
    metrics.split(name).nth(1).unwrap().lines().next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_let_through_ten_a_second_and_150_a_minute_together() {
    let Some(redis) = Redis::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let replicas = [replica(&redis, 10, 150, &folder), replica(&redis, 10, 150, &folder)];
    let admitted = load(&replicas.each_ref(), Answer::waits_for_the_minute).await;
    assert_eq!(store_failures(&replicas[0]).await + store_failures(&replicas[1]).await, 0);
    let (seconds, minutes) = (redis.windows(1), redis.windows(60));
    let total: usize = admitted.iter().sum();
    assert!(admitted.iter().all(|count| *count > 0), "one of them did nothing: {admitted:?}");
    // What both let through is what Redis counted, and no window of it is too full.
    assert_eq!(total, seconds.iter().sum::<usize>(), "{seconds:?}");
    assert!(seconds.iter().all(|count| *count <= 10), "{seconds:?}");
    assert!(seconds.iter().filter(|count| **count == 10).count() > 1, "{seconds:?}");
    assert_eq!(total, minutes.iter().sum::<usize>());
    assert_eq!(minutes.last(), Some(&150), "{minutes:?}");
    assert!(minutes.iter().all(|count| *count <= 150), "{minutes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_replica_counts_by_itself_until_it_is_back() {
    let Some(redis) = Redis::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let replicas = [replica(&redis, 0, 20, &folder), replica(&redis, 0, 20, &folder)];
    let [first, second] = replicas.each_ref();
    let refused = |answer: &Answer| !answer.is_admitted();
    let together = load(&[first, second], refused).await;
    assert_eq!(together.iter().sum::<usize>(), 20, "{together:?}");

    // Under load: somebody asks all the time, and each request is answered.
    let address = first.address;
    let (away, mut is_away) = tokio::sync::watch::channel(false);
    let asking = tokio::spawn(async move {
        let mut client = Client::connect(address).await;
        let mut admitted = 0;
        // Once it is away, until the requests of this process are used up.
        loop {
            let sure = *is_away.borrow_and_update();
            let answer = client.ask().await;
            admitted += usize::from(answer.is_admitted());
            if sure && !answer.is_admitted() {
                return admitted;
            }
        }
    });
    let port = redis.port;
    drop(redis);
    away.send(true).unwrap();
    let alone = timeout(HANGS, asking).await.unwrap().unwrap();
    let other = load(&[second], refused).await;
    assert_eq!((alone, other.as_slice()), (20, [20].as_slice()), "each has its own count");
    for replica in &replicas {
        assert!(store_failures(replica).await > 0);
    }

    // By themselves they refuse for the rest of the minute, so whoever lets one through counts in Redis again.
    let redis = Redis::start_at(port).unwrap();
    let mut admitted = 0;
    for replica in &replicas {
        let mut client = Client::connect(replica.address).await;
        let shared = async { while !client.ask().await.is_admitted() {} };
        timeout(HANGS, shared).await.expect("Redis is not used again");
        admitted += 1;
    }
    admitted += load(&[first, second], refused).await.iter().sum::<usize>();
    assert_eq!((admitted, redis.windows(60)), (20, vec![20]));
}
