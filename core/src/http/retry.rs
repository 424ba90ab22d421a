//! When a request is sent again, and after how long a pause.

use std::time::Duration;

use super::response::Response;

/// How often a request is sent again.
pub(super) const MAX_RETRIES: u32 = 2;
/// The pause before the first retry, on average.
const BASE_PAUSE: Duration = Duration::from_millis(100);
/// A provider that asks for a longer wait is not asked again within the check.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// How long the response asks to wait, where a retry may get another one: a 502, 503 or 504, and a 429 that says how long.
/// One that asks to wait in words we cannot read is not asked again.
pub(super) fn wait_after(response: &Response) -> Option<Duration> {
    let asked = response.retry_after();
    let wait = match response.status() {
        502..=504 if asked.is_none() && !response.has_header("retry-after") => Some(Duration::ZERO),
        502..=504 | 429 => asked,
        _ => None,
    };
    wait.filter(|wait| *wait <= MAX_WAIT)
}

/// A pause that doubles with each retry, with jitter so that checks which failed together do not all come back at once.
pub(super) fn backoff(retry: u32) -> Duration {
    let full = BASE_PAUSE * 2_u32.pow(retry);
    full / 2 + full * fastrand::u32(..256) / 256
}
