//! Who may be connected at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::progress::Progress;

/// How long to wait for a seat before it is looked again whether one can be had.
const PAUSE: Duration = Duration::from_millis(50);

/// As many seats as there may be connections.
pub(super) struct Seats {
    free: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Arc<Progress>>>,
    count: Gauge,
}

/// The right of one connection to be open. It ends with the connection.
pub(super) struct Seat {
    number: u64,
    seats: Arc<Seats>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().remove(&self.number);
        self.seats.count.dec();
    }
}

impl Seats {
    /// As many seats, of which `count` says how many are taken.
    pub(super) fn new(seats: usize, count: Gauge) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(seats.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { free, taken: Mutex::default(), count })
    }

    /// Takes a seat. Where none is free, the connection that has kept the server waiting longest loses its own; where
    /// every one has a request at work, it is waited for.
    pub(super) async fn take(self: &Arc<Self>, number: u64, progress: &Arc<Progress>) -> Seat {
        loop {
            if self.free.available_permits() == 0 {
                self.make_room(1);
            }
            let free = Arc::clone(&self.free).acquire_owned();
            // Nobody ever closes the semaphore.
            if let Ok(Ok(permit)) = timeout(PAUSE, free).await {
                self.taken().insert(number, Arc::clone(progress));
                self.count.inc();
                return Seat { number, seats: Arc::clone(self), _permit: permit };
            }
        }
    }

    /// Closes an eighth of the connections that keep the server waiting, so that something is left for those at work.
    pub(super) fn thin_out(&self) {
        let count = self.taken().len().div_ceil(8);
        self.make_room(count);
    }

    /// Closes as many of the connections that have kept the server waiting longest.
    fn make_room(&self, count: usize) {
        let taken = self.taken();
        let mut waiting: Vec<_> = taken
            .values()
            .filter_map(|progress| progress.waiting_since().map(|since| (since, progress)))
            .collect();
        if count < waiting.len() {
            waiting.select_nth_unstable_by_key(count, |(since, _)| *since);
        }
        for (_, progress) in waiting.into_iter().take(count) {
            progress.close();
        }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, Arc<Progress>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
