//! When a provider that fails is left alone.

use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row open the circuit.
const MAX_FAILURES: u32 = 20;
/// How long it stays open at first, and at most.
const MIN_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// When a caller may come back who finds somebody else trying.
const WHILE_TRYING: Duration = Duration::from_secs(1);
/// How long one check tries alone. One that hangs must not keep the others out until its deadline.
const MAX_TRIAL: Duration = Duration::from_secs(5);

/// Opens after [`MAX_FAILURES`] checks in a row that the provider failed, and lets one through now and then.
#[derive(Debug)]
pub(super) enum Circuit {
    Closed {
        failures: u32,
        last_answer: Option<Instant>,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One check tries whether the provider answers again.
    Trying {
        since: Instant,
        pause: Duration,
    },
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: 0, last_answer: None }
    }
}

impl Circuit {
    /// Whether a check may go now; where not, until when. It may when it is to try.
    pub(super) fn enter(&mut self, now: Instant) -> Result<Role, Instant> {
        match *self {
            Self::Closed { .. } => Ok(Role::OneOfMany),
            Self::Open { until, .. } if now < until => Err(until),
            Self::Trying { since, .. } if now < since + MAX_TRIAL => {
                Err((now + WHILE_TRYING).min(since + MAX_TRIAL))
            }
            Self::Open { pause, .. } | Self::Trying { pause, .. } => {
                *self = Self::Trying { since: now, pause };
                Ok(Role::Tries)
            }
        }
    }

    /// The provider answered. Says whether that changes anything for others.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        let was_closed = matches!(self, Self::Closed { .. });
        *self = Self::Closed { failures: 0, last_answer: Some(now) };
        !was_closed
    }

    /// The provider failed a check that was sent at `sent`. Says whether that changes anything for others.
    pub(super) fn failed(&mut self, role: Role, sent: Instant, now: Instant) -> bool {
        let pause = match (&mut *self, role) {
            // The provider has answered since, so its own connection may have been dead.
            (Self::Closed { last_answer: Some(answered), .. }, _) if sent < *answered => {
                return false;
            }
            (Self::Closed { failures, .. }, _) => {
                *failures += 1;
                if *failures < MAX_FAILURES {
                    return false;
                }
                MIN_PAUSE
            }
            (Self::Trying { pause, .. }, Role::Tries) => (*pause * 2).min(MAX_PAUSE),
            // It was sent before the circuit opened and says nothing new.
            (Self::Open { .. } | Self::Trying { .. }, _) => return false,
        };
        *self = Self::Open { until: now + pause, pause };
        true
    }

    /// The check that tried came to nothing: another one may.
    pub(super) fn gave_up(&mut self, role: Role, now: Instant) -> bool {
        match (&*self, role) {
            (Self::Trying { pause, .. }, Role::Tries) => {
                *self = Self::Open { until: now, pause: *pause };
                true
            }
            _ => false,
        }
    }
}

/// What a check that was let through is for the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    OneOfMany,
    Tries,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(circuit: &mut Circuit, times: u32, now: Instant) {
        for _ in 0..times {
            let role = circuit.enter(now).unwrap();
            circuit.failed(role, now, now);
        }
    }

    #[test]
    fn twenty_failures_in_a_row_open_it_and_nineteen_do_not() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        fails(&mut circuit, 19, now);
        circuit.answered(now);
        fails(&mut circuit, 19, now);
        assert_eq!(circuit.enter(now), Ok(Role::OneOfMany));
        fails(&mut circuit, 1, now);
        assert_eq!(circuit.enter(now), Err(now + Duration::from_secs(5)));
    }

    #[test]
    fn one_tries_and_each_failure_doubles_the_pause_up_to_a_minute() {
        let mut now = Instant::now();
        let mut circuit = Circuit::default();
        fails(&mut circuit, 20, now);
        for pause in [5, 10, 20, 40, 60, 60].map(Duration::from_secs) {
            assert_eq!(circuit.enter(now + pause - Duration::from_nanos(1)), Err(now + pause));
            now += pause;
            assert_eq!(circuit.enter(now), Ok(Role::Tries));
            assert_eq!(circuit.enter(now), Err(now + WHILE_TRYING));
            // One that was sent long ago neither closes it for longer nor ends the trial.
            assert!(!circuit.failed(Role::OneOfMany, now, now));
            assert!(circuit.failed(Role::Tries, now, now));
        }
        assert_eq!(circuit.enter(now + MAX_PAUSE), Ok(Role::Tries));
        assert!(circuit.answered(now));
        fails(&mut circuit, 20, now);
        assert_eq!(circuit.enter(now), Err(now + MIN_PAUSE));
    }

    #[test]
    fn what_was_sent_before_the_last_answer_does_not_open_it() {
        let sent = Instant::now();
        let answered = sent + Duration::from_secs(1);
        let later = sent + Duration::from_secs(15);
        let mut circuit = Circuit::default();
        circuit.answered(answered);
        for _ in 0..100 {
            assert!(!circuit.failed(Role::OneOfMany, sent, later));
        }
        assert_eq!(circuit.enter(later), Ok(Role::OneOfMany));
        for _ in 0..19 {
            assert!(!circuit.failed(Role::OneOfMany, answered, later));
        }
        assert!(circuit.failed(Role::OneOfMany, answered, later));
    }

    #[test]
    fn a_trial_that_hangs_does_not_keep_another_from_trying() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        fails(&mut circuit, 20, now);
        let first = now + MIN_PAUSE;
        assert_eq!(circuit.enter(first), Ok(Role::Tries));
        let second = first + MAX_TRIAL;
        let just_before = second - Duration::from_millis(1);
        assert_eq!(circuit.enter(just_before), Err(second));
        assert_eq!(circuit.enter(second), Ok(Role::Tries));
        assert_eq!(circuit.enter(second), Err(second + WHILE_TRYING));
        // The second one got an answer, so what the first one came to says nothing new.
        assert!(circuit.answered(second));
        assert!(!circuit.failed(Role::Tries, first, second));
    }

    #[test]
    fn a_trial_that_is_given_up_leaves_the_next_one_to_another() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        fails(&mut circuit, 20, now);
        let later = now + MIN_PAUSE;
        assert_eq!(circuit.enter(later), Ok(Role::Tries));
        assert!(!circuit.gave_up(Role::OneOfMany, later));
        assert!(circuit.gave_up(Role::Tries, later));
        assert_eq!(circuit.enter(later), Ok(Role::Tries));
        // The pause is the one it would have been.
        circuit.failed(Role::Tries, later, later);
        assert_eq!(circuit.enter(later), Err(later + 2 * MIN_PAUSE));
    }
}
