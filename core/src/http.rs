//! Guarded HTTP: a request that can only go to the provider's base URL, and the answer to it.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
pub(crate) use http::Method;
use http::Uri;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tokio::time::error::Elapsed;
use tokio::time::sleep;
use url::Url;
use zeroize::Zeroizing;

use crate::client::{Client, SendError, causes};
use crate::context::Context;
use crate::dial::is_ours;
use crate::egress::Forbidden;
use crate::failure::{Cause, Failure};
use crate::pointer;

/// What providers see as the one who asks.
const PRODUCT: &str = concat!("bonafide/", env!("CARGO_PKG_VERSION"));
/// The largest answer that is read unless the request says otherwise.
const DEFAULT_LIMIT: usize = 1024 * 1024;
/// How often a request is sent again.
const MOST_RETRIES: usize = 2;
/// The pause before the first retry, on average.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// A provider that asks for more than this is not asked again within the check.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// One request to the provider. It is judged when it is sent; what cannot be built ends in a failure there.
#[must_use]
pub struct Request<'a> {
    context: &'a Context,
    method: Method,
    url: Result<Url, Failure>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    limit: usize,
    defect: Option<&'static str>,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

impl<'a> Request<'a> {
    pub(crate) fn new(context: &'a Context, method: Method, path: &[&str]) -> Self {
        let url = context
            .base_url()
            .cloned()
            .ok_or_else(|| Failure::internal("no base URL is configured for this provider"))
            .and_then(|url| {
                if context.allows(method.as_str(), path) {
                    Ok(url)
                } else {
                    Err(Failure::internal("the descriptor does not allow this request"))
                }
            })
            .map(|mut url| {
                if let Ok(mut segments) = url.path_segments_mut() {
                    segments.pop_if_empty().extend(path);
                }
                url
            });
        let mut headers = Vec::with_capacity(4);
        headers.push((ACCEPT, HeaderValue::from_static("application/json")));
        headers.push((USER_AGENT, HeaderValue::from_static(PRODUCT)));
        Self {
            context,
            method,
            url,
            headers,
            body: Bytes::new(),
            limit: DEFAULT_LIMIT,
            defect: None,
        }
    }

    /// Adds a pair to the query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if let Ok(url) = &mut self.url {
            url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// Takes the query of a link that the provider gave to its next page.
    ///
    /// The link must lead to this request's own path, on the provider's own host; with one that leads elsewhere
    /// nothing is sent, and the check ends with `unexpected_response`.
    pub fn next_page(mut self, link: &str) -> Self {
        let Ok(url) = &mut self.url else { return self };
        let prefix = self.context.base_url().map_or("", |base| base.path().trim_end_matches('/'));
        let relative_path = url.path().strip_prefix(prefix).unwrap_or(url.path()).to_owned();
        let target = url.join(link).ok().filter(|target| {
            target.origin() == url.origin()
                && target.username().is_empty()
                && target.password().is_none()
                && (target.path() == url.path() || target.path() == relative_path)
        });
        match target {
            Some(target) => url.set_query(target.query()),
            None => {
                self.url = Err(Failure::unexpected_response()
                    .note("the link to the next page leads away from the list"));
            }
        }
        self
    }

    /// Authenticates with HTTP Basic.
    pub fn basic(self, user: &str, password: &impl ExposeSecret<str>) -> Self {
        let pair = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
        let encoded = Zeroizing::new(BASE64.encode(pair.as_bytes()));
        self.secret_value(AUTHORIZATION, &["Basic ", &encoded])
    }

    /// Authenticates with a bearer token.
    pub fn bearer(self, token: &impl ExposeSecret<str>) -> Self {
        self.secret_value(AUTHORIZATION, &["Bearer ", token.expose_secret()])
    }

    /// Sends a secret in a header of the provider's own.
    pub fn secret_header(self, name: &'static str, secret: &impl ExposeSecret<str>) -> Self {
        match HeaderName::try_from(name) {
            Ok(name) => self.secret_value(name, &[secret.expose_secret()]),
            Err(_) => self.broken("the name of a header is not valid"),
        }
    }

