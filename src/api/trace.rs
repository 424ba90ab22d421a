//! What every answer has: a trace id, a log line, and a body even when a handler fails.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::api::{Api, traceparent};

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

/// What a handler wants in the request's log line. It travels in the extensions of the response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remarks {
    pub(crate) account: Option<Arc<str>>,
    pub(crate) provider: Option<&'static str>,
    pub(crate) cause: Option<&'static str>,
    pub(crate) provider_status: Option<u16>,
    pub(crate) note: Option<&'static str>,
}

pub(crate) async fn trace(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let parent = traceparent::read(request.headers());
    let trace_id = parent.map_or_else(Uuid::new_v4, |parent| parent.trace_id);
    request.extensions_mut().insert(TraceId(trace_id));
    let method = request.method().clone();
    // A method may be any word.
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "other",
    };
    // Never the path as it came: it may hold anything.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let span = tracing::info_span!("request", %trace_id);
    #[cfg(feature = "opentelemetry")]
    crate::telemetry::export::adopt(&span, trace_id, parent.as_ref());
    async {
        let response = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        let mut response = response.unwrap_or_else(|_panic| ApiError::internal().into_response());
        if let Some(error) = response.extensions_mut().remove::<ApiError>() {
            *response.body_mut() = Body::from(error.body(trace_id));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
        }
        let headers = response.headers_mut();
        // What an account has at its provider, and even whether its key works, is for the one who asked.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(value) = HeaderValue::try_from(trace_id.to_string()) {
            headers.insert(X_TRACE_ID, value);
        }
        if api.0.sandbox {
            headers.insert(X_BONAFIDE_SANDBOX, HeaderValue::from_static("true"));
        }
        let elapsed = start.elapsed();
        api.0.metrics.answered(route, response.status(), elapsed);
        let remarks = response.extensions_mut().remove::<Remarks>().unwrap_or_default();
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
    .instrument(span)
    .await
}
