//! How far a connection has come, and whether its client takes too long.
//!
//! The library that speaks HTTP knows one time limit, for everything between two requests. That would be either too
//! short for an idle connection or too long for a head that dribbles in, so both are watched here.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::config::Limits;

/// What one connection is doing. Its stream, its service and its task tell and ask it.
pub(super) struct Progress {
    phase: Mutex<Phase>,
    closing: Notify,
    limits: Limits,
}

#[derive(Clone, Copy)]
enum Phase {
    /// The head of a request is to come, or to come in full, since then.
    Head(Instant),
    /// A request is at work.
    Busy,
    /// The client may receive the answer and begin the next request, since then.
    Idle(Instant),
    /// It must make room.
    Closing,
}

impl Progress {
    /// A connection that was just accepted. Its first request is due.
    pub(super) fn new(limits: Limits) -> Self {
        Self { phase: Mutex::new(Phase::Head(Instant::now())), closing: Notify::new(), limits }
    }

    /// Something was read.
    pub(super) fn received(&self) {
        let mut phase = self.phase();
        if let Phase::Idle(_) = *phase {
            *phase = Phase::Head(Instant::now());
        }
    }

    /// The head of a request is there in full. Whether the request may begin: not when the connection is about to close.
    pub(super) fn begin(&self) -> bool {
        let mut phase = self.phase();
        let may_begin = !matches!(*phase, Phase::Closing);
        if may_begin {
            *phase = Phase::Busy;
        }
        may_begin
    }

    /// The answer is made.
    pub(super) fn answered(&self) {
        *self.phase() = Phase::Idle(Instant::now());
    }

    /// Since when the server waits for the client, and not the other way round.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::Head(since) | Phase::Idle(since) => Some(since),
            Phase::Busy | Phase::Closing => None,
        }
    }

    /// Closes the connection, unless a request has begun.
    pub(super) fn close(&self) {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Busy) {
            *phase = Phase::Closing;
            self.closing.notify_one();
        }
    }

    /// Waits until the connection must be closed, because its client takes too long or to make room.
    ///
    /// Polled by the task that polls the connection, and after it, so that every change of the phase is seen.
    pub(super) async fn overdue(&self) {
        let mut closing = pin!(self.closing.notified());
        let mut timer = pin!(sleep_until(Instant::now() + self.limits.head_timeout));
        poll_fn(|context| {
            if closing.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            while let Some(deadline) = self.deadline() {
                // A timer that is early is set anew when it ends, which spares setting it for every request.
                if deadline < timer.deadline() {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(context));
                if timer.deadline() == deadline {
                    return Poll::Ready(());
                }
                timer.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await;
    }

    fn deadline(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::Head(since) => Some(since + self.limits.head_timeout),
            Phase::Idle(since) => Some(since + self.limits.idle_timeout),
            Phase::Busy | Phase::Closing => None,
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
