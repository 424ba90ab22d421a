//! What every answer has: a trace id, a log line, and a body even when a handler fails.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{self, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::api::Api;
use crate::api::error::ApiError;
use crate::telemetry::traceparent;

const X_TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");
const X_BONAFIDE_SANDBOX: HeaderName = HeaderName::from_static("x-bonafide-sandbox");

/// The id of a request, for its handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceId(pub(crate) Uuid);

impl FromRequestParts<Api> for TraceId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Self>().copied().ok_or_else(ApiError::internal)
    }
}

/// What a handler wants in the request's log line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remarks {
    pub(crate) account: Option<Arc<str>>,
    pub(crate) provider: Option<&'static str>,
    pub(crate) cause: Option<&'static str>,
    pub(crate) provider_status: Option<u16>,
    pub(crate) note: Option<&'static str>,
}

/// What a handler answers, before it has what every answer has.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) error: Option<ApiError>,
    pub(crate) remarks: Remarks,
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        let response = error.status().into_response();
        Self { response, error: Some(error), remarks: Remarks::default() }
    }
}

/// Through the router, remarks and an error travel in the extensions of the response.
impl From<Response> for Answer {
    fn from(mut response: Response) -> Self {
        let error = response.extensions_mut().remove();
        let remarks = response.extensions_mut().remove().unwrap_or_default();
        Self { response, error, remarks }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Self { mut response, error, remarks } = self;
        if let Some(error) = error {
            response.extensions_mut().insert(error);
        }
        response.extensions_mut().insert(remarks);
        response
    }
}

/// Lets the router answer what it is asked.
pub(crate) async fn trace_router(State(api): State<Api>, request: Request, next: Next) -> Response {
    // Never the path as it came: it may hold anything.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let answer = |mut request: Request, trace_id| {
        request.extensions_mut().insert(TraceId(trace_id));
        next.run(request).map(Answer::from)
    };
    trace(&api, route, request, answer).await
}

/// Answers a request, and gives the answer what every one has.
///
/// Not an `async fn`, which would hold the request beside the future that takes it, for as long as a check lasts.
pub(crate) fn trace<'a, B, A: Future<Output = Answer>>(
    api: &'a Api,
    route: Option<&'a str>,
    request: http::Request<B>,
    answer: impl FnOnce(http::Request<B>, Uuid) -> A,
) -> impl Future<Output = Response> {
    let start = Instant::now();
    let parent = traceparent::read(request.headers());
    let trace_id = parent.map_or_else(Uuid::new_v4, |parent| parent.trace_id);
    // A method may be any word.
    let method = match request.method().as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    };
    let span = tracing::info_span!("request", %trace_id);
    #[cfg(feature = "opentelemetry")]
    crate::telemetry::export::adopt(&span, trace_id, parent.as_ref());
    let finish = move |answer: std::thread::Result<Answer>| {
        let answer = answer.unwrap_or_else(|_panic| ApiError::internal().into());
        finished(api, route, method, trace_id, start, answer)
    };
    AssertUnwindSafe(answer(request, trace_id)).catch_unwind().map(finish).instrument(span)
}

/// The answer with the headers that every one has, counted and logged.
fn finished(
    api: &Api,
    route: Option<&str>,
    method: &str,
    trace_id: Uuid,
    start: Instant,
    answer: Answer,
) -> Response {
    let Answer { mut response, error, remarks } = answer;
    if let Some(error) = error {
        error.complete(&mut response, trace_id);
    }
    let headers = response.headers_mut();
    headers.reserve(8);
    // What an account has at its provider, and even whether its key works, is for the one who asked.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let trace_id = trace_id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned();
    if let Ok(value) = HeaderValue::try_from(trace_id) {
        headers.insert(X_TRACE_ID, value);
    }
    if api.0.sandbox {
        headers.insert(X_BONAFIDE_SANDBOX, HeaderValue::from_static("true"));
    }
    let elapsed = start.elapsed();
    api.0.metrics.answered(route, response.status(), elapsed);
    tracing::info!(
        method,
        route,
        status = response.status().as_u16(),
        account = remarks.account.as_deref(),
        provider = remarks.provider,
        cause = remarks.cause,
        provider_status = remarks.provider_status,
        note = remarks.note,
        elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        "Answered a request."
    );
    response
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::StatusCode;
    use bonafide_registry::Registry;
    use serde_json::Value;

    use super::*;
    use crate::check::Checks;
    use crate::config::Config;

    #[tokio::test]
    async fn a_handler_that_panics_is_one_500_that_does_not_say_why() {
        let registry = Registry::collect(include_str!("../../Cargo.toml")).unwrap();
        let config = Config::read(&registry, None, []).unwrap();
        let environment = config.environment(&registry).unwrap();
        let checks = Checks::new(registry, environment, |validator| {
            config.provider_limits(validator, false)
        });
        let api = Api::new(checks, &config, false).await.unwrap();
        let panics = |_request, _trace_id| async { panic!("the handler held hunter2") };
        let response = trace(&api, None, http::Request::new(()), panics).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let id = response.headers()[X_TRACE_ID].to_str().unwrap().to_owned();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"][0]["code"], "internal", "{body}");
        assert_eq!(body["trace_id"], id.as_str(), "{body}");
        assert!(!body.to_string().contains("hunter2"), "{body}");
    }
}