    fn secret_value(mut self, name: HeaderName, parts: &[&str]) -> Self {
        // The header holds this very memory, so it is wiped with the last request that has it.
        let value = Bytes::from_owner(Zeroizing::new(parts.concat()));
        match HeaderValue::from_maybe_shared(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.headers.push((name, value));
                self
            }
            Err(_) => self.broken("a secret holds characters that a header cannot"),
        }
    }

    /// Sends a JSON body.
    pub fn json(self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            // The body holds the key with some providers, so it is wiped like one.
            Ok(body) => self.body("application/json", Zeroizing::new(body)),
            Err(_) => self.broken("the body of the request cannot be serialised"),
        }
    }

    /// Sends a body of another type.
    pub fn body(
        mut self,
        content_type: &'static str,
        body: impl AsRef<[u8]> + Send + 'static,
    ) -> Self {
        self.headers.push((CONTENT_TYPE, HeaderValue::from_static(content_type)));
        self.body = Bytes::from_owner(body);
        self
    }

    /// Reads answers up to this many bytes; 1 MiB unless said. A longer one is not the provider's.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    fn broken(mut self, defect: &'static str) -> Self {
        self.defect = Some(defect);
        self
    }

    /// Sends the request and reads the answer, whatever its status.
    ///
    /// Asks again, twice at most and while there is time, where that can change the answer: after a connection
    /// that failed, a 502, 503 or 504, and a 429 that asks for a short wait.
    ///
    /// Fails with `provider_unavailable` when the provider cannot be reached or breaks off, and with
    /// `unexpected_response` when what comes back is not HTTP or too long. Redirects are not followed.
    pub async fn send(self) -> Result<Answer, Failure> {
        let url = match &self.url {
            Ok(url) => url,
            Err(failure) => return Err(failure.clone()),
        };
        if let Some(defect) = self.defect {
            return Err(Failure::internal(defect));
        }
        let client = self.context.environment().client(url.scheme());
        let url = Uri::try_from(url.as_str()).map_err(|_| {
            Failure::internal("the URL of the request is not one that HTTP can ask for")
        })?;
        for retry in 0..MOST_RETRIES {
            let (result, wait) = match self.ask(client, &url).await {
                Ok(answer) => {
                    let wait = answer.wait_before_retry();
                    (Ok(answer), wait)
                }
                Err(Broken { failure, worth_a_retry }) => {
                    (Err(failure), worth_a_retry.then_some(Duration::ZERO))
                }
            };
            let Some(wait) = wait else { return result };
            let pause = wait.max(Self::backoff(retry));
            if pause > self.context.time_left() / 2 {
                return result;
            }
            sleep(pause).await;
        }
        self.ask(client, &url).await.map_err(|broken| broken.failure)
    }

    /// A pause that grows with each retry, and that differs from check to check so that they do not all come back
    /// at once.
    fn backoff(retry: usize) -> Duration {
        let full = SHORTEST_PAUSE * 2_u32.pow(u32::try_from(retry).unwrap_or_default());
        full / 2 + full * fastrand::u32(..256) / 256
    }

    async fn ask(&self, client: &Client, url: &Uri) -> Result<Answer, Broken> {
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        // With room for what the client adds.
        headers.reserve(self.headers.len() + 2);
        for (name, value) in &self.headers {
            // What was said last holds, as the last `Content-Type`.
            headers.insert(name.clone(), value.clone());
        }
        let (context, limit) = (self.context, self.limit);
        let read = async move |answer: http::Response<Incoming>| {
            let (head, body) = answer.into_parts();
            let status = head.status.as_u16();
            context.record_status(status);
            let body = Limited::new(body, limit).collect().await?.to_bytes();
            Ok(Answer { status, headers: head.headers, body })
        };
        client.send(request, read).await.map_err(|error| Broken::of(&error))
    }
}

/// A request without a whole answer.
struct Broken {
    failure: Failure,
    /// Whether another try could change it: nothing reached the provider, or the connection was one that it had closed.
    worth_a_retry: bool,
}

