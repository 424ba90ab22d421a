//! The forms in which providers say how long to wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A larger number is a Unix timestamp and not a wait.
const MAX_SECONDS: f64 = 365.0 * 24.0 * 60.0 * 60.0;

/// A number of seconds, which may have a fraction: from now, or since 1970 where it is that large.
#[expect(clippy::disallowed_methods, reason = "the provider means the time of the day")]
pub(super) fn from_seconds(seconds: f64) -> Option<Duration> {
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    if seconds <= MAX_SECONDS {
        return Some(wait);
    }
    Some(UNIX_EPOCH.checked_add(wait)?.duration_since(SystemTime::now()).unwrap_or_default())
}

/// The text of a header: seconds in decimal digits, with or without a fraction.
pub(super) fn from_text(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_decimal).and_then(from_seconds)
}

/// The value of `Retry-After`: whole seconds from now, or a date (RFC 9110, section 10.2.3).
#[expect(clippy::disallowed_methods, reason = "the provider means the time of the day")]
pub(super) fn from_retry_after(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse().ok().map(Duration::from_secs);
    seconds.or_else(|| {
        let moment = httpdate::parse_http_date(text).ok()?;
        Some(moment.duration_since(SystemTime::now()).unwrap_or_default())
    })
}
