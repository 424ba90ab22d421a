//! `POST /v1/hood/integrations/validate`: judged in the order token, rate, size, type, body, provider.

use std::time::Duration;

use axum::Json;
use axum::body::HttpBody as Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{self, HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bonafide_core::{Cause, Problem, Verdict};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::api::error::{ApiError, whole_seconds};
use crate::api::rate_limit::{Decision, Quota};
use crate::api::trace::{Answer, Remarks, TraceId};
use crate::api::{Api, MAX_BODY};
use crate::check::{Caller, NOT_VALID, Report};
#[cfg(feature = "opentelemetry")]
use crate::telemetry;

const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const X_BONAFIDE_WARNINGS: HeaderName = HeaderName::from_static("x-bonafide-warnings");
/// How much of a refused body is still read, so that a client that is busy writing gets to read the answer.
const MAX_DISCARD: usize = 1024 * 1024;

/// Answers as a handler of the router.
pub(crate) async fn handle(
    State(api): State<Api>,
    TraceId(trace_id): TraceId,
    request: Request,
) -> Answer {
    validate(&api, request, trace_id).await
}

pub(crate) fn validate<B: Body<Data = Bytes> + Unpin>(
    api: &Api,
    request: http::Request<B>,
    trace_id: Uuid,
) -> impl Future<Output = Answer> {
    // Not an `async fn`, which would hold the whole request for as long as the check lasts.
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    async move {
        let account = match api.0.accounts.authenticate(&headers) {
            Ok(account) => account,
            Err(error) => {
                discard(body).await;
                return error.into();
            }
        };
        let mut answer = answer(api, headers, body, &account, trace_id).await;
        answer.remarks.account = Some(account);
        answer
    }
}

/// Answers the holder of an account.
async fn answer<B: Body<Data = Bytes> + Unpin>(
    api: &Api,
    headers: HeaderMap,
    body: B,
    account: &str,
    trace_id: Uuid,
) -> Answer {
    let quota = match api.0.rate_limiter.count(account).await {
        Decision::Admitted(quota) => quota,
        Decision::Limited { wait, window } => {
            api.0.metrics.limited(window);
            discard(body).await;
            return ApiError::too_many_requests(wait).into();
        }
    };
    // Boxed, as it is over before the check begins.
    let mut answer: Answer = match Box::pin(read(headers, body, api.0.body_timeout)).await {
        Ok(body) => {
            let check = api.0.checks.run(body, Caller::Account(account), trace_id);
            #[cfg(feature = "opentelemetry")]
            let check = telemetry::export::checking(check);
            let report = check.await;
            api.0.metrics.checked(&report);
            report.into()
        }
        Err(error) => error.into(),
    };
    if let Some(quota) = quota {
        announce(&quota, answer.response.headers_mut());
    }
    answer
}

fn announce(quota: &Quota, headers: &mut HeaderMap) {
    headers.insert(X_RATELIMIT_LIMIT, quota.limit.into());
    headers.insert(X_RATELIMIT_REMAINING, quota.remaining.into());
    headers.insert(X_RATELIMIT_RESET, whole_seconds(quota.reset).into());
}

/// Reads the whole body, if it is not too large and says that it is JSON.
///
/// Nothing of the request is kept but what it returns: the library holds its buffer as long as anything that it read.
async fn read<B: Body<Data = Bytes> + Unpin>(
    headers: HeaderMap,
    body: B,
    patience: Duration,
) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > MAX_BODY) {
        discard(body).await;
        return Err(ApiError::too_large(MAX_BODY));
    }
    let body = timeout(patience, collect(body, announced))
        .await
        .unwrap_or_else(|_elapsed| Err(broken_off()))?;
    judge_type(&headers)?;
    Ok(body)
}

async fn collect<B: Body<Data = Bytes> + Unpin>(
    mut body: B,
    announced: Option<usize>,
) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    // As much as can come, so that it never moves and leaves secrets behind.
    let mut read = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(MAX_BODY)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| broken_off())?;
        let Ok(chunk) = frame.into_data() else { continue };
        if read.len() + chunk.len() > MAX_BODY {
            discard(body).await;
            return Err(ApiError::too_large(MAX_BODY));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

fn broken_off() -> ApiError {
    let problem =
        Problem::new(Cause::MalformedRequest).with_message("The body did not arrive in full.");
    ApiError::bad_request(NOT_VALID, vec![problem])
}

async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let read = async {
        let mut left = MAX_DISCARD;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            left = match left.checked_sub(length) {
                Some(left) => left,
                None => break,
            };
        }
    };
    // The answer stands; whether the rest came does not change it.
    let _elapsed = timeout(Duration::from_secs(1), read).await;
}

fn judge_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_json = match (types.next(), types.next()) {
        (Some(only), None) => only.to_str().is_ok_and(is_json),
        _ => false,
    };
    if !is_json {
        return Err(ApiError::unsupported_media_type(
            "The body must be JSON: send `Content-Type: application/json`.",
        ));
    }
    let is_plain = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Err(ApiError::unsupported_media_type(
            "The body must not be compressed: send it without `Content-Encoding`.",
        ));
    }
    Ok(())
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || essence
            .strip_prefix("application/")
            .and_then(|subtype| subtype.strip_suffix("+json"))
            .is_some_and(|name| !name.is_empty())
}

impl From<Report> for Answer {
    fn from(report: Report) -> Self {
        let remarks = Remarks {
            account: None,
            provider: report.provider.map(|descriptor| descriptor.name),
            cause: report.cause(),
            provider_status: report.provider_status,
            note: report.note,
        };
        let answer: Self = match report.verdict {
            Verdict::Valid => passed(&report).into(),
            Verdict::Rejected => ApiError::bad_request(report.message, report.problems).into(),
            Verdict::Inconclusive => {
                ApiError::no_verdict(report.problems).retry_after(report.retry_after).into()
            }
        };
        Self { remarks, ..answer }
    }
}

fn passed(report: &Report) -> Response {
    let mut response = match &report.data {
        Some(data) => Json(data).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    };
    let warnings: Vec<&str> = report.warnings.iter().map(|warning| warning.code().code()).collect();
    if let Some(value) =
        HeaderValue::try_from(warnings.join(", ")).ok().filter(|value| !value.is_empty())
    {
        response.headers_mut().insert(X_BONAFIDE_WARNINGS, value);
    }
    response
}
