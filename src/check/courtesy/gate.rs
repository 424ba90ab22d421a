//! How many checks go to a provider at a time, and how many a second.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bonafide_core::ProviderLimits;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

const SECOND: Duration = Duration::from_secs(1);

/// Lets checks through in the order in which they came.
#[derive(Debug)]
pub(super) struct Gate {
    places: Option<Arc<Semaphore>>,
    a_second: usize,
    /// Held by the first in the line, who waits for a place and for the time to come.
    line: Mutex<()>,
    waiting: AtomicUsize,
    starts: std::sync::Mutex<Starts>,
}

/// When the last checks went, as many as may go in one second.
#[derive(Debug, Default)]
struct Starts(VecDeque<Instant>);

impl Starts {
    /// When the next one may go, with so many before it.
    fn next(&self, a_second: usize, before: usize, now: Instant) -> Instant {
        if a_second == 0 {
            return now;
        }
        // Each one goes a second after the one that went so many before it.
        let (rounds, rest) = (before / a_second, before % a_second);
        let missing = a_second - self.0.len();
        let after = match rest.checked_sub(missing) {
            Some(index) => self.0.get(index).map_or(now, |start| *start + SECOND),
            None => now,
        };
        after.max(now) + SECOND * u32::try_from(rounds).unwrap_or(u32::MAX)
    }

    fn add(&mut self, a_second: usize, now: Instant) {
        if a_second > 0 {
            // Those before the last second bind nobody, and a high limit must not fill the memory with them.
            while self
                .0
                .front()
                .is_some_and(|first| self.0.len() >= a_second || *first + SECOND <= now)
            {
                self.0.pop_front();
            }
            self.0.push_back(now);
        }
    }
}

/// A place among those that ask at a time. Dropping it gives it to the next one.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held")] Option<OwnedSemaphorePermit>);

impl Gate {
    pub(super) fn new(limits: ProviderLimits) -> Self {
        let number = |limit: Option<NonZeroU32>| {
            let limit = limit.map_or(0, NonZeroU32::get);
            usize::try_from(limit).unwrap_or(usize::MAX)
        };
        let places = number(limits.max_concurrent).min(Semaphore::MAX_PERMITS);
        Self {
            places: (places > 0).then(|| Arc::new(Semaphore::new(places))),
            a_second: number(limits.max_per_second),
            line: Mutex::default(),
            waiting: AtomicUsize::new(0),
            starts: std::sync::Mutex::default(),
        }
    }

    /// Goes through, if nobody waits and there is no need to.
    pub(super) fn try_pass(&self) -> Option<Place> {
        if self.places.is_none() && self.a_second == 0 {
            return Some(Place(None));
        }
        let _head = self.line.try_lock().ok()?;
        let place = match &self.places {
            Some(places) => Some(Arc::clone(places).try_acquire_owned().ok()?),
            None => None,
        };
        if self.a_second > 0 {
            let (mut starts, now) = (self.starts(), Instant::now());
            if starts.next(self.a_second, 0, now) > now {
                return None;
            }
            starts.add(self.a_second, now);
        }
        Some(Place(place))
    }

    /// Waits for the turn to go through, until this moment at most. Where it cannot come by then, that is said at once.
    ///
    /// The error is when to come back.
    pub(super) async fn pass(&self, until: Option<Instant>) -> Result<Place, Instant> {
        let waiting = Waiting::new(&self.waiting);
        let Some(until) = until else { return Ok(self.turn().await) };
        let turn = self.starts().next(self.a_second, waiting.before, Instant::now());
        if turn > until {
            return Err(turn);
        }
        timeout_at(until, self.turn()).await.map_err(|_elapsed| Instant::now() + SECOND)
    }

    async fn turn(&self) -> Place {
        let _head = self.line.lock().await;
        let place = match &self.places {
            // It is never closed.
            Some(places) => Arc::clone(places).acquire_owned().await.ok(),
            None => None,
        };
        if self.a_second > 0 {
            let turn = self.starts().next(self.a_second, 0, Instant::now());
            sleep_until(turn).await;
            self.starts().add(self.a_second, Instant::now());
        }
        Place(place)
    }

    fn starts(&self) -> MutexGuard<'_, Starts> {
        self.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody in the line.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        Self { count, before: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_goes_a_second_after_the_one_so_many_before_it() {
        let now = Instant::now();
        let mut starts = Starts::default();
        let next = |starts: &Starts, before, at: Instant| starts.next(3, before, at) - now;
        let wanted = [0, 0, 0, 1, 1, 1, 2].map(Duration::from_secs);
        for (before, wanted) in wanted.into_iter().enumerate() {
            assert_eq!(next(&starts, before, now), wanted, "{before}");
        }
        let tenth = Duration::from_millis(100);
        for number in 0..4 {
            starts.add(3, now + tenth * number);
        }
        let at = now + 4 * tenth;
        for (before, wanted) in [1100, 1200, 1300, 2100, 2200, 2300, 3100].into_iter().enumerate() {
            assert_eq!(next(&starts, before, at), Duration::from_millis(wanted), "{before}");
        }
        assert_eq!(next(&starts, 0, now + 5 * SECOND), 5 * SECOND);
        assert_eq!(starts.next(0, 1000, now), now);
    }

    #[test]
    fn a_high_limit_does_not_fill_the_memory() {
        let mut now = Instant::now();
        let mut starts = Starts::default();
        for _ in 0..1000 {
            starts.add(usize::MAX, now);
            now += SECOND / 10;
        }
        assert_eq!(starts.0.len(), 10);
        assert_eq!(starts.next(usize::MAX, 1000, now), now);
    }
}
