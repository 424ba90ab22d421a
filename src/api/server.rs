//! Connections: accepted until the process is told to stop, then let go of one by one.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// How long the head of a request may take to arrive, and how long a connection may idle. Load balancers keep idle
/// connections for a minute and must not find them closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How long to wait after a failed accept: without file descriptors the next one would fail too.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves until `stop` is ready, then finishes what is in flight, for as long as `patience` lasts.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    patience: Duration,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let open = GracefulShutdown::new();
    let accepting = async {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted.");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            // Without it small answers may wait for an acknowledgement; where it is not supported nothing breaks.
            let _unsupported = stream.set_nodelay(true);
            let service = TowerToHyperService::new(router.clone());
            let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "A connection broke off.");
                }
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
    drop(listener);
    tracing::info!("Stopping: no more connections, requests in flight are finished.");
    if timeout(patience, open.shutdown()).await.is_err() {
        tracing::warn!("Some requests did not end in time and are dropped.");
    }
}
