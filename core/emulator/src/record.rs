//! What an emulator was asked.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A request that an emulator was sent. Its `Debug` withholds the path and the values of the query.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The configuration key of the base URL that was asked.
    pub base_url: &'static str,
    /// The method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The pairs of the query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The names of the headers, in lower case.
    pub header_names: Vec<String>,
    /// How many bytes the body had.
    pub body_length: usize,
    /// The step that gave the answer.
    pub answered_by: Option<AnsweredBy>,
    /// Where no step gave one: the nearest step, and what differed.
    pub closest_mismatch: Option<String>,
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query: Vec<&str> = self.query.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("RecordedRequest")
            .field("base_url", &self.base_url)
            .field("method", &self.method)
            .field("query", &query)
            .field("header_names", &self.header_names)
            .field("body_length", &self.body_length)
            .field("answered_by", &self.answered_by)
            .field("closest_mismatch", &self.closest_mismatch)
            .finish_non_exhaustive()
    }
}

/// A step of an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredBy {
    /// The name of the interaction.
    pub interaction: String,
    /// The index of the step in its steps.
    pub step: usize,
}

/// A stage of a mail server's dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The greeting.
    Greeting,
    /// The reply to the `EHLO` in clear.
    Ehlo,
    /// The reply to `STARTTLS`.
    StartTls,
    /// The reply to the `EHLO` inside TLS.
    EhloInsideTls,
    /// The reply to the credentials.
    Auth,
}

/// What an emulator records while it replays.
#[derive(Debug, Default)]
pub(crate) struct Record {
    entries: Mutex<Entries>,
    off: AtomicBool,
}

#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) requests: Vec<RecordedRequest>,
    pub(crate) commands: Vec<String>,
    pub(crate) stages: BTreeSet<Stage>,
    pub(crate) connections: usize,
}

impl Record {
    /// Stops recording requests and commands, because a long run would record without end.
    pub(crate) fn turn_off(&self) {
        self.off.store(true, Ordering::Relaxed);
    }

    pub(crate) fn add_request(&self, request: RecordedRequest) {
        if !self.off.load(Ordering::Relaxed) {
            self.lock().requests.push(request);
        }
    }

    pub(crate) fn add_command(&self, verb: &str) {
        if !self.off.load(Ordering::Relaxed) {
            self.lock().commands.push(verb.to_owned());
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
