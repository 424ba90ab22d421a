//! How far a batch is: a bar on a terminal, a line now and then elsewhere.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::summary::lines;
use crate::cli::tell;

const REDRAWN: Duration = Duration::from_millis(250);
const TOLD: Duration = Duration::from_secs(30);

/// Counts what is judged, and shows it.
pub(super) struct Progress {
    counts: Counts,
    start: Instant,
    /// Only on a terminal.
    bar: Option<ProgressBar>,
    ticks: Interval,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// How many bytes the input has, where that is known.
    total: Option<u64>,
    judged: u64,
    judged_bytes: u64,
    skipped_bytes: u64,
}

impl Progress {
    pub(super) fn new(total: Option<u64>) -> Self {
        let bar = io::stderr().is_terminal().then(|| bar(total));
        let period = if bar.is_some() { REDRAWN } else { TOLD };
        let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let counts = Counts { total, ..Counts::default() };
        Self { counts, start: Instant::now(), bar, ticks }
    }

    /// A line of so many bytes is judged, before which so many needed no check.
    pub(super) fn add(&mut self, size: u64, skipped: u64) {
        self.counts.judged += 1;
        self.counts.judged_bytes += size;
        self.counts.skipped_bytes += skipped;
    }

    /// Waits until it is time to show how far it is.
    pub(super) async fn tick(&mut self) {
        self.ticks.tick().await;
    }

    pub(super) fn show(&self) {
        let text = self.counts.describe(self.start.elapsed());
        match &self.bar {
            Some(bar) => {
                bar.set_message(text);
                bar.set_position(self.counts.judged_bytes + self.counts.skipped_bytes);
            }
            None => tell(&text),
        }
    }

    /// Tells something in the middle of it.
    pub(super) fn tell(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(line)),
            None => tell(line),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:30} {percent:>3} %  {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    // The templates are fixed, so the other style is never taken.
    bar.with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

impl Counts {
    fn describe(self, elapsed: Duration) -> String {
        let mut text = format!("{} judged", lines(self.judged));
        if self.judged == 0 || elapsed.is_zero() {
            return text;
        }
        let rate = u128::from(self.judged) * 1000 / elapsed.as_millis().max(1);
        // Writing to a string does not fail.
        let _ = write!(text, ", {rate} a second");
        if let Some(left) = self.time_left(elapsed) {
            let _ = write!(text, ", {} left", HumanDuration(left));
        }
        text
    }

    /// As long as the bytes that are left take at the rate so far.
    fn time_left(self, elapsed: Duration) -> Option<Duration> {
        let left = self.total?.checked_sub(self.judged_bytes + self.skipped_bytes)?;
        let millis = elapsed.as_millis() * u128::from(left) / u128::from(self.judged_bytes.max(1));
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_and_the_time_left_leave_out_what_was_done_before() {
        let nothing = Counts { total: Some(1000), ..Counts::default() };
        assert_eq!(nothing.describe(Duration::from_secs(9)), "0 lines judged");
        let resumed =
            Counts { total: Some(1000), judged: 4, judged_bytes: 100, skipped_bytes: 500 };
        assert_eq!(
            resumed.describe(Duration::from_secs(2)),
            "4 lines judged, 2 a second, 8 seconds left"
        );
        let endless = Counts { total: None, judged: 1, ..resumed };
        assert_eq!(endless.describe(Duration::from_millis(1)), "1 line judged, 1000 a second");
        // The input may have grown since.
        let grown = Counts { total: Some(1), ..resumed };
        assert_eq!(grown.describe(Duration::from_secs(2)), "4 lines judged, 2 a second");
    }
}
