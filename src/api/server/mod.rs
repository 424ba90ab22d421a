//! Connections: accepted until the process is told to stop, then let go of one by one.

mod progress;
mod seats;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::io::InspectReader;

use self::progress::Progress;
use self::seats::{Seat, Seats};
use crate::api::Service;
use crate::config::Limits;

/// How long to wait after a failed accept: without file descriptors the next one would fail too.
const PAUSE: Duration = Duration::from_millis(200);
/// How many headers the HTTP library takes unless it is told a number, for which it would allocate with each request.
const USUAL_HEADERS: usize = 100;

/// Serves until `stop` is ready, then finishes what is in flight, for as long as `patience` lasts. `connections` says how
/// many are open.
pub(crate) async fn serve(
    listener: TcpListener,
    service: Service,
    limits: Limits,
    connections: Gauge,
    stop: impl Future<Output = ()>,
    patience: Duration,
) {
    let open = GracefulShutdown::new();
    tokio::select! {
        () = accept_all(&listener, &service, limits, connections, &open) => {}
        () = stop => {}
    }
    drop(listener);
    tracing::info!("Stopping: no more connections, requests in flight are finished.");
    if timeout(patience, open.shutdown()).await.is_err() {
        tracing::warn!("Some requests did not end in time and are dropped.");
    }
}

async fn accept_all(
    listener: &TcpListener,
    service: &Service,
    limits: Limits,
    connections: Gauge,
    open: &GracefulShutdown,
) {
    let http = http(limits);
    let seats = Seats::new(limits.connections, connections);
    let mut fails = false;
    for number in 0.. {
        let stream = loop {
            match listener.accept().await {
                Ok((stream, _)) => break stream,
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    if !fails {
                        tracing::warn!(%error, "Connections cannot be accepted at the moment.");
                    }
                    fails = true;
                    seats.thin_out();
                    sleep(PAUSE).await;
                }
            }
        };
        if std::mem::take(&mut fails) {
            tracing::info!("Connections are accepted again.");
        }
        // Without it small answers may wait for an acknowledgement; where it is not supported nothing breaks.
        let _unsupported = stream.set_nodelay(true);
        let progress = Arc::new(Progress::new(limits));
        let seat = seats.take(number, &progress).await;
        let connection = AcceptedConnection { stream, progress, seat, watcher: open.watcher() };
        tokio::spawn(connection.run(http.clone(), service.clone()));
    }
}

/// How heads are read. Their time is limited by [`Progress`].
fn http(limits: Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).max_header_size(limits.head_bytes);
    if limits.headers != USUAL_HEADERS {
        http.max_headers(limits.headers);
    }
    http
}

/// Whether it was the client who went away before its connection was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

/// A connection that was accepted.
struct AcceptedConnection {
    stream: TcpStream,
    progress: Arc<Progress>,
    seat: Seat,
    watcher: Watcher,
}

impl AcceptedConnection {
    /// Answers request after request, until either side has enough.
    async fn run(self, http: http1::Builder, service: Service) {
        let Self { stream, progress, seat: _seat, watcher } = self;
        let reading = Arc::clone(&progress);
        let stream = InspectReader::new(stream, move |bytes: &[u8]| {
            if !bytes.is_empty() {
                reading.received();
            }
        });
        let service = service_fn(async |request| {
            if !progress.begin() {
                return Err(io::Error::from(ErrorKind::ConnectionAborted));
            }
            let answer = service.answer(request).await;
            progress.answered();
            Ok(answer)
        });
        let connection = watcher.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            biased;
            result = connection => {
                if let Err(error) = result {
                    tracing::debug!(%error, "A connection broke off.");
                }
            }
            () = progress.overdue() => {
                tracing::debug!("A connection was closed: its client took too long, or another needed the room.");
            }
        }
    }
}
