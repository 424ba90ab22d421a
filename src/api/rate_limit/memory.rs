//! Counters in this process.

use std::sync::{Mutex, PoisonError};

use limitador::limit::{Context, Limit, Namespace};

use super::{Decision, Quota, Window, decide};

pub(super) struct Memory {
    limiter: limitador::RateLimiter,
    windows: Vec<Window>,
    /// `limitador` checks and updates in two steps, between which another request could slip in.
    one_at_a_time: Mutex<()>,
}

impl Memory {
    pub(super) fn new(windows: Vec<Window>) -> Self {
        // The cache is for counters with variables, of which there are none: each account is a namespace.
        let limiter = limitador::RateLimiter::new(1);
        Self { limiter, windows, one_at_a_time: Mutex::default() }
    }

    /// Counts for these accounts too. What is counted for one that is known already stays.
    pub(super) fn know<'a>(&self, accounts: impl Iterator<Item = &'a str>) {
        for account in accounts {
            for window in &self.windows {
                let (limit, seconds) = (window.limit.into(), window.seconds.into());
                self.limiter.add_limit(Limit::new(account, limit, seconds, [], []));
            }
        }
    }

    pub(super) fn count(&self, account: &str) -> Decision {
        let _turn = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = Namespace::from(account);
        match self.limiter.check_rate_limited_and_update(&namespace, &Context::default(), 1) {
            Ok(result) => decide(
                result.limited,
                result.counters.iter().map(|counter| Quota {
                    window: counter.window(),
                    limit: counter.max_value(),
                    remaining: counter.remaining().unwrap_or_default(),
                    reset: counter.expires_in().unwrap_or_else(|| counter.window()),
                }),
            ),
            // Only expressions can fail here, and the limits have none.
            Err(_) => Decision::Admitted(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(windows: Vec<Window>, accounts: &[&str]) -> Memory {
        let memory = Memory::new(windows);
        memory.know(accounts.iter().copied());
        memory
    }

    fn windows(per_second: u32, per_minute: u32) -> Vec<Window> {
        vec![Window { limit: per_second, seconds: 1 }, Window { limit: per_minute, seconds: 60 }]
    }

    #[test]
    fn a_burst_from_many_threads_gets_no_more_than_the_window_holds() {
        let memory = memory(vec![Window { limit: 20, seconds: 60 }], &["a"]);
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
        let memory = memory(windows(1, 0xff), &["a"]);
        let mut admitted = 0;
        let mut last = None;
        for _ in 0..50 {
            if let Decision::Admitted(quota) = memory.count("a") {
                admitted += 1;
                last = quota;
            }
        }
        let counters = memory.limiter.get_counters(&Namespace::from("a")).unwrap();
        let minute = counters.iter().find(|counter| counter.window().as_secs() == 60).unwrap();
        assert_eq!(minute.remaining(), Some(0xff - admitted));
        assert_eq!(last.unwrap().limit, 1);
    }

    #[test]
    fn accounts_count_apart() {
        let memory = memory(windows(5, 1), &["a", "b"]);
        assert!(matches!(
            memory.count("a"),
            Decision::Admitted(Some(Quota { limit: 1, remaining: 0, .. }))
        ));
        assert!(matches!(memory.count("a"), Decision::Limited { .. }));
        assert!(matches!(memory.count("b"), Decision::Admitted(_)));
    }

    #[test]
    fn what_an_account_has_used_up_stays_used_up_when_accounts_change() {
        let memory = memory(windows(5, 1), &["a"]);
        assert!(matches!(memory.count("a"), Decision::Admitted(_)));
        memory.know(["a", "b"].into_iter());
        assert!(matches!(memory.count("a"), Decision::Limited { .. }));
        assert!(matches!(memory.count("b"), Decision::Admitted(Some(Quota { limit: 1, .. }))));
        assert!(matches!(memory.count("b"), Decision::Limited { .. }));
    }

    #[test]
    fn without_windows_nothing_is_limited() {
        let memory = memory(Vec::new(), &["a"]);
        assert!(matches!(memory.count("a"), Decision::Admitted(None)));
    }
}