impl Broken {
    /// The text of an error may hold what was sent or received, so only its kind is kept.
    fn of(SendError { error, connecting, stale }: &SendError) -> Self {
        let error: &(dyn Error + 'static) = error.as_ref();
        if let Some(failure) = causes(error).find_map(final_failure) {
            return Self { failure, worth_a_retry: false };
        }
        // A host that swallows packets would do so again, until the deadline.
        let swallows = causes(error).any(<dyn Error>::is::<Elapsed>);
        let worth_a_retry = *stale || *connecting && !swallows;
        let note = if *connecting { "connecting failed" } else { "the connection broke off" };
        let failure = Failure::provider_unavailable().note(note);
        let fault_is_ours =
            causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(is_ours);
        let failure = if fault_is_ours { failure.ours() } else { failure };
        Self { failure, worth_a_retry }
    }
}

/// What a cause ends the request with, where asking again would not change it.
fn final_failure(cause: &(dyn Error + 'static)) -> Option<Failure> {
    if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
        Some(Failure::unexpected_response().note("the answer is not HTTP"))
    } else if cause.is::<LengthLimitError>() {
        Some(Failure::unexpected_response().note("the answer is too long"))
    } else if cause.is::<Forbidden>() {
        let note = "the egress policy forbids the address of the built-in host";
        Some(Failure::provider_unavailable().note(note).ours())
    } else if cause.is::<rustls::Error>() {
        Some(Failure::provider_unavailable().note("TLS failed"))
    } else {
        None
    }
}

/// What the provider answered. Its body is read for single facts and never shown.
pub struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body, where it is JSON of this shape and not plainly somebody else's.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        if self.is_foreign() { None } else { serde_json::from_slice(&self.body).ok() }
    }

    /// The body, where the status is 200 too.
    pub fn ok<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        if self.status == 200 { self.json() } else { None }
    }

    /// One value of the body, by its RFC 6901 pointer, where it is there and of this type.
    pub fn at<'a, T: Deserialize<'a>>(&'a self, pointer: &str) -> Option<T> {
        if self.is_foreign() { None } else { pointer::find(&self.body, pointer) }
    }

    /// The status, and the word of the provider's own that stands at this pointer: the pair that decides what a
    /// refusal means. Without the word nothing is decided, for any proxy refuses with the same statuses; and a status
    /// that only a redirect, an outage or a limit has (3xx, 408, 425, 429, every 5xx but 500) decides nothing whatever
    /// the word.
    pub fn refusal<'a, T: Deserialize<'a>>(&'a self, pointer: &str) -> (u16, Option<T>) {
        let decides = !matches!(self.status, 300..=399 | 408 | 425 | 429 | 501..);
        (self.status, decides.then(|| self.at(pointer)).flatten())
    }

    /// What an answer with the status 200 lists at this pointer; [`no_verdict`](Self::no_verdict) for any other answer.
    pub fn list<'a, T: Deserialize<'a>>(&'a self, pointer: &str) -> Result<Vec<T>, Failure> {
        self.at(pointer).filter(|_| self.status == 200).ok_or_else(|| self.no_verdict())
    }

    /// The body as text without white space around it, where it is UTF-8 and not plainly somebody else's.
    pub fn text(&self) -> Option<&str> {
        if self.is_foreign() { None } else { std::str::from_utf8(&self.body).ok().map(str::trim) }
    }

    /// Whether the body is plainly not the provider's but some server's in between: HTML, or problem+json.
    pub fn is_foreign(&self) -> bool {
        let content_type = self.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let problem = b"problem+json";
        content_type.windows(problem.len()).any(|part| part.eq_ignore_ascii_case(problem))
            || self.body.trim_ascii_start().starts_with(b"<")
    }

    /// What to conclude where the provider's own words decide nothing: limited for a 429, unavailable for a 408,
    /// a 425 and every 5xx, and for everything else that the answer is not the provider's.
    pub fn no_verdict(&self) -> Failure {
        let cause = match self.status {
            429 => Cause::ProviderRateLimited,
            408 | 425 | 500..=599 => Cause::ProviderUnavailable,
            _ => Cause::UnexpectedResponse,
        };
        Failure::new(cause).retry_after(self.retry_after())
    }

    /// How long to wait before asking again, where the answer says that this may change it.
    fn wait_before_retry(&self) -> Option<Duration> {
        let asked = self.retry_after();
        match self.status {
            502..=504 => Some(asked.unwrap_or_default()).filter(|wait| *wait <= LONGEST_PAUSE),
            429 => asked.filter(|wait| *wait <= LONGEST_PAUSE),
            _ => None,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the provider asks to wait: `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), or
    /// else `X-RateLimit-Reset`, which is in seconds from now or in seconds since 1970.
    #[expect(clippy::disallowed_methods, reason = "the provider means the time of the day")]
    fn retry_after(&self) -> Option<Duration> {
        let now = SystemTime::now();
        let seconds = |text: &str| text.trim().parse().ok().map(Duration::from_secs);
        let until = |moment: SystemTime| moment.duration_since(now).unwrap_or_default();
        match self.header("retry-after") {
            Some(text) => seconds(text).or_else(|| httpdate::parse_http_date(text).ok().map(until)),
            None => self.header("x-ratelimit-reset").and_then(seconds).map(|reset| {
                let moment = UNIX_EPOCH.checked_add(reset).unwrap_or(now);
                // Nobody asks for a wait of years, so a number like that is a moment.
                if reset > Duration::from_hours(24 * 365) { until(moment) } else { reset }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        AllowedRequest, BaseUrl, Descriptor, Destination, Environment, ProviderConfig, ProviderType,
    };

    static DESCRIPTOR: Descriptor = Descriptor {
        id: "1",
        name: "example",
        provider_type: ProviderType::Sms,
        title: "Example",
        destination: Destination::BuiltIn(&[BaseUrl {
            key: "base_url",
            url: "https://api.example.com/prefix",
        }]),
        requests: &[
            AllowedRequest::get("/v1/*/*/*/*", "segments of any kind"),
            AllowedRequest::get("/v1/list", "a list"),
        ],
        interactions: "[]",
    };

    fn context() -> Context {
        let config = ProviderConfig::of(&DESCRIPTOR).unwrap();
        let environment = Environment::builder().provider(&DESCRIPTOR, config).build().unwrap();
        environment.context(&DESCRIPTOR, Uuid::nil())
    }

    fn url(request: Request<'_>) -> Result<String, Cause> {
        request.url.map(String::from).map_err(|failure| failure.cause())
    }

    #[test]
    fn segments_cannot_leave_their_place() {
        let context = context();
        let path = ["v1", "a/b", "...", "c?d#e", "%2e%2e%2f"];
        assert_eq!(
            url(context.get(&path).query("x", "1&y=2")),
            Ok("https://api.example.com/prefix/v1/a%2Fb/.../c%3Fd%23e/%252e%252e%252f?x=1%26y%3D2"
                .to_owned())
        );
        for step in ["..", ".", "", "%2e%2E", ".\t."] {
            let path = ["v1", "a", step, "c", "d"];
            assert_eq!(url(context.get(&path)), Err(Cause::Internal), "{step:?}");
        }
    }

    #[test]
    fn only_what_the_descriptor_allows_is_sent() {
        let context = context();
        assert!(url(context.get(&["v1", "list"])).is_ok());
        for path in [&["v1"][..], &["v1", "lists"], &["v1", "list", "x"], &["list"], &[]] {
            assert_eq!(url(context.get(path)), Err(Cause::Internal), "{path:?}");
        }
        assert_eq!(url(context.post(&["v1", "list"])), Err(Cause::Internal));
    }

    #[test]
    fn a_next_page_stays_on_the_list() {
        let context = context();
        let follow =
            |link: &str| url(context.get(&["v1", "list"]).query("size", "2").next_page(link));
        let second = Ok("https://api.example.com/prefix/v1/list?page=2".to_owned());
        for link in [
            "/v1/list?page=2",
            "/prefix/v1/list?page=2",
            "?page=2",
            "https://api.example.com/prefix/v1/list?page=2",
            "https://api.example.com/v1/list?page=2",
        ] {
            assert_eq!(follow(link), second, "{link}");
        }
        for link in [
            "https://evil.example/prefix/v1/list?page=2",
            "http://api.example.com/prefix/v1/list?page=2",
            "https://api.example.com:444/prefix/v1/list?page=2",
            "https://user:pass@api.example.com/prefix/v1/list?page=2",
            "https://api.example.com@evil.example/prefix/v1/list?page=2",
            "//evil.example/prefix/v1/list?page=2",
            "\\\\evil.example\\prefix\\v1\\list?page=2",
            "/v1/other?page=2",
            "/v1/list/../messages?page=2",
            "javascript:alert(1)",
            "https://",
        ] {
            assert_eq!(follow(link), Err(Cause::UnexpectedResponse), "{link}");
        }
    }

    fn answer(status: u16, headers: &[(&'static str, &str)]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        Answer { status, headers, body: Bytes::new() }
    }

    #[test]
    fn a_status_alone_is_never_a_rejection() {
        for status in 100..600 {
            let expected = match status {
                429 => Cause::ProviderRateLimited,
                408 | 425 | 500.. => Cause::ProviderUnavailable,
                _ => Cause::UnexpectedResponse,
            };
            assert_eq!(answer(status, &[]).no_verdict().cause(), expected, "{status}");
        }
    }

    #[test]
    fn a_status_that_says_not_now_decides_nothing() {
        let word = |status| {
            let body = Bytes::from_static(br#"{"code": 7}"#);
            Answer { body, ..answer(status, &[]) }.refusal::<u32>("/code")
        };
        assert_eq!([401, 500].map(word), [(401, Some(7)), (500, Some(7))]);
        for status in (300..400).chain([408, 425, 429]).chain(501..600) {
            assert_eq!(word(status), (status, None));
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the provider means the time of the day")]
    fn the_wait_is_read_in_each_form_it_is_given_in() {
        let wait = |headers: &[(&'static str, &str)]| answer(429, headers).no_verdict().wait();
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
}
