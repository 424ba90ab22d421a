//! Why a check did not pass: causes, problems and failures.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::pointer;

/// What a check concluded, seen from far off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The settings work.
    Valid,
    /// The settings do not work, and somebody who holds them can mend that.
    Rejected,
    /// Nobody knows: the one who could tell did not.
    Inconclusive,
}

impl Verdict {
    /// The word in reports, for instance `rejected`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Rejected => "rejected",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Why there is no pass. The one table that the API, the command, the logs and the docs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Not JSON, or a member missing or of the wrong type.
    MalformedRequest,
    /// No provider has this `provider_id`.
    UnknownProvider,
    /// A settings field is missing, unknown or malformed.
    InvalidSettings,
    /// The provider refuses the credentials.
    InvalidCredentials,
    /// A real kind of key, for something else.
    WrongCredentialKind,
    /// The credentials are real, but may not do what the integration needs.
    InsufficientPermission,
    /// The credentials are real, the account or domain is suspended, closed or disabled.
    AccountSuspended,
    /// The credentials are real, what the settings name is not in the account.
    NotFound,
    /// A host or port that the settings name cannot be reached, or does not speak the protocol.
    ConnectionFailed,
    /// The settings name a destination that the egress policy forbids.
    DestinationForbidden,
    /// The provider limits us.
    ProviderRateLimited,
    /// A built-in host cannot be reached, or the provider fails.
    ProviderUnavailable,
    /// No full answer within the deadline.
    ProviderTimeout,
    /// An answer that is not the provider's.
    UnexpectedResponse,
    /// A defect of ours, a panic in a provider crate included.
    Internal,
}

impl Cause {
    /// Every cause, in the order of the docs.
    pub const ALL: [Self; 15] = [
        Self::MalformedRequest,
        Self::UnknownProvider,
        Self::InvalidSettings,
        Self::InvalidCredentials,
        Self::WrongCredentialKind,
        Self::InsufficientPermission,
        Self::AccountSuspended,
        Self::NotFound,
        Self::ConnectionFailed,
        Self::DestinationForbidden,
        Self::ProviderRateLimited,
        Self::ProviderUnavailable,
        Self::ProviderTimeout,
        Self::UnexpectedResponse,
        Self::Internal,
    ];

    /// The machine-readable name, for instance `invalid_credentials`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed_request",
            Self::UnknownProvider => "unknown_provider",
            Self::InvalidSettings => "invalid_settings",
            Self::InvalidCredentials => "invalid_credentials",
            Self::WrongCredentialKind => "wrong_credential_kind",
            Self::InsufficientPermission => "insufficient_permission",
            Self::AccountSuspended => "account_suspended",
            Self::NotFound => "not_found",
            Self::ConnectionFailed => "connection_failed",
            Self::DestinationForbidden => "destination_forbidden",
            Self::ProviderRateLimited => "provider_rate_limited",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::ProviderTimeout => "provider_timeout",
            Self::UnexpectedResponse => "unexpected_response",
            Self::Internal => "internal",
        }
    }

    /// The cause with this code, if there is one.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }

    /// Whether the cause is a rejection or the lack of a verdict.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::MalformedRequest
            | Self::UnknownProvider
            | Self::InvalidSettings
            | Self::InvalidCredentials
            | Self::WrongCredentialKind
            | Self::InsufficientPermission
            | Self::AccountSuspended
            | Self::NotFound
            | Self::ConnectionFailed
            | Self::DestinationForbidden => Verdict::Rejected,
            Self::ProviderRateLimited
            | Self::ProviderUnavailable
            | Self::ProviderTimeout
            | Self::UnexpectedResponse
            | Self::Internal => Verdict::Inconclusive,
        }
    }

    /// The status of an HTTP answer that reports this cause: 400 for a rejection, 500 for no verdict.
    pub const fn http_status(self) -> u16 {
        match self.verdict() {
            Verdict::Inconclusive => 500,
            Verdict::Valid | Verdict::Rejected => 400,
        }
    }

    /// What the cause means, in general.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::MalformedRequest => {
                "The request is not JSON, or a member is missing or of the wrong type."
            }
            Self::UnknownProvider => "No provider has this `provider_id`.",
            Self::InvalidSettings => {
                "A settings field is missing, unknown or malformed; the provider was not asked, or says so itself."
            }
            Self::InvalidCredentials => "The provider refuses the credentials.",
            Self::WrongCredentialKind => "A real kind of key, for something else.",
            Self::InsufficientPermission => {
                "The credentials are real, but may not do what the integration needs."
            }
            Self::AccountSuspended => {
                "The credentials are real, the account or domain is suspended, closed or disabled."
            }
            Self::NotFound => {
                "The credentials are real, what the settings name is not in the account."
            }
            Self::ConnectionFailed => {
                "A host or port that the settings name cannot be reached, or does not speak the expected protocol or TLS."
            }
            Self::DestinationForbidden => {
                "The settings name a destination that the egress policy forbids."
            }
            Self::ProviderRateLimited => "The provider limits us.",
            Self::ProviderUnavailable => {
                "Connecting to a built-in host failed, or the provider says that it fails."
            }
            Self::ProviderTimeout => "No full answer came within the deadline.",
            Self::UnexpectedResponse => "The answer is not the provider's.",
            Self::Internal => "A defect of Bonafide or of a provider crate.",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// What the code of a [`Finding`] must be able to say: one sentence that names the provider.
