//! The rate limit: two fixed windows per account, a second and a minute long.

mod memory;
mod redis;

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use self::memory::Memory;
use self::redis::Redis;
use crate::StartError;
use crate::config::{self, Store};

/// Counts the requests of each account.
pub(crate) struct RateLimiter {
    memory: Memory,
    /// Where replicas count together. While it fails, each counts by itself.
    redis: Option<Redis>,
    /// How often it failed.
    failures: Counter,
}

/// Whether a request may go on.
#[derive(Debug)]
pub(crate) enum Decision {
    /// It may, and this is what is left; nothing where nothing is limited.
    Admitted(Option<Quota>),
    /// It may not.
    Limited {
        /// When a request is admitted again.
        wait: Duration,
        /// How long the window lasts that is waited for.
        window: Duration,
    },
}

/// What is left in the window with the fewest left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) window: Duration,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) reset: Duration,
}

/// A fixed window: how many requests it takes, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    limit: u32,
    seconds: u32,
}

impl RateLimiter {
    pub(crate) async fn new(config: &config::RateLimit) -> Result<Self, StartError> {
        let windows: Vec<Window> = [
            Window { limit: config.per_second, seconds: 1 },
            Window { limit: config.per_minute, seconds: 60 },
        ]
        .into_iter()
        .filter(|window| window.limit > 0)
        .collect();
        let memory = Memory::new(windows.clone());
        let redis = match &config.store {
            Store::Memory => None,
            Store::Redis(url) => {
                Some(Redis::connect(url, windows).await.map_err(StartError::Store)?)
            }
        };
        Ok(Self { memory, redis, failures: Counter::default() })
    }

    /// How often the shared store did not count, and this process did so by itself.
    pub(crate) fn failures(&self) -> &Counter {
        &self.failures
    }

    /// Counts one request of this account, unless it is one too many. A request that one window refuses does not
    /// use up the other.
    pub(crate) async fn count(&self, account: &str) -> Decision {
        if let Some(redis) = &self.redis {
            // Boxed, as it is over before the check begins.
            match Box::pin(redis.count(account)).await {
                Ok(decision) => return decision,
                Err(error) => {
                    self.failures.inc();
                    tracing::warn!(error, "Redis does not count; this process counts by itself.");
                }
            }
        }
        self.memory.count(account)
    }
}

/// Decides by what each window has left. Where the request was admitted, it is already taken off.
fn decide(limited: bool, windows: impl IntoIterator<Item = Quota>) -> Decision {
    let windows = windows.into_iter();
    if limited {
        let exhausted = windows.filter(|window| window.remaining == 0);
        let last = exhausted.max_by_key(|window| window.reset);
        let (wait, window) = last.map(|window| (window.reset, window.window)).unwrap_or_default();
        Decision::Limited { wait, window }
    } else {
        Decision::Admitted(
            windows.min_by_key(|window| (window.remaining, std::cmp::Reverse(window.reset))),
        )
    }
}
