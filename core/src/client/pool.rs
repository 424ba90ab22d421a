//! Connections that wait for the next request.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::uri::Authority;
use tokio::time::{Instant, sleep};

use super::Connection;

/// How long a connection is kept that nobody uses.
const LONGEST_REST: Duration = Duration::from_secs(90);
/// How often it is looked for those, and for what the other side has closed.
const SWEEP: Duration = Duration::from_secs(15);

/// Connections that wait for the next request, by host.
#[derive(Default)]
pub(super) struct Pool(Mutex<State>);

#[derive(Default)]
struct State {
    hosts: HashMap<Authority, Vec<Resting>>,
    /// Whether a task looks after them.
    swept: bool,
}

struct Resting {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// Takes a connection to this host, the one that was used last. One that can be shared stays for others, too.
    pub(super) fn take(&self, host: &Authority) -> Option<Connection> {
        loop {
            let mut state = self.state();
            let connections = state.hosts.get_mut(host)?;
            let mut last = connections.pop()?;
            if let Connection::Shared(requests) = &last.connection
                && !requests.is_closed()
            {
                let shared = Connection::Shared(requests.clone());
                last.since = Instant::now();
                connections.push(last);
                return Some(shared);
            }
            drop(state);
            if last.connection.is_usable() {
                return Some(last.connection);
            }
        }
    }

    /// Keeps a connection for the next request, if it can take one.
    pub(super) fn put(self: &Arc<Self>, host: Authority, mut connection: Connection) {
        if !connection.is_usable() {
            return;
        }
        let mut state = self.state();
        let resting = Resting { connection, since: Instant::now() };
        state.hosts.entry(host).or_default().push(resting);
        if !mem::replace(&mut state.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go of what has rested too long or was closed, until nothing is left.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.state();
        state.hosts.retain(|_, connections| {
            connections.retain_mut(|Resting { connection, since }| {
                since.elapsed() < LONGEST_REST && connection.is_usable()
            });
            !connections.is_empty()
        });
        if state.hosts.is_empty() {
            state.swept = false;
            return;
        }
    }
}
