//! Checks in flight: whoever asks for one that is under way already joins it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::key::Key;

/// The checks of one provider that are in flight.
///
/// What a check comes to is kept by those who wait for it and by nobody else: it is gone with the last of them.
pub(super) struct Flights<T: Clone> {
    table: Mutex<Table<T>>,
    /// How many checks were answered by one that somebody else had begun.
    joined: AtomicU64,
}

struct Table<T: Clone> {
    flights: HashMap<Key, Flight<T>>,
    begun: u64,
}

struct Flight<T: Clone> {
    /// Tells it from earlier and later ones with the same key.
    number: u64,
    passengers: usize,
    // Those who wait drive the check. When all of them have left, it is dropped.
    check: WeakShared<BoxFuture<'static, T>>,
}

impl<T: Clone> Default for Flights<T> {
    fn default() -> Self {
        let table = Table { flights: HashMap::new(), begun: 0 };
        Self { table: Mutex::new(table), joined: AtomicU64::new(0) }
    }
}

impl<T: Clone + Send + Sync> Flights<T> {
    /// How many checks were answered by one that somebody else had begun.
    pub(super) fn joined(&self) -> u64 {
        self.joined.load(Ordering::Relaxed)
    }

    /// Joins the check with this key, or begins it.
    pub(super) async fn join(
        &self,
        key: Key,
        begin: impl FnOnce() -> BoxFuture<'static, T> + Send,
    ) -> T {
        let (check, _passenger) = self.board(key, begin);
        check.await
    }

    fn board(
        &self,
        key: Key,
        begin: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> (Shared<BoxFuture<'static, T>>, Passenger<'_, T>) {
        let mut table = self.lock();
        if let Some(flight) = table.flights.get_mut(&key)
            && let Some(check) = flight.check.upgrade()
            // One that has ended is no longer in flight, although somebody has yet to hear of it.
            && check.peek().is_none()
        {
            flight.passengers += 1;
            self.joined.fetch_add(1, Ordering::Relaxed);
            return (check, Passenger { flights: self, key, number: flight.number });
        }
        let check = begin().shared();
        table.begun += 1;
        let number = table.begun;
        if let Some(weak) = check.downgrade() {
            table.flights.insert(key, Flight { number, passengers: 1, check: weak });
        }
        (check, Passenger { flights: self, key, number })
    }

    fn lock(&self) -> MutexGuard<'_, Table<T>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for a check. The last one to leave clears the table.
struct Passenger<'a, T: Clone + Send + Sync> {
    flights: &'a Flights<T>,
    key: Key,
    number: u64,
}

impl<T: Clone + Send + Sync> Drop for Passenger<'_, T> {
    fn drop(&mut self) {
        let mut table = self.flights.lock();
        let Some(flight) = table.flights.get_mut(&self.key) else { return };
        if flight.number != self.number {
            return;
        }
        flight.passengers -= 1;
        if flight.passengers == 0 {
            table.flights.remove(&self.key);
        }
    }
}
