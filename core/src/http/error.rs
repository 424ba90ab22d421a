//! What a request without a whole response means.

use std::error::Error;
use std::io;

use http_body_util::LengthLimitError;

use crate::egress::local_fault::is_local_fault;
use crate::egress::policy::Forbidden;
use crate::failure::Failure;

/// A request without a whole response.
pub(super) struct RequestError {
    pub(super) failure: Failure,
    /// Whether another try could get a response: connecting failed at once, or the connection broke off before the
    /// response began, as one does that the provider had closed meanwhile.
    pub(super) is_retryable: bool,
}

impl RequestError {
    /// The text of an error may hold what was sent or received, so only its kind is kept.
    pub(super) fn of_send(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            let failure = Failure::internal("the HTTP client refuses the request");
            return Self { failure, is_retryable: false };
        }
        if let Some(failure) = error_chain(error).find_map(final_failure) {
            return Self { failure, is_retryable: false };
        }
        let note =
            if error.is_connect() { "connecting failed" } else { "the connection broke off" };
        // A host that drops packets would do so again, until the deadline.
        let is_dropping = error.is_connect() && error.is_timeout();
        Self { failure: unavailable(error, note), is_retryable: !is_dropping }
    }

    /// The response has begun, so the request is not sent again.
    pub(super) fn of_body(error: &(dyn Error + 'static)) -> Self {
        let failure = error_chain(error).find_map(final_failure).unwrap_or_else(|| {
            if error_chain(error).any(is_malformed) {
                not_http()
            } else {
                unavailable(error, "the connection broke off")
            }
        });
        Self { failure, is_retryable: false }
    }
}

fn not_http() -> Failure {
    Failure::unexpected_response().with_note("the response is not HTTP")
}

fn unavailable(error: &(dyn Error + 'static), note: &'static str) -> Failure {
    let failure = Failure::provider_unavailable().with_note(note);
    let mut causes = error_chain(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    if causes.any(is_local_fault) { failure.local_fault() } else { failure }
}

/// The failure that a cause of the error stands for, where a retry would not change it.
fn final_failure(cause: &(dyn Error + 'static)) -> Option<Failure> {
    if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
        Some(not_http())
    } else if cause.is::<LengthLimitError>() {
        Some(Failure::unexpected_response().with_note("the response is too long"))
    } else if cause.is::<Forbidden>() {
        let note = "the egress policy forbids the address of the built-in host";
        Some(Failure::provider_unavailable().with_note(note).local_fault())
    } else if cause.is::<rustls::Error>() {
        Some(Failure::provider_unavailable().with_note("TLS failed"))
    } else {
        None
    }
}

/// Whether the chunks of the body are not HTTP, which hyper reports as an error of the system.
fn is_malformed(cause: &(dyn Error + 'static)) -> bool {
    let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

/// The error and its causes, those included that an error of the system holds inside.
fn error_chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}
