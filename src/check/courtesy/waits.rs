//! What a provider that limits us asked for: how long to wait, and with which settings.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Why;
use crate::check::key::Key;

/// The longest that one set of settings is held back, whatever the provider asks for.
const MAX_WAIT: Duration = Duration::from_mins(1);
/// The longest that everybody is.
const MAX_HOLD: Duration = Duration::from_secs(30);
/// What a limit counts as that names no time.
const UNNAMED_WAIT: Duration = Duration::from_secs(1);
/// So many sets of settings limited in a row, and it is us that the provider limits.
const LIMITED_IN_A_ROW: usize = 5;
/// How many settings are remembered. Beyond that the oldest are forgotten, and the provider says it again.
const MAX_SETTINGS: usize = 10_000;

/// Who is to wait, and until when.
#[derive(Debug, Default)]
pub(super) struct Waits {
    until: HashMap<Key, Instant>,
    /// The same in the order in which they came.
    order: VecDeque<(Key, Instant)>,
    row: Vec<(Key, Duration)>,
    everybody: Option<Instant>,
}

impl Waits {
    /// Whether a check with this key may go now; where not, why and until when.
    pub(super) fn enter(&mut self, key: &Key, now: Instant) -> Result<(), (Why, Instant)> {
        match self.everybody {
            Some(until) if now < until => return Err((Why::Limited, until)),
            Some(_) => self.everybody = None,
            None => {}
        }
        if self.until.is_empty() {
            return Ok(());
        }
        match self.until.get(key) {
            Some(until) if now < *until => Err((Why::AskedToWait, *until)),
            Some(_) => {
                self.until.remove(key);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The provider limited a check with this key, and asked for this wait. Says whether everybody waits from now on.
    pub(super) fn limited(&mut self, key: Key, wait: Option<Duration>, now: Instant) -> bool {
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            self.remember(key, now + wait.min(MAX_WAIT), now);
        }
        // What was sent before everybody was held back says nothing new.
        if self.everybody.is_some_and(|until| now < until) {
            return false;
        }
        if self.row.iter().all(|(other, _)| *other != key) {
            self.row.push((key, wait.unwrap_or(UNNAMED_WAIT)));
        }
        if self.row.len() < LIMITED_IN_A_ROW {
            return false;
        }
        let shortest = self.row.drain(..).map(|(_, wait)| wait).min().unwrap_or_default();
        self.everybody = Some(now + shortest.min(MAX_HOLD));
        true
    }

    /// A check ended otherwise.
    pub(super) fn not_limited(&mut self) {
        self.row.clear();
    }

    fn remember(&mut self, key: Key, until: Instant, now: Instant) {
        self.until.insert(key, until);
        self.order.push_back((key, until));
        while let Some((oldest, end)) = self.order.front().copied()
            && (self.order.len() > MAX_SETTINGS || end <= now)
        {
            self.order.pop_front();
            if self.until.get(&oldest) == Some(&end) {
                self.until.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::check::Caller;
    use crate::check::key::Keys;

    const SECOND: Duration = Duration::from_secs(1);

    fn distinct(count: usize) -> Vec<Key> {
        let keys = Keys::new();
        let settings = |number| RawValue::from_string(format!("{{\"n\":{number}}}")).unwrap();
        (0..count).map(|number| keys.of("x", Caller::Operator, &settings(number))).collect()
    }

    #[test]
    fn settings_wait_as_long_as_they_were_asked_to_and_a_minute_at_most() {
        let (now, keys) = (Instant::now(), distinct(4));
        let mut waits = Waits::default();
        waits.limited(keys[0], Some(7 * SECOND), now);
        waits.limited(keys[1], Some(3600 * SECOND), now);
        waits.limited(keys[2], None, now);
        assert_eq!(waits.enter(&keys[0], now), Err((Why::AskedToWait, now + 7 * SECOND)));
        assert_eq!(waits.enter(&keys[1], now), Err((Why::AskedToWait, now + MAX_WAIT)));
        assert_eq!(waits.enter(&keys[2], now), Ok(()));
        assert_eq!(waits.enter(&keys[3], now), Ok(()));
        assert_eq!(waits.enter(&keys[0], now + 7 * SECOND), Ok(()));
        assert_eq!(waits.enter(&keys[1], now + MAX_WAIT), Ok(()));
    }

    #[test]
    fn five_settings_in_a_row_hold_everybody_back_for_the_shortest_wait() {
        let (now, keys) = (Instant::now(), distinct(20));
        let mut waits = Waits::default();
        for key in &keys[..4] {
            waits.limited(*key, Some(40 * SECOND), now);
        }
        waits.limited(keys[0], Some(40 * SECOND), now);
        assert_eq!(waits.enter(&keys[9], now), Ok(()));
        waits.not_limited();
        for key in &keys[4..8] {
            waits.limited(*key, Some(40 * SECOND), now);
        }
        assert_eq!(waits.enter(&keys[9], now), Ok(()));
        waits.limited(keys[8], Some(9 * SECOND), now);
        assert_eq!(waits.enter(&keys[9], now), Err((Why::Limited, now + 9 * SECOND)));
        // Those that were under way do not make it longer, nor begin the next row.
        for key in &keys[10..14] {
            waits.limited(*key, Some(40 * SECOND), now + SECOND);
        }
        let later = now + 9 * SECOND;
        assert_eq!(waits.enter(&keys[9], later), Ok(()));
        waits.limited(keys[14], Some(40 * SECOND), later);
        assert_eq!(waits.enter(&keys[9], later), Ok(()));
        for key in &keys[15..19] {
            waits.limited(*key, Some(40 * SECOND), later);
        }
        assert_eq!(waits.enter(&keys[9], later), Err((Why::Limited, later + MAX_HOLD)));
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_ends() {
        let (now, keys) = (Instant::now(), distinct(MAX_SETTINGS + 2));
        let mut waits = Waits::default();
        for key in &keys[..=MAX_SETTINGS] {
            waits.not_limited();
            waits.limited(*key, Some(50 * SECOND), now);
        }
        assert_eq!((waits.until.len(), waits.order.len()), (MAX_SETTINGS, MAX_SETTINGS));
        assert_eq!(waits.enter(&keys[0], now), Ok(()));
        assert!(waits.enter(&keys[1], now).is_err());
        waits.not_limited();
        waits.limited(keys[MAX_SETTINGS + 1], Some(SECOND), now + 50 * SECOND);
        assert_eq!((waits.until.len(), waits.order.len()), (1, 1));
    }
}
