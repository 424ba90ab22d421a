//! Counters in this process, by a clock that nobody sets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Decision, Quota, Window, decide};

pub(super) struct Memory {
    windows: Vec<Window>,
    /// For each account, a counter for each window. Accounts are those of the configuration, so they are few.
    accounts: Mutex<HashMap<Box<str>, Vec<Counter>>>,
}

/// What is used up of a window, which begins with the first request that is admitted.
#[derive(Clone, Copy)]
struct Counter {
    used: u32,
    end: Instant,
}

impl Memory {
    pub(super) fn new(windows: Vec<Window>) -> Self {
        Self { windows, accounts: Mutex::default() }
    }

    pub(super) fn count(&self, account: &str) -> Decision {
        self.count_at(account, Instant::now())
    }

    fn count_at(&self, account: &str, now: Instant) -> Decision {
        if self.windows.is_empty() {
            return Decision::Admitted(None);
        }
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = match accounts.get_mut(account) {
            Some(counters) => counters,
            None => accounts
                .entry(account.into())
                .or_insert_with(|| vec![Counter { used: 0, end: now }; self.windows.len()]),
        };
        let mut limited = false;
        for (window, counter) in self.windows.iter().zip(&mut *counters) {
            if counter.end <= now {
                counter.used = 0;
            }
            limited |= counter.used >= window.limit;
        }
        let quotas = self.windows.iter().zip(counters).map(|(window, counter)| {
            if !limited {
                if counter.used == 0 {
                    counter.end = now + window.length();
                }
                counter.used += 1;
            }
            Quota {
                window: window.length(),
                limit: window.limit.into(),
                remaining: window.limit.saturating_sub(counter.used).into(),
                reset: counter.end.saturating_duration_since(now),
            }
        });
        decide(limited, quotas)
    }
}

impl Window {
    pub(super) fn length(self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(per_second: u32, per_minute: u32) -> Vec<Window> {
        vec![Window { limit: per_second, seconds: 1 }, Window { limit: per_minute, seconds: 60 }]
    }

    #[test]
    fn a_burst_from_many_threads_gets_no_more_than_the_window_holds() {
        let memory = Memory::new(vec![Window { limit: 20, seconds: 60 }]);
        let admitted = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        if let Decision::Admitted(_) = memory.count("a") {
                            admitted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(admitted.into_inner(), 20);
    }

    #[test]
    fn a_refusal_by_one_window_leaves_the_other_alone() {
        let memory = Memory::new(windows(1, 2));
        let start = Instant::now();
        for _ in 0..50 {
            memory.count_at("a", start);
        }
        let next = memory.count_at("a", start + Duration::from_secs(1));
        let Decision::Admitted(Some(quota)) = next else { panic!("{next:?}") };
        assert_eq!((quota.limit, quota.remaining), (2, 0));
    }

    #[test]
    fn a_window_begins_with_a_request_that_is_admitted_and_ends_on_time() {
        let memory = Memory::new(windows(2, 3));
        let start = Instant::now();
        let mut seen = Vec::new();
        for milliseconds in [0, 999, 999, 1000, 1999, 59_999, 60_000] {
            let decision = memory.count_at("a", start + Duration::from_millis(milliseconds));
            seen.push(match decision {
                Decision::Admitted(Some(quota)) => Ok((quota.remaining, quota.reset.as_millis())),
                Decision::Admitted(None) => panic!("there are windows"),
                Decision::Limited { wait, .. } => Err(wait.as_millis()),
            });
        }
        let expected = [
            Ok((1, 1000)),
            Ok((0, 1)),
            Err(1),
            Ok((0, 59_000)),
            Err(58_001),
            Err(1),
            Ok((1, 1000)),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn accounts_count_apart() {
        let memory = Memory::new(windows(5, 1));
        assert!(matches!(
            memory.count("a"),
            Decision::Admitted(Some(Quota { limit: 1, remaining: 0, .. }))
        ));
        assert!(matches!(memory.count("a"), Decision::Limited { .. }));
        assert!(matches!(memory.count("b"), Decision::Admitted(_)));
    }

    #[test]
    fn without_windows_nothing_is_limited() {
        let memory = Memory::new(Vec::new());
        assert!(matches!(memory.count("a"), Decision::Admitted(None)));
    }
}
