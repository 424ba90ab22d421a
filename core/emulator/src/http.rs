//! A provider's HTTP API, replayed from its interactions.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bonafide_core::Descriptor;
use bonafide_core::interaction::{Interaction, RequestMatcher, Step};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use url::form_urlencoded;

use crate::EmulatorError;
use crate::record::{AnsweredBy, Record, RecordedRequest};
use crate::serve::Shutdown;
use crate::template::{fill, fill_value, holds, text_of};

/// The longest body that is read.
const BODY_LIMIT: usize = 1024 * 1024;
/// What takes the emulator down.
const STOP: &str = "/__sandbox__/stop";

/// The HTTP interactions of a provider, in the order in which they are tried.
pub(crate) struct Api {
    base_urls: Vec<&'static str>,
    steps: Vec<Prepared>,
    record: Arc<Record>,
    shutdown: Shutdown,
}

/// A step with the settings of its interaction filled in.
struct Prepared {
    interaction: String,
    step: usize,
    base_url: usize,
    method: String,
    /// The segments of the path, decoded; `None` stands for any.
    path: Vec<Option<Vec<u8>>>,
    query: Vec<(String, String)>,
    without_query: Vec<String>,
    bearer: Option<String>,
    basic: Option<String>,
    authorization: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Value>,
    form: Vec<(String, String)>,
    response: Response<Bytes>,
}

/// The first thing in which a request differs from a step. What comes later is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    Method,
    Path,
    Query,
    Bearer,
    Basic,
    Authorization,
    Headers,
    Body,
    Form,
}

impl Difference {
    const fn what(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Path => "path",
            Self::Query => "query",
            Self::Bearer => "bearer token",
            Self::Basic => "user and password",
            Self::Authorization => "authorization",
            Self::Headers => "headers",
            Self::Body => "body",
            Self::Form => "form",
        }
    }
}

/// A request in the form in which it is compared.
struct IncomingRequest<'a> {
    method: &'a Method,
    path: Vec<Vec<u8>>,
    query: &'a [(String, String)],
    bearer: Option<&'a str>,
    basic: Option<Vec<u8>>,
    /// The scheme and the credentials.
    authorization: Option<(&'a str, &'a str)>,
    headers: &'a HeaderMap,
    body: Option<Value>,
    form: Vec<(String, String)>,
}

impl Api {
    pub(crate) fn new(
        descriptor: &'static Descriptor,
        interactions: &[Interaction],
        record: Arc<Record>,
        shutdown: Shutdown,
    ) -> Result<Self, EmulatorError> {
        let base_urls: Vec<&'static str> =
            descriptor.base_urls().iter().map(|base_url| base_url.key).collect();
        let mut steps = Vec::new();
        let (fallback, named): (Vec<_>, Vec<_>) =
            interactions.iter().partition(|interaction| interaction.fallback);
        for interaction in named.into_iter().chain(fallback) {
            for (index, step) in interaction.steps.iter().enumerate() {
                let prepared = Prepared::new(interaction, index, step, &base_urls);
                steps.push(prepared.map_err(|reason| EmulatorError::InvalidInteraction {
                    provider: descriptor.name,
                    interaction: interaction.name.clone(),
                    reason: format!("in step {}, {reason}", index + 1),
                })?);
            }
        }
        Ok(Self { base_urls, steps, record, shutdown })
    }

    /// Serves one connection to a base URL.
    pub(crate) async fn serve_connection(self: Arc<Self>, base_url: usize, stream: TcpStream) {
        let told_to_stop = AtomicBool::new(false);
        let service = service_fn(|request| self.answer(base_url, request, &told_to_stop));
        let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        if let Err(error) = served {
            tracing::debug!(%error, "a connection to the emulator broke off");
        }
        if told_to_stop.load(Ordering::Relaxed) {
            self.shutdown.send_replace(true);
        }
    }

    async fn answer(
        &self,
        base_url: usize,
        request: Request<Incoming>,
        told_to_stop: &AtomicBool,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        if base_url == 0 && parts.method == Method::POST && parts.uri.path() == STOP {
            told_to_stop.store(true, Ordering::Relaxed);
            let mut answer = bare(StatusCode::NO_CONTENT);
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return Ok(answer);
        }
        Ok(match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => self.find(base_url, &parts, &body.to_bytes()),
            Err(_) => bare(StatusCode::PAYLOAD_TOO_LARGE),
        })
    }

    fn find(&self, base_url: usize, parts: &Parts, body: &[u8]) -> Response<Full<Bytes>> {
        let query: Vec<(String, String)> =
            form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let key = self.base_urls.get(base_url).copied().unwrap_or_default();
        let mut recorded = RecordedRequest {
            base_url: key,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: query.clone(),
            header_names: parts.headers.keys().map(|name| name.as_str().to_owned()).collect(),
            body_length: body.len(),
            answered_by: None,
            closest_mismatch: None,
        };
        let incoming = IncomingRequest::new(parts, &query, body);
        let mut nearest: Option<(Difference, &Prepared)> = None;
        let mut answer = None;
        for step in self.steps.iter().filter(|step| step.base_url == base_url) {
            match step.difference(&incoming) {
                None => {
                    answer = Some(step);
                    break;
                }
                Some(difference) if nearest.is_none_or(|(nearer, _)| difference > nearer) => {
                    nearest = Some((difference, step));
                }
                Some(_) => {}
            }
        }
        let response = if let Some(step) = answer {
            tracing::debug!(interaction = %step.interaction, step = step.step + 1, "the emulator answers");
            recorded.answered_by =
                Some(AnsweredBy { interaction: step.interaction.clone(), step: step.step });
            step.response.clone().map(Full::new)
        } else {
            let closest_mismatch = match nearest {
                Some((difference, step)) => format!(
                    "the nearest is step {} of `{}`, whose {} is another",
                    step.step + 1,
                    step.interaction,
                    difference.what()
                ),
                None => format!("no step is for `{key}`"),
            };
            // The path and the query may hold a secret.
            tracing::debug!(method = %parts.method, base_url = key, "no interaction matches: {closest_mismatch}");
            recorded.closest_mismatch = Some(closest_mismatch);
            bare(StatusCode::NOT_FOUND)
        };
        self.record.add_request(recorded);
        response
    }
}

