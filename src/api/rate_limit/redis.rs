//! Counters in a Redis that replicas share.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Script};
use tokio::time::timeout;
use url::Url;

use super::{Decision, Quota, Window, decide};

/// How long Redis may take before this process counts by itself.
const PATIENCE: Duration = Duration::from_millis(500);

/// Checks every window before it counts in any, so that a refusal uses up nothing. `KEYS` are the windows,
/// `ARGV` their limits and lengths in milliseconds. Returns whether the request is refused, and for each window
/// what it has left and when it ends.
const COUNT: &str = r"
local refused = 0
local used, ends = {}, {}
for index, key in ipairs(KEYS) do
    used[index] = tonumber(redis.call('GET', key) or '0')
    ends[index] = redis.call('PTTL', key)
    if ends[index] < 0 then
        used[index] = 0
        ends[index] = tonumber(ARGV[2 * index])
    end
    if used[index] >= tonumber(ARGV[2 * index - 1]) then
        refused = 1
    end
end
local answer = { refused }
for index, key in ipairs(KEYS) do
    if refused == 0 then
        used[index] = used[index] + 1
        if used[index] == 1 then
            redis.call('SET', key, 1, 'PX', ends[index])
        else
            redis.call('INCR', key)
        end
    end
    table.insert(answer, math.max(0, tonumber(ARGV[2 * index - 1]) - used[index]))
    table.insert(answer, ends[index])
end
return answer
";

pub(super) struct Redis {
    connection: ConnectionManager,
    script: Script,
    windows: Vec<Window>,
}

impl Redis {
    /// Connects, or says why not without the password of the URL.
    pub(super) async fn connect(url: &Url, windows: Vec<Window>) -> Result<Self, String> {
        let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(6379));
        let client = Client::open(url.as_str())
            .map_err(|_| "it is no Redis URL; write `redis://host:port/db`".to_owned())?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(2 * PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connecting = client.get_connection_manager_with_config(config);
        let connection = timeout(10 * PATIENCE, connecting)
            .await
            .map_err(|_elapsed| format!("Redis at `{host}` does not answer"))?
            .map_err(|error| {
                format!("Redis at `{host}` cannot be reached ({})", error.category())
            })?;
        Ok(Self { connection, script: Script::new(COUNT), windows })
    }

