//! Clients that ask as fast as they are answered, as cheaply as can be, so that the service is what is measured.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::Result;

/// What is asked, over and over.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) path: &'static str,
    pub(crate) token: String,
    /// The body, but for a number in the place of [`NUMBER`] that makes each one unlike the others.
    pub(crate) body: String,
    /// The status that every answer must have.
    pub(crate) status: &'static str,
}

/// Where the number goes.
pub(crate) const NUMBER: &str = "{number}";
/// As long as every number, so that the length of the body is known.
const DIGITS: usize = 9;
/// A burst that takes longer has lost an answer.
const MAX_BURST: Duration = Duration::from_mins(1);

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load {
    pub(crate) answers: usize,
    pub(crate) elapsed: Duration,
    /// In order, shortest first.
    latencies: Vec<Duration>,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of the answers did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// Asks for this long over this many connections, after a warm-up of a quarter of it. `begin` and `end` are told when
/// the time that counts begins and ends.
pub(crate) fn run(
    address: SocketAddr,
    question: &Question,
    connections: usize,
    duration: Duration,
    mut begin: impl FnMut(),
    mut end: impl FnMut(),
) -> Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let measuring = Rc::new(Cell::new(false));
        let latencies = Rc::new(RefCell::new(Vec::with_capacity(1 << 20)));
        let number = Rc::new(Cell::new(start_number()));
        let mut clients = Vec::new();
        for _ in 0..connections {
            let mut client = Client::connect(address, question).await?;
            let (measuring, latencies, number) =
                (Rc::clone(&measuring), Rc::clone(&latencies), Rc::clone(&number));
            clients.push(tokio::task::spawn_local(async move {
                loop {
                    number.set(number.get() + 1);
                    let asked = Instant::now();
                    client.ask(number.get()).await?;
                    if measuring.get() {
                        latencies.borrow_mut().push(asked.elapsed());
                    }
                }
                #[expect(unreachable_code, reason = "it says what the errors are")]
                Result::<()>::Ok(())
            }));
        }
        tokio::time::sleep(duration / 4).await;
        begin();
        measuring.set(true);
        let start = Instant::now();
        tokio::time::sleep(duration).await;
        measuring.set(false);
        let elapsed = start.elapsed();
        end();
        for client in clients {
            if client.is_finished() {
                client.await??;
            } else {
                client.abort();
            }
        }
        let mut latencies = latencies.take();
        latencies.sort_unstable();
        Ok(Load { answers: latencies.len(), elapsed, latencies })
    })
}

/// Connects this many clients, then lets all of them ask at once, and waits until each has the expected answer. `begin` is
/// told when they are connected and nobody has asked yet. How long it took from the first question to the last answer.
pub(crate) fn burst(
    address: SocketAddr,
    question: &Question,
    clients: usize,
    begin: impl FnOnce(),
) -> Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut connected = Vec::with_capacity(clients);
        for number in 0..clients {
            connected.push(Client::connect(address, question).await?);
            // The service's queue has 128 places, and a connection that finds it full comes again a second later.
            if number % 64 == 63 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        // The last of them has to be accepted by the service too.
        tokio::time::sleep(Duration::from_millis(500)).await;
        begin();
        let start = Instant::now();
        let first = start_number();
        let all_answered = async {
            for (number, client) in connected.iter_mut().enumerate() {
                client.send(first + number).await?;
            }
            for client in &mut connected {
                client.receive().await?;
            }
            Result::<()>::Ok(())
        };
        tokio::time::timeout(MAX_BURST, all_answered)
            .await
            .map_err(|_| format!("not all are answered after {} s", MAX_BURST.as_secs()))??;
        Ok(start.elapsed())
    })
}

/// Asks once over a new connection.
pub(crate) async fn ask_once(address: SocketAddr, question: &Question) -> Result<()> {
    Client::connect(address, question).await?.ask(start_number()).await
}

/// No two runs ask the same.
fn start_number() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(100_000_000);
    NEXT.fetch_add(5_000_000, Ordering::Relaxed)
}

struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    /// Where in the request the number stands.
    place: Option<usize>,
    answer: Vec<u8>,
    status: &'static str,
}

impl Client {
    async fn connect(address: SocketAddr, question: &Question) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let body = question.body.replace(NUMBER, &"0".repeat(DIGITS));
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            question.path,
            question.token,
            body.len()
        );
        let place = question.body.find(NUMBER).map(|offset| head.len() + offset);
        let request = [head, body].concat().into_bytes();
        Ok(Self {
            stream,
            request,
            place,
            answer: Vec::with_capacity(4096),
            status: question.status,
        })
    }

    async fn ask(&mut self, number: usize) -> Result<()> {
        self.send(number).await?;
        self.receive().await
    }

    async fn send(&mut self, number: usize) -> Result<()> {
        if let Some(place) = self.place {
            let digits = format!("{number:0DIGITS$}");
            if let Some(there) = self.request.get_mut(place..place + DIGITS) {
                there.copy_from_slice(digits.as_bytes().get(..DIGITS).ok_or("too many requests")?);
            }
        }
        Ok(self.stream.write_all(&self.request).await?)
    }

    async fn receive(&mut self) -> Result<()> {
        self.answer.clear();
        let head = loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the service closed the connection".into());
            }
            if let Some(end) = self.answer.windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = std::str::from_utf8(self.answer.get(..head).unwrap_or_default())?;
        if text.split(' ').nth(1) != Some(self.status) {
            return Err(
                format!("unexpected answer: {}", String::from_utf8_lossy(&self.answer)).into()
            );
        }
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let whole = head + length.unwrap_or_default();
        while self.answer.len() < whole {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the service broke off".into());
            }
        }
        Ok(())
    }
}
