//! The result of a check that did not pass.

use std::fmt;
use std::time::Duration;

use crate::cause::{Cause, Code as _, Verdict};
use crate::finding::{Finding, Problem, complete};

/// A longer wait is not passed on: a caller cannot plan for it.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// The result of a check that did not pass: one problem or more, and what the log and the caller need beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    problems: Vec<Problem>,
    summary: String,
    retry_after: Option<Duration>,
    provider_status: Option<u16>,
    note: Option<&'static str>,
    asks_other_region: bool,
    is_local_fault: bool,
}

impl Failure {
    /// A failure of this cause, with the cause's own sentence and no field at fault.
    pub fn new(cause: Cause) -> Self {
        Self {
            problems: vec![Problem::new(cause)],
            summary: String::new(),
            retry_after: None,
            provider_status: None,
            note: None,
            asks_other_region: false,
            is_local_fault: false,
        }
    }

    /// The provider says that this field is malformed, or of no use.
    pub fn invalid_settings(field: &'static str) -> Self {
        Self::new(Cause::InvalidSettings).with_field(field)
    }

    /// The provider refuses the credentials. Of a pair, `field` is the secret.
    pub fn invalid_credentials(field: &'static str) -> Self {
        Self::new(Cause::InvalidCredentials).with_field(field)
    }

    /// A real kind of key, for something else.
    pub fn wrong_credential_kind(field: &'static str) -> Self {
        Self::new(Cause::WrongCredentialKind).with_field(field)
    }

    /// Real credentials that may not do what the integration needs.
    pub fn insufficient_permission(field: &'static str) -> Self {
        Self::new(Cause::InsufficientPermission).with_field(field)
    }

    /// Real credentials of an account, or a domain named by `field`, that is suspended, closed or disabled.
    pub fn account_suspended(field: &'static str) -> Self {
        Self::new(Cause::AccountSuspended).with_field(field)
    }

    /// Real credentials; what `field` names is not in the account.
    pub fn not_found(field: &'static str) -> Self {
        Self::new(Cause::NotFound).with_field(field)
    }

    /// The host or port in `field` cannot be reached, or does not speak the protocol.
    pub fn connection_failed(field: &'static str) -> Self {
        Self::new(Cause::ConnectionFailed).with_field(field)
    }

    /// The response is not one that the provider gives.
    pub fn unexpected_response() -> Self {
        Self::new(Cause::UnexpectedResponse)
    }

    /// The provider limits how often it may be asked.
    pub fn provider_rate_limited() -> Self {
        Self::new(Cause::ProviderRateLimited)
    }

    /// The provider fails, or cannot be reached.
    pub fn provider_unavailable() -> Self {
        Self::new(Cause::ProviderUnavailable)
    }

    /// A defect of the provider crate or of Bonafide; `note` says which, in the log only.
    pub fn internal(note: &'static str) -> Self {
        Self::new(Cause::Internal).with_note(note)
    }

    pub(crate) fn of_problems(problems: Vec<Problem>) -> Self {
        Self { problems, ..Self::new(Cause::Internal) }
    }

    /// Points at the settings field with this name.
    pub fn with_field(self, name: &'static str) -> Self {
        self.change(|problem| problem.with_field(name))
    }

    /// Replaces the cause's own sentence.
    pub fn with_message(self, message: &'static str) -> Self {
        self.change(|problem| problem.with_message(message))
    }

    /// Adds what to do about it.
    pub fn with_hint(self, hint: &'static str) -> Self {
        self.change(|problem| problem.with_hint(hint))
    }

    /// Adds how long to wait before asking again. A wait of more than a day is dropped, and `None` changes nothing.
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait.filter(|wait| *wait <= MAX_RETRY_AFTER).or(self.retry_after);
        self
    }

    /// Adds the reply code that led here, for the log. HTTP statuses are kept without being asked for.
    pub fn with_provider_status(mut self, status: u16) -> Self {
        self.provider_status = Some(status);
        self
    }

    /// Adds a note for the log, which no caller sees.
    pub fn with_note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// Says that the wrong region could explain this answer, so the provider's next region is asked before there
    /// is a verdict. Without a next region it changes nothing.
    pub fn or_other_region(mut self) -> Self {
        self.asks_other_region = true;
        self
    }

    /// Says that this machine or its configuration failed, not the provider.
    pub(crate) fn local_fault(mut self) -> Self {
        self.is_local_fault = true;
        self
    }

    fn change(mut self, change: impl FnOnce(Problem) -> Problem) -> Self {
        if let Some(first) = self.problems.first_mut() {
            *first = change(first.clone());
        }
        self
    }

    /// The cause of the first problem, which decides the verdict.
    pub fn cause(&self) -> Cause {
        self.problems.first().map_or(Cause::Internal, Finding::code)
    }

    /// Every problem, the deciding one first. Never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// One sentence that names the provider and the cause; empty until the check has ended.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// How long to wait before asking again, where the provider or the core said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The HTTP status or SMTP reply code that led here.
    pub fn provider_status(&self) -> Option<u16> {
        self.provider_status
    }

    /// The note for the log.
    pub fn note(&self) -> Option<&'static str> {
        self.note
    }

    pub(crate) fn is_local_fault(&self) -> bool {
        self.is_local_fault
    }

    pub(crate) fn asks_other_region(&self) -> bool {
        self.asks_other_region
    }

    /// Decides between this failure and the next region's: an inconclusive one there decides, and of two rejections the
    /// one that knows more than "refused" wins.
    pub(crate) fn settle(self, other: Self) -> Self {
        let says_more = |failure: &Self| failure.cause() != Cause::InvalidCredentials;
        let other_decides = other.cause().verdict() == Verdict::Inconclusive
            || (!says_more(&self) && says_more(&other));
        if other_decides { other } else { self }
    }

    /// Fills in the sentences that name the provider.
    pub(crate) fn complete(mut self, title: &str) -> Self {
        self.summary = self.cause().sentence(title);
        for problem in &mut self.problems {
            complete(problem, title);
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.cause().code())
    }
}

impl std::error::Error for Failure {}
