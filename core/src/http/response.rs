//! A response, and what can be read of it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;

use super::retry_after;
use crate::cause::Cause;
use crate::failure::Failure;
use crate::json::JsonStr;
use crate::json::pointer;

/// A response of the provider, or of some server in between. Its body is read for single facts and never shown.
pub struct Response {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Response {
    pub(super) fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self { status: status.as_u16(), headers, body }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of a header, where it is there and visible ASCII. It may echo what was sent, so it must not be shown.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # fn classify(response: &Response) -> Result<Outcome, Failure> {
    /// let scopes = response.header("x-oauth-scopes").unwrap_or_default();
    /// if !scopes.split(',').any(|scope| scope.trim() == "chat:write") {
    ///     return Err(Failure::insufficient_permission("bot_token"));
    /// }
    /// # Ok(Outcome::valid())
    /// # }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn has_header(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    /// The body, where it is JSON of this shape and not from an intermediary.
    ///
    /// For a text use [`JsonStr`](crate::JsonStr) or `String`: a `&str` is not found where it is written with escapes.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        if self.is_from_intermediary() { None } else { serde_json::from_slice(&self.body).ok() }
    }

    /// The body, where the status is 200 too.
    pub fn json_if_ok<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        if self.status == 200 { self.json() } else { None }
    }

    /// One value of the body, by its RFC 6901 pointer, where it is there and of this type.
    pub fn at<'a, T: Deserialize<'a>>(&'a self, pointer: &str) -> Option<T> {
        if self.is_from_intermediary() { None } else { pointer::find(&self.body, pointer) }
    }

    /// The status, and the provider's own error code at this pointer: the pair that decides what a refusal means.
    ///
    /// Without the code nothing is decided, for any proxy refuses with the same statuses; and a status that only a
    /// redirect, an outage or a limit has (3xx, 408, 425, 429, every 5xx but 500) decides nothing whatever the code.
    pub fn error_code<'a, T: Deserialize<'a>>(&'a self, pointer: &str) -> (u16, Option<T>) {
        (self.status, self.is_decisive().then(|| self.at(pointer)).flatten())
    }

    /// The problem details (RFC 9457) of a provider that documents them: the body, where it is `application/problem+json`
    /// and its `type` is this URL or lies below it. The status and the type are the pair that decides, as for
    /// [`error_code`](Self::error_code); without such a type the response is an intermediary's.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # fn classify(response: &Response) -> Failure {
    /// #[derive(Deserialize)]
    /// struct ProblemDetails<'a> {
    ///     #[serde(borrow)]
    ///     r#type: JsonStr<'a>,
    /// }
    ///
    /// match response.problem::<ProblemDetails>("https://developer.example.com/api-errors") {
    ///     (401, Some(problem)) if problem.r#type.ends_with("#unauthorized") => {
    ///         Failure::invalid_credentials("api_secret")
    ///     }
    ///     _ => response.inconclusive(),
    /// }
    /// # }
    /// ```
    pub fn problem<'a, T: Deserialize<'a>>(&'a self, type_url: &str) -> (u16, Option<T>) {
        let is_below = |problem_type: JsonStr<'_>| {
            let type_url = type_url.trim_end_matches('/');
            let rest = problem_type.strip_prefix(type_url);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '#', '?']))
        };
        let is_own = self.is_decisive()
            && self.is_problem_json()
            && pointer::find(&self.body, "/type").is_some_and(is_below);
        (self.status, is_own.then(|| serde_json::from_slice(&self.body).ok()).flatten())
    }

    /// The list at this pointer of a response with the status 200; [`inconclusive`](Self::inconclusive) for any other.
    pub fn list<'a, T: Deserialize<'a>>(&'a self, pointer: &str) -> Result<Vec<T>, Failure> {
        self.at(pointer).filter(|_| self.status == 200).ok_or_else(|| self.inconclusive())
    }

    /// The body as text without white space around it, where it is UTF-8 and not from an intermediary.
    pub fn text(&self) -> Option<&str> {
        if self.is_from_intermediary() {
            None
        } else {
            std::str::from_utf8(&self.body).ok().map(str::trim)
        }
    }

    /// Whether the body is plainly that of a server in between: HTML, or problem+json. A provider that documents
    /// problem+json is read with [`problem`](Self::problem).
    pub fn is_from_intermediary(&self) -> bool {
        self.is_problem_json() || self.body.trim_ascii_start().starts_with(b"<")
    }

    fn is_problem_json(&self) -> bool {
        let content_type = self.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let problem = b"problem+json";
        content_type.windows(problem.len()).any(|part| part.eq_ignore_ascii_case(problem))
    }

    fn is_decisive(&self) -> bool {
        !matches!(self.status, 300..=399 | 408 | 425 | 429 | 501..)
    }

    /// The failure where the provider's own words decide nothing: limited for a 429, unavailable for a 408, a 425 and
    /// every 5xx, and `unexpected_response` for any other status.
    pub fn inconclusive(&self) -> Failure {
        let cause = match self.status {
            429 => Cause::ProviderRateLimited,
            408 | 425 | 500..=599 => Cause::ProviderUnavailable,
            _ => Cause::UnexpectedResponse,
        };
        Failure::new(cause).with_retry_after(self.retry_after())
    }

    /// The failure where the provider's own word says that it limits us, whatever the status.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # fn classify(response: &Response) -> Failure {
    /// match response.at::<JsonStr<'_>>("/error").as_deref() {
    ///     Some("ratelimited") => response.rate_limited(),
    ///     Some("maintenance") => response.unavailable(),
    ///     _ => response.inconclusive(),
    /// }
    /// # }
    /// ```
    pub fn rate_limited(&self) -> Failure {
        Failure::provider_rate_limited().with_retry_after(self.retry_after())
    }

    /// The failure where the provider's own word says that it is down, whatever the status.
    pub fn unavailable(&self) -> Failure {
        Failure::provider_unavailable().with_retry_after(self.retry_after())
    }

    /// How long the provider asks to wait: `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), or
    /// else `X-RateLimit-Reset`, which is in seconds from now or in seconds since 1970.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.header("retry-after") {
            Some(text) => retry_after::from_retry_after(text),
            None => self.retry_after_in("x-ratelimit-reset"),
        }
    }

    /// How long the provider asks to wait in a header of its own, in seconds with or without a fraction.
    pub fn retry_after_in(&self, header: &str) -> Option<Duration> {
        retry_after::from_text(self.header(header)?)
    }

    /// How long the provider asks to wait at this pointer of the body, in seconds with or without a fraction.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # fn classify(response: &Response) -> Failure {
    /// let wait = response.retry_after_at("/parameters/retry_after");
    /// response.rate_limited().with_retry_after(wait)
    /// # }
    /// ```
    pub fn retry_after_at(&self, pointer: &str) -> Option<Duration> {
        self.at(pointer).and_then(retry_after::from_seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use reqwest::header::HeaderName;

    use super::*;

    fn response(status: u16, headers: &[(&'static str, &str)]) -> Response {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        Response { status, headers, body: Bytes::new() }
    }

    #[test]
    fn a_status_alone_is_never_a_rejection() {
        for status in 100..600 {
            let expected = match status {
                429 => Cause::ProviderRateLimited,
                408 | 425 | 500.. => Cause::ProviderUnavailable,
                _ => Cause::UnexpectedResponse,
            };
            assert_eq!(response(status, &[]).inconclusive().cause(), expected, "{status}");
        }
    }

    #[test]
    fn a_status_that_says_not_now_decides_nothing() {
        let word = |status| {
            let body = Bytes::from_static(br#"{"code": 7}"#);
            Response { body, ..response(status, &[]) }.error_code::<u32>("/code")
        };
        assert_eq!([401, 500].map(word), [(401, Some(7)), (500, Some(7))]);
        for status in (300..400).chain([408, 425, 429]).chain(501..600) {
            assert_eq!(word(status), (status, None));
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the provider means the time of the day")]
    fn the_wait_is_read_in_each_form_it_is_given_in() {
        let wait =
            |headers: &[(&'static str, &str)]| response(429, headers).inconclusive().retry_after();
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[("retry-after", " 7 ")]), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[("retry-after", "-1")]), None);
        assert_eq!(wait(&[("retry-after", "99999999999")]), None);
        assert_eq!(wait(&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(wait(&[("x-ratelimit-reset", "30")]), Some(Duration::from_secs(30)));
        assert_eq!(wait(&[("x-ratelimit-reset", "1000000000")]), Some(Duration::ZERO));
        assert_eq!(
            wait(&[("retry-after", "1"), ("x-ratelimit-reset", "9")]),
            Some(Duration::from_secs(1))
        );
        let in_an_hour = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
        let read = wait(&[("retry-after", &in_an_hour)]).unwrap();
        assert!(read > Duration::from_mins(58) && read <= Duration::from_hours(1), "{read:?}");
    }

    #[test]
    fn a_wait_may_have_a_fraction_and_stand_elsewhere() {
        let body =
            Bytes::from_static(br#"{"retry_after": 64.57, "parameters": {"retry_after": 35}}"#);
        let headers = [("ratelimit-reset", "3"), ("x-ratelimit-reset-after", "0.25"), ("x", "1e9")];
        let limited = Response { body, ..response(429, &headers) };
        assert_eq!(limited.retry_after_at("/retry_after"), Some(Duration::from_secs_f64(64.57)));
        assert_eq!(
            limited.retry_after_at("/parameters/retry_after"),
            Some(Duration::from_secs(35))
        );
        assert_eq!(limited.retry_after_at("/message"), None);
        assert_eq!(limited.retry_after_in("ratelimit-reset"), Some(Duration::from_secs(3)));
        assert_eq!(
            limited.retry_after_in("x-ratelimit-reset-after"),
            Some(Duration::from_millis(250))
        );
        for header in ["x", "absent"] {
            assert_eq!(limited.retry_after_in(header), None, "{header}");
        }
        for text in ["-1", "NaN", "inf", "", ".", "1.2.3", "+1"] {
            assert_eq!(response(429, &[("x", text)]).retry_after_in("x"), None, "{text}");
        }
    }

    #[test]
    fn the_providers_word_decides_whatever_the_status() {
        for status in [200, 400, 503] {
            let response = response(status, &[("retry-after", "7")]);
            for (failure, cause) in [
                (response.rate_limited(), Cause::ProviderRateLimited),
                (response.unavailable(), Cause::ProviderUnavailable),
            ] {
                let found = (failure.cause(), failure.retry_after());
                assert_eq!(found, (cause, Some(Duration::from_secs(7))));
            }
        }
    }

    #[test]
    fn problem_json_is_the_providers_own_where_its_type_is() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct ProblemDetails {
            title: String,
        }
        let problem = |status, content_type: &str, problem_type: &str| {
            let body = format!(r#"{{"type": "{problem_type}", "title": "Unauthorized"}}"#);
            let response = Response {
                body: body.into(),
                ..response(status, &[("content-type", content_type)])
            };
            assert!(response.is_from_intermediary() || content_type == "application/json");
            response.problem::<ProblemDetails>("https://api.example.com/errors/").1.is_some()
        };
        let own = "https://api.example.com/errors#unauthorized";
        assert!(problem(401, "application/problem+json", own));
        assert!(problem(401, "Application/Problem+JSON; charset=utf-8", own));
        assert!(problem(403, "application/problem+json", "https://api.example.com/errors/403"));
        assert!(problem(400, "application/problem+json", "https://api.example.com/errors"));
        assert!(!problem(401, "application/json", own));
        assert!(!problem(429, "application/problem+json", own));
        assert!(!problem(503, "application/problem+json", own));
        for other in ["about:blank", "https://api.example.com/errorsX", "https://gateway.example"] {
            assert!(!problem(401, "application/problem+json", other), "{other}");
        }
    }
}
