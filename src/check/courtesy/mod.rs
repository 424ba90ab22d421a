//! Kindness to providers: how often one is asked, and when it is left alone.

mod circuit;
mod gate;
mod waits;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bonafide_core::host::{self, FindingExt as _};
use bonafide_core::{Cause, Descriptor, Failure, Outcome, Problem, ProviderLimits};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use self::circuit::{Circuit, Role};
use self::gate::{Gate, Place};
use self::waits::Waits;
use super::key::Key;

/// What one provider is spared. Shared by all checks of it.
#[derive(Debug)]
pub(crate) struct Courtesy {
    descriptor: &'static Descriptor,
    gate: Gate,
    state: Mutex<State>,
    /// Woken when waiting may be over earlier than was said.
    changed: Notify,
    /// How many checks ask the provider now.
    in_flight: AtomicUsize,
    /// How many checks were not let through, by why.
    held: [AtomicU64; 4],
}

#[derive(Debug, Default)]
struct State {
    circuit: Circuit,
    waits: Waits,
    /// Counts the times when others were told to wait, by which those are known that were let through before.
    alarms: u64,
}

/// Why a check is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The provider failed too often in a row.
    CircuitOpen,
    /// The provider asked to wait with these settings.
    AskedToWait,
    /// The provider limits us.
    Limited,
    /// Our own limit.
    OurLimit,
}

impl Why {
    /// Every reason, in the order in which they are counted.
    pub(crate) const ALL: [Self; 4] =
        [Self::CircuitOpen, Self::AskedToWait, Self::Limited, Self::OurLimit];

    /// The word for it in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::CircuitOpen => "circuit_open",
            Self::AskedToWait => "asked_to_wait",
            Self::Limited => "provider_limit",
            Self::OurLimit => "own_limit",
        }
    }
}

/// A check that is not let through, and when to come back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) why: Why,
    until: Instant,
}

impl Held {
    /// How long to wait before asking again.
    pub(crate) fn wait(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    pub(crate) fn problem(self, descriptor: &Descriptor) -> Problem {
        let Descriptor { title, name, .. } = descriptor;
        let ours = |cause, message: String| Problem::new(cause).with_formatted_message(message);
        match self.why {
            Why::CircuitOpen => ours(
                Cause::ProviderUnavailable,
                format!(
                    "{title} failed many times in a row, so Bonafide has stopped asking for a moment, and there is no verdict."
                ),
            ),
            Why::AskedToWait => ours(
                Cause::ProviderRateLimited,
                format!(
                    "{title} asked to wait before these settings are checked again, so it was not asked, and there is no verdict."
                ),
            ),
            Why::Limited => ours(
                Cause::ProviderRateLimited,
                format!(
                    "{title} limits how often it may be asked from here, so Bonafide has stopped asking for a moment, and there is no verdict."
                ),
            ),
            Why::OurLimit => ours(
                Cause::ProviderRateLimited,
                format!(
                    "Bonafide's own limit for {title} leaves no time for this check, so {title} was not asked, and there is no verdict."
                ),
            )
            .with_formatted_hint(format!(
                "Ask again later. The operator sets the limit with `providers.{name}.max_concurrent` and `providers.{name}.max_per_second`."
            )),
        }
    }

    /// The remark for the log.
    pub(crate) fn note(self) -> &'static str {
        match self.why {
            Why::CircuitOpen => "not asked: the circuit is open",
            Why::AskedToWait => "not asked: the provider asked to wait with these settings",
            Why::Limited => "not asked: the provider limits us",
            Why::OurLimit => "not asked: our own limit for the provider",
        }
    }
}

/// How long a check lets itself be held back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// While the provider is left alone; none is not at all.
    pub(super) alone: Option<Instant>,
    /// In the line of those who may go; none is for as long as it takes.
    pub(super) line: Option<Instant>,
}

/// What the end of a check says about the provider.
#[derive(Clone, Copy, Debug)]
enum Said {
    Answered,
    Limited(Option<Duration>),
    Failed,
    /// Nothing: the check was dropped, or the fault is ours.
    Nothing,
}

impl Said {
    fn by(result: &Result<Outcome, Failure>) -> Self {
        let Err(failure) = result else { return Self::Answered };
        match failure.cause() {
            _ if host::is_local_fault(failure) => Self::Nothing,
            Cause::ProviderRateLimited => Self::Limited(failure.retry_after()),
            Cause::ProviderUnavailable | Cause::ProviderTimeout => Self::Failed,
            Cause::Internal => Self::Nothing,
            // An answer that is not the provider's comes from somebody on the way to it: asking is no harm.
            _ => Self::Answered,
        }
    }
}

