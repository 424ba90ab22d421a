//! What every listener does: accept, serve, and be gone at once when it is told to.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::record::Record;

/// Told `true`, once, when the emulator is to shut down.
pub(crate) type Shutdown = watch::Sender<bool>;

/// Serves every connection until the emulator shuts down, then closes the listener and every connection.
pub(crate) async fn serve<C, F>(
    listener: TcpListener,
    record: Arc<Record>,
    shutdown: Shutdown,
    serve_connection: C,
) where
    C: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut told = shutdown.subscribe();
    let stop = async move {
        // An error means that the emulator is gone, which is as good as being told.
        drop(told.wait_for(|shutdown| *shutdown).await);
    };
    tokio::pin!(stop);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Without this, short replies wait for the other side's delayed acknowledgement.
                    let _ = stream.set_nodelay(true);
                    record.lock().connections += 1;
                    connections.spawn(serve_connection(stream));
                }
                Err(error) => {
                    // Out of file descriptors, as a rule: accepting again at once would only spin.
                    tracing::debug!(%error, "a connection to the emulator failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}