pub(crate) trait Sentence: Copy {
    fn sentence(self, title: &str) -> String;
}

impl Sentence for Cause {
    fn sentence(self, title: &str) -> String {
        match self {
            Self::MalformedRequest => "The request is malformed.".to_owned(),
            Self::UnknownProvider => "No provider has this id.".to_owned(),
            Self::InvalidSettings => format!("{title} does not accept this setting."),
            Self::InvalidCredentials => format!("{title} refuses these credentials."),
            Self::WrongCredentialKind => {
                format!("These credentials are of a kind that cannot be used to send with {title}.")
            }
            Self::InsufficientPermission => {
                format!(
                    "{title} knows these credentials, but does not let them do what sending needs."
                )
            }
            Self::AccountSuspended => {
                format!("{title} says that the account or domain is suspended, closed or disabled.")
            }
            Self::NotFound => {
                format!(
                    "{title} accepts the credentials, but does not find in the account what the settings name."
                )
            }
            Self::ConnectionFailed => format!(
                "{title}: the server that the settings name cannot be reached, or does not speak the expected protocol."
            ),
            Self::DestinationForbidden => {
                format!("{title}: the settings name a destination that this service may not dial.")
            }
            Self::ProviderRateLimited => {
                format!("{title} limits how often it may be asked, so there is no verdict.")
            }
            Self::ProviderUnavailable => {
                format!("{title} cannot be reached or fails, so there is no verdict.")
            }
            Self::ProviderTimeout => {
                format!("{title} did not answer in time, so there is no verdict.")
            }
            Self::UnexpectedResponse => {
                format!("The answer is not one that {title} gives, so there is no verdict.")
            }
            Self::Internal => {
                format!("The check of {title} failed for a reason of ours, so there is no verdict.")
            }
        }
    }
}

/// Something to tell about the settings: a code, the field it is about, a sentence, and what to do.
///
/// An author can only give texts that stand in the source code, so nothing that was submitted, and nothing
/// that a provider answered, can find its way into one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding<C> {
    code: C,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<Cow<'static, str>>,
}

/// A finding that stands in the way of a pass.
pub type Problem = Finding<Cause>;

impl<C: Copy> Finding<C> {
    /// A finding without a field, whose sentence is the code's own.
    pub fn new(code: C) -> Self {
        Self { code, pointer: None, message: Cow::Borrowed(""), hint: None }
    }

    /// Says which settings field it is about, by its name.
    pub fn at(mut self, field: &str) -> Self {
        self.pointer = Some(settings_pointer(&[field]));
        self
    }

    /// Says it in a sentence of its own.
    pub fn message(mut self, message: &'static str) -> Self {
        self.message = Cow::Borrowed(message);
        self
    }

    /// Says what to do about it.
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(Cow::Borrowed(hint));
        self
    }

    /// What kind of finding this is.
    pub fn code(&self) -> C {
        self.code
    }

    /// The RFC 6901 pointer into the request body, where a field is at fault.
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    /// The sentence.
    pub fn text(&self) -> &str {
        &self.message
    }

    /// What to do about it, where there is something to say.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Points into the request body, not only into the settings.
    ///
    /// This and the two below are for hosts, which judge the request around the settings. The texts must hold
    /// nothing that was submitted.
    #[doc(hidden)]
    pub fn with_pointer(mut self, pointer: Option<String>) -> Self {
        self.pointer = pointer;
        self
    }

    #[doc(hidden)]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    #[doc(hidden)]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Gives a finding without a sentence of its own that of its code.
pub(crate) fn complete<C: Sentence>(finding: &mut Finding<C>, title: &str) {
    if finding.message.is_empty() {
        finding.message = Cow::Owned(finding.code.sentence(title));
    }
}

/// The RFC 6901 pointer to a place inside `settings`.
pub(crate) fn settings_pointer(path: &[&str]) -> String {
    let mut pointer = String::from("/settings");
    for step in path {
        pointer.push('/');
        pointer.push_str(&pointer::escape(step));
    }
    pointer
}

const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// The end of a check that did not pass: one problem or more, and what the logs and the caller need beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    problems: Vec<Problem>,
    message: String,
    retry_after: Option<Duration>,
    provider_status: Option<u16>,
    note: Option<&'static str>,
    other_region: bool,
    ours: bool,
}

