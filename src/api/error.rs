//! The one shape of everything that is no success.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bonafide_core::{Cause, Problem};
use serde::Serialize;
use uuid::Uuid;

/// An answer that is no success. What it looks like is decided in [`ApiError::complete`] alone.
///
/// It becomes a response with nothing but its status; the rest needs the trace id, and whoever knows that adds it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: Option<String>,
    problems: Vec<Problem>,
    retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: u16,
    title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    trace_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a [Problem]>,
}

/// Every status of an error, and its title.
pub(crate) const TITLES: [(u16, &str); 8] = [
    (400, "Bad request."),
    (401, "Unauthorized."),
    (404, "Not found."),
    (405, "Method not allowed."),
    (413, "Payload too large."),
    (415, "Unsupported media type."),
    (429, "Too many requests."),
    (500, "Internal server error."),
];

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: Some(message.into()), problems: Vec::new(), retry_after: None }
    }

    /// A request that is refused, by us or by the provider.
    pub(crate) fn bad_request(message: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self { problems, ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    /// No verdict.
    pub(crate) fn no_verdict(problems: Vec<Problem>) -> Self {
        Self { problems, message: None, ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "") }
    }

    /// A defect of ours.
    pub(crate) fn internal() -> Self {
        Self::no_verdict(vec![
            Problem::new(Cause::Internal)
                .with_message("The request failed for a reason of ours.")
                .with_hint("Report it with the trace id."),
        ])
    }

    /// A request without the token of an account. Why it is none is not told.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "The request needs the token of an account: send `Authorization: Bearer TOKEN`.",
        )
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "This route does not take this method; the `Allow` header lists those that it takes.",
        )
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The body must not be larger than {limit} bytes."),
        )
    }

    pub(crate) fn unsupported_media_type(message: &'static str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    pub(crate) fn too_many_requests(wait: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "The account has used up its requests for now.")
            .retry_after(Some(wait))
    }

    pub(crate) fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Makes a response to it whole.
    pub(crate) fn complete(&self, response: &mut Response, trace_id: Uuid) {
        *response.body_mut() = self.body(trace_id).into();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, whole_seconds(wait).max(1).into());
        }
    }

    fn body(&self, trace_id: Uuid) -> String {
        let code = self.status.as_u16();
        let title =
            TITLES.iter().find(|(status, _)| *status == code).map_or("", |(_, title)| title);
        let body = Body {
            code,
            title,
            message: self.message.as_deref(),
            trace_id,
            errors: (!self.problems.is_empty()).then_some(self.problems.as_slice()),
        };
        // A struct of strings and numbers always serialises.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

/// Whole seconds, rounded up, so that nobody comes back too early.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