fn bare(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

impl<'a> IncomingRequest<'a> {
    fn new(parts: &'a Parts, query: &'a [(String, String)], body: &[u8]) -> Self {
        let credentials = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '));
        let of_scheme = |wanted: &str| {
            credentials
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(wanted))
                .map(|(_, rest)| rest)
        };
        Self {
            method: &parts.method,
            path: segments(parts.uri.path()).map(decoded).collect(),
            query,
            bearer: of_scheme("bearer"),
            basic: of_scheme("basic").and_then(|encoded| BASE64.decode(encoded).ok()),
            authorization: credentials,
            headers: &parts.headers,
            body: serde_json::from_slice(body).ok(),
            form: if is_form(&parts.headers) {
                form_urlencoded::parse(body).into_owned().collect()
            } else {
                Vec::new()
            },
        }
    }
}

impl Prepared {
    fn new(
        interaction: &Interaction,
        index: usize,
        step: &Step,
        base_urls: &[&'static str],
    ) -> Result<Self, String> {
        let base_url = match &step.base_url {
            None => 0,
            Some(key) => base_urls
                .iter()
                .position(|known| known == key)
                .ok_or_else(|| format!("`{key}` is not the key of a base URL of the provider"))?,
        };
        let settings = &interaction.settings;
        let RequestMatcher {
            method,
            path,
            query,
            without_query,
            bearer,
            basic,
            authorization,
            headers,
            body,
            form,
        } = &step.request;
        let pairs = |map: &Map<String, Value>| {
            map.iter()
                .map(|(name, value)| (name.clone(), fill(&text_of(value), settings)))
                .collect()
        };
        let segment = |segment: &str| match segment {
            "*" => None,
            // The braces are looked for first, for the value of a field may hold a `%` of its own.
            _ if segment.contains('{') => Some(fill(segment, settings).into_bytes()),
            _ => Some(decoded(segment)),
        };
        Ok(Self {
            interaction: interaction.name.clone(),
            step: index,
            base_url,
            method: method.clone(),
            path: segments(path).map(segment).collect(),
            query: pairs(query),
            without_query: without_query.clone(),
            bearer: bearer.as_ref().map(|bearer| fill(bearer, settings)),
            basic: basic.as_ref().map(|basic| fill(basic, settings)),
            authorization: authorization.as_ref().map(|value| fill(value, settings)),
            headers: pairs(headers),
            form: pairs(form),
            body: body.as_ref().map(|body| fill_value(body, settings)),
            response: response(step)?,
        })
    }

    fn difference(&self, request: &IncomingRequest<'_>) -> Option<Difference> {
        let path = self.path.len() == request.path.len()
            && self.path.iter().zip(&request.path).all(|(expected, actual)| {
                expected.as_ref().is_none_or(|expected| expected == actual)
            });
        let query = self.query.iter().all(|pair| request.query.contains(pair))
            && self
                .without_query
                .iter()
                .all(|unwanted| request.query.iter().all(|(name, _)| name != unwanted));
        let bearer = self.bearer.as_deref().is_none_or(|bearer| request.bearer == Some(bearer));
        let basic = self
            .basic
            .as_ref()
            .is_none_or(|basic| request.basic.as_deref() == Some(basic.as_bytes()));
        let authorization = self.authorization.as_deref().is_none_or(|expected| {
            let expected = expected.split_once(' ');
            expected.zip(request.authorization).is_some_and(|(expected, actual)| {
                expected.0.eq_ignore_ascii_case(actual.0) && expected.1 == actual.1
            })
        });
        let form = self.form.iter().all(|pair| request.form.contains(pair));
        let headers = self.headers.iter().all(|(name, value)| {
            request.headers.get_all(name).iter().any(|actual| actual.as_bytes() == value.as_bytes())
        });
        let body = self
            .body
            .as_ref()
            .is_none_or(|expected| request.body.as_ref().is_some_and(|body| holds(body, expected)));
        [
            (self.method == request.method.as_str(), Difference::Method),
            (path, Difference::Path),
            (query, Difference::Query),
            (bearer, Difference::Bearer),
            (basic, Difference::Basic),
            (authorization, Difference::Authorization),
            (headers, Difference::Headers),
            (body, Difference::Body),
            (form, Difference::Form),
        ]
        .into_iter()
        .find_map(|(same, difference)| (!same).then_some(difference))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn decoded(segment: &str) -> Vec<u8> {
    percent_decode_str(segment).collect()
}

fn response(step: &Step) -> Result<Response<Bytes>, String> {
    let stub = &step.response;
    let (body, content_type) = match (&stub.body, &stub.text) {
        (Some(_), Some(_)) => return Err("the answer has both `body` and `text`".to_owned()),
        (Some(body), None) => (Bytes::from(body.to_string()), Some("application/json")),
        (None, Some(text)) => (Bytes::from(text.clone()), Some("text/plain")),
        (None, None) => (Bytes::new(), None),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(stub.status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| format!("{} cannot be the status of an answer", stub.status))?;
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in &stub.headers {
        let bad = || format!("the header `{name}` of the answer cannot be sent");
        let value = HeaderValue::try_from(text_of(value)).map_err(|_| bad())?;
        let name = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}