impl Courtesy {
    pub(super) fn new(descriptor: &'static Descriptor, limits: ProviderLimits) -> Self {
        Self {
            descriptor,
            gate: Gate::new(limits),
            state: Mutex::default(),
            changed: Notify::new(),
            in_flight: AtomicUsize::new(0),
            held: Default::default(),
        }
    }

    /// How many checks ask the provider now.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether the provider is left alone because it fails.
    pub(super) fn circuit_is_open(&self) -> bool {
        !matches!(self.state().circuit, Circuit::Closed { .. })
    }

    /// How many checks were not let through, by why.
    pub(super) fn held(&self) -> [(Why, u64); 4] {
        let count = |why: Why| self.held.get(why as usize);
        Why::ALL.map(|why| (why, count(why).map_or(0, |count| count.load(Ordering::Relaxed))))
    }

    /// Waits until the provider may be asked with these settings, as long as there is patience.
    pub(super) async fn admit(&self, key: Key, patience: Patience) -> Result<Admission<'_>, Held> {
        // Boxed, as it is over before the provider is asked.
        let admitted = Box::pin(self.wait(key, patience)).await;
        if let Err(held) = &admitted
            && let Some(count) = self.held.get(held.why as usize)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    async fn wait(&self, key: Key, patience: Patience) -> Result<Admission<'_>, Held> {
        loop {
            // Whoever changes something after this is heard.
            let changed = self.changed.notified();
            let mut entry = match self.enter(key) {
                Ok(entry) => entry,
                Err(held) => {
                    let Some(alone) = patience.alone.filter(|alone| Instant::now() < *alone) else {
                        return Err(held);
                    };
                    let _elapsed = timeout_at(held.until.min(alone), changed).await;
                    continue;
                }
            };
            if let Some(place) = self.gate.try_pass() {
                entry.place = Some(place);
                return Ok(entry.admitted());
            }
            let place = self.gate.pass(patience.line).await;
            entry.place = Some(place.map_err(|until| Held { why: Why::OurLimit, until })?);
            // What was right before the wait may be wrong now.
            if self.state().alarms == entry.alarms {
                return Ok(entry.admitted());
            }
        }
    }

    fn enter(&self, key: Key) -> Result<Admission<'_>, Held> {
        let now = Instant::now();
        let mut state = self.state();
        state.waits.enter(&key, now).map_err(|(why, until)| Held { why, until })?;
        let role =
            state.circuit.enter(now).map_err(|until| Held { why: Why::CircuitOpen, until })?;
        let alarms = state.alarms;
        Ok(Admission {
            courtesy: self,
            key,
            role,
            alarms,
            sent: now,
            place: None,
            asks: false,
            said: Said::Nothing,
        })
    }

    fn leave(&self, admission: &Admission<'_>) {
        let (key, role, now) = (admission.key, admission.role, Instant::now());
        // Where the settings name the host, one host's failures and limits are none of another's.
        let is_one = !self.descriptor.has_user_supplied_host();
        let mut state = self.state();
        let changes = match admission.said {
            Said::Answered => {
                state.waits.not_limited();
                state.circuit.answered(now)
            }
            Said::Limited(wait) => {
                if !is_one {
                    state.waits.not_limited();
                }
                let alarm = state.waits.limited(key, wait, now);
                state.circuit.answered(now) || alarm
            }
            Said::Failed => {
                state.waits.not_limited();
                is_one && state.circuit.failed(role, admission.sent, now)
            }
            Said::Nothing => state.circuit.gave_up(role, now),
        };
        if !changes {
            return;
        }
        state.alarms += 1;
        drop(state);
        self.changed.notify_waiters();
        let provider = self.descriptor.name;
        match admission.said {
            Said::Answered => tracing::info!(provider, "The provider answers again."),
            Said::Limited(_) => tracing::warn!(provider, "The provider limits us."),
            Said::Failed => tracing::warn!(
                provider,
                "The provider failed many times in a row, and is not asked for a moment."
            ),
            Said::Nothing => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to ask the provider once. What is dropped without having ended says nothing about the provider.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    courtesy: &'a Courtesy,
    key: Key,
    role: Role,
    alarms: u64,
    /// When the check was let through.
    sent: Instant,
    place: Option<Place>,
    asks: bool,
    said: Said,
}

impl Admission<'_> {
    fn admitted(mut self) -> Self {
        self.asks = true;
        self.sent = Instant::now();
        self.courtesy.in_flight.fetch_add(1, Ordering::Relaxed);
        self
    }

    /// The check came to this.
    pub(super) fn end(mut self, result: &Result<Outcome, Failure>) {
        self.said = Said::by(result);
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if self.asks {
            self.courtesy.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        self.courtesy.leave(self);
    }
}