impl Failure {
    /// A failure of this cause, with the cause's own sentence and no field at fault.
    pub fn new(cause: Cause) -> Self {
        Self {
            problems: vec![Problem::new(cause)],
            message: String::new(),
            retry_after: None,
            provider_status: None,
            note: None,
            other_region: false,
            ours: false,
        }
    }

    /// The provider says that this field is malformed, or of no use.
    pub fn invalid_settings(field: &str) -> Self {
        Self::new(Cause::InvalidSettings).at(field)
    }

    /// The provider refuses the credentials. Of a pair, `field` is the secret.
    pub fn invalid_credentials(field: &str) -> Self {
        Self::new(Cause::InvalidCredentials).at(field)
    }

    /// A real kind of key, for something else.
    pub fn wrong_credential_kind(field: &str) -> Self {
        Self::new(Cause::WrongCredentialKind).at(field)
    }

    /// Real credentials that may not do what the integration needs.
    pub fn insufficient_permission(field: &str) -> Self {
        Self::new(Cause::InsufficientPermission).at(field)
    }

    /// Real credentials of an account, or a domain named by `field`, that is suspended, closed or disabled.
    pub fn account_suspended(field: &str) -> Self {
        Self::new(Cause::AccountSuspended).at(field)
    }

    /// Real credentials; what `field` names is not in the account.
    pub fn not_found(field: &str) -> Self {
        Self::new(Cause::NotFound).at(field)
    }

    /// The host or port in `field` cannot be reached, or does not speak the protocol.
    pub fn connection_failed(field: &str) -> Self {
        Self::new(Cause::ConnectionFailed).at(field)
    }

    /// The answer is not the provider's.
    pub fn unexpected_response() -> Self {
        Self::new(Cause::UnexpectedResponse)
    }

    /// The provider fails, or cannot be reached.
    pub fn provider_unavailable() -> Self {
        Self::new(Cause::ProviderUnavailable)
    }

    /// A defect of the provider crate or of Bonafide; `note` says which, in the log only.
    pub fn internal(note: &'static str) -> Self {
        Self::new(Cause::Internal).note(note)
    }

    pub(crate) fn of_problems(problems: Vec<Problem>) -> Self {
        Self { problems, ..Self::new(Cause::Internal) }
    }

    /// Says which settings field is at fault, by its name.
    pub fn at(self, field: &str) -> Self {
        self.change(|problem| problem.at(field))
    }

    /// Says it in a sentence of its own.
    pub fn message(self, message: &'static str) -> Self {
        self.change(|problem| problem.message(message))
    }

    /// Says what to do about it.
    pub fn hint(self, hint: &'static str) -> Self {
        self.change(|problem| problem.hint(hint))
    }

    /// Says how long to wait before asking again. A wait of more than a day is not worth passing on.
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait.filter(|wait| *wait <= LONGEST_WAIT).or(self.retry_after);
        self
    }

    /// Keeps the reply code that led here, for the log. HTTP statuses are kept without being asked for.
    pub fn provider_status(mut self, status: u16) -> Self {
        self.provider_status = Some(status);
        self
    }

    /// Keeps a remark for the log, which no caller sees.
    pub fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// Says that the wrong region could explain this answer, so the provider's next region is asked before there
    /// is a verdict. Without a next region it changes nothing.
    pub fn or_other_region(mut self) -> Self {
        self.other_region = true;
        self
    }

    /// Says that it is this machine or its configuration that failed, not the provider.
    pub(crate) fn ours(mut self) -> Self {
        self.ours = true;
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
        &self.message
    }

    /// How long to wait before asking again, where somebody said so.
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The HTTP status or SMTP reply code that led here.
    pub fn status(&self) -> Option<u16> {
        self.provider_status
    }

    /// The remark for the log.
    pub fn remark(&self) -> Option<&'static str> {
        self.note
    }

    /// Whether this machine or its configuration failed, which says nothing about the provider.
    #[doc(hidden)]
    pub fn is_ours(&self) -> bool {
        self.ours
    }

    pub(crate) fn asks_other_region(&self) -> bool {
        self.other_region
    }

    /// Settles between this answer and the next region's, when both are failures: no verdict there is no verdict
    /// at all, and of two rejections the one that knows more than "refused" wins.
    pub(crate) fn settle(self, other: Self) -> Self {
        let says_more = |failure: &Self| failure.cause() != Cause::InvalidCredentials;
        let other_decides = other.cause().verdict() == Verdict::Inconclusive
            || (!says_more(&self) && says_more(&other));
        if other_decides { other } else { self }
    }

    pub(crate) fn complete(mut self, title: &str) -> Self {
        self.message = self.cause().sentence(title);
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