    pub(super) async fn count(&self, account: &str) -> Result<Decision, &'static str> {
        if self.windows.is_empty() {
            return Ok(Decision::Admitted(None));
        }
        let mut call = self.script.prepare_invoke();
        for window in &self.windows {
            // The braces keep the keys of one account on one node of a cluster.
            call.key(format!("bonafide:rate:{{{account}}}:{}", window.seconds));
            call.arg(window.limit).arg(u64::from(window.seconds) * 1000);
        }
        let mut connection = self.connection.clone();
        let answer: Vec<u64> = timeout(PATIENCE, call.invoke_async(&mut connection))
            .await
            .map_err(|_elapsed| "it does not answer in time")?
            .map_err(|_| "it does not answer as it should")?;
        let (Some(refused), counted) = (answer.first(), answer.get(1..).unwrap_or_default()) else {
            return Err("it does not answer as it should");
        };
        let quotas =
            self.windows.iter().zip(counted.chunks_exact(2)).map(|(window, counted)| Quota {
                window: window.length(),
                limit: window.limit.into(),
                remaining: counted.first().copied().unwrap_or_default(),
                reset: Duration::from_millis(counted.last().copied().unwrap_or_default()),
            });
        Ok(decide(*refused == 1, quotas))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};
    use std::thread::JoinHandle;

    use super::*;
    use crate::api::rate_limit::RateLimiter;
    use crate::config::{RateLimit, Store};

    fn windows() -> Vec<Window> {
        vec![Window { limit: 2, seconds: 1 }, Window { limit: 3, seconds: 60 }]
    }

    fn url(port: u16) -> Url {
        Url::parse(&format!("redis://:hunter2@127.0.0.1:{port}/1")).unwrap()
    }

    /// Reads one command of the Redis protocol and returns its name.
    fn command(reader: &mut impl std::io::BufRead) -> Option<String> {
        let line = |reader: &mut dyn std::io::BufRead| {
            let mut line = String::new();
            (reader.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
        };
        let count: usize = line(reader)?.strip_prefix('*')?.parse().ok()?;
        let mut words = Vec::new();
        for _ in 0..count {
            line(reader)?;
            // None of our arguments holds a line break, the script aside, which is only sent when it is asked for.
            words.push(line(reader)?);
        }
        words.into_iter().next()
    }

    /// Answers one connection as Redis would, scripts with `answer`, and goes away after the first script.
    fn stand_in(answer: &'static str) -> (u16, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = move |stream: TcpStream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut writer = stream;
            while let Some(command) = command(&mut reader) {
                let is_script = command == "EVALSHA";
                writer.write_all(if is_script { answer } else { "+OK\r\n" }.as_bytes()).unwrap();
                if is_script {
                    break;
                }
            }
        };
        let thread = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        (port, thread)
    }

    #[tokio::test]
    async fn without_redis_nothing_starts_and_the_password_is_not_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = Redis::connect(&url(port), windows()).await.err().unwrap();
        assert!(error.starts_with(&format!("Redis at `127.0.0.1:{port}`")), "{error}");
        assert!(!error.contains("hunter2"));
    }

    #[tokio::test]
    async fn when_redis_goes_away_this_process_counts_by_itself() {
        let (port, gone) = stand_in("*5\r\n:0\r\n:1\r\n:900\r\n:0\r\n:59000\r\n");
        let config = RateLimit { per_second: 0, per_minute: 1, store: Store::Redis(url(port)) };
        let limiter = RateLimiter::new(&config).await.unwrap();
        let Decision::Admitted(Some(quota)) = limiter.count("a").await else { panic!("refused") };
        let (window, reset) = (Duration::from_mins(1), Duration::from_millis(900));
        assert_eq!(quota, Quota { window, limit: 1, remaining: 1, reset });
        gone.join().unwrap();
        assert!(matches!(
            limiter.count("a").await,
            Decision::Admitted(Some(Quota { remaining: 0, .. }))
        ));
        assert!(matches!(limiter.count("a").await, Decision::Limited { .. }));
    }

    struct Server(Child);

    impl Drop for Server {
        fn drop(&mut self) {
            let _gone = self.0.kill();
            let _gone = self.0.wait();
        }
    }

    #[tokio::test]
    #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
    async fn a_real_redis_counts_all_windows_or_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let started = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "", "--requirepass", "hunter2"])
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = started else {
            eprintln!("skipped: there is no `redis-server` on the path");
            return;
        };
        let output = BufReader::new(child.stdout.take().unwrap());
        let _server = Server(child);
        assert!(output.lines().any(|line| line.unwrap().contains("Ready to accept connections")));
        let redis = Redis::connect(
            &url(port),
            vec![Window { limit: 50, seconds: 60 }, Window { limit: 3, seconds: 3600 }],
        )
        .await
        .unwrap();
        let mut remaining = Vec::new();
        for _ in 0..3 {
            let Decision::Admitted(Some(quota)) = redis.count("a").await.unwrap() else {
                panic!("refused")
            };
            remaining.push((quota.limit, quota.remaining));
        }
        assert_eq!(remaining, [(3, 2), (3, 1), (3, 0)]);
        for _ in 0..5 {
            let Decision::Limited { wait, window } = redis.count("a").await.unwrap() else {
                panic!("admitted")
            };
            assert!(wait > Duration::from_mins(1) && wait <= Duration::from_hours(1));
            assert_eq!(window, Duration::from_hours(1));
        }
        let mut connection = redis.connection.clone();
        let used: u64 = ::redis::cmd("GET")
            .arg("bonafide:rate:{a}:60")
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(used, 3, "a refusal by one window does not use up the other");
        assert!(matches!(redis.count("b").await.unwrap(), Decision::Admitted(_)));
    }
}
