//! What the tests share.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

/// The package that these tests are of, which depends on the six providers.
pub(crate) const MANIFEST: &str = include_str!("../../Cargo.toml");
pub(crate) const TOKEN: &str = "token-of-a";
pub(crate) const OTHER_TOKEN: &str = "token-of-b";
pub(crate) const CATALOGUE: &str = "/v1/hood/providers";
pub(crate) const VALIDATE: &str = "/v1/hood/integrations/validate";

pub(crate) fn sha256(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let high = u128::from_be_bytes(*digest.first_chunk().unwrap());
    let low = u128::from_be_bytes(*digest.last_chunk().unwrap());
    format!("{high:032x}{low:032x}")
}

/// An account of the configuration.
pub(crate) fn account(id: &str, token: &str) -> String {
    format!("[[accounts]]\nid = \"{id}\"\ntoken_sha256 = \"{}\"\n", sha256(token))
}

/// Two accounts and no limits, unless `more` says otherwise.
pub(crate) fn config(more: &str) -> String {
    let limits = if more.contains("[rate_limit]") {
        ""
    } else {
        "[rate_limit]\nper_second = 0\nper_minute = 0\n"
    };
    account("a", TOKEN) + &account("b", OTHER_TOKEN) + limits + more
}

pub(crate) async fn api(more: &str) -> Router {
    bonafide::router(MANIFEST, &config(more)).await.unwrap()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts the shape of an error and returns it.
    pub(crate) fn error(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        let error = self.json();
        assert_eq!(error["code"], status);
        assert!(error["title"].as_str().unwrap().ends_with('.'));
        assert_eq!(error.get("message").is_none(), status == 500, "{text}");
        assert_eq!(error.get("errors").is_some(), matches!(status, 400 | 500), "{text}");
        assert_eq!(error["trace_id"], self.header("x-trace-id").unwrap());
        let known = ["code", "title", "message", "trace_id", "errors"];
        assert!(error.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())));
        error
    }

    /// The problems of a refusal, one line each: code, pointer, message, hint.
    pub(crate) fn problems(&self) -> Vec<String> {
        let error = self.json();
        let text = |problem: &Value, key: &str| {
            problem.get(key).and_then(Value::as_str).unwrap_or("-").to_owned()
        };
        error["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| {
                ["code", "pointer", "message", "hint"].map(|key| text(problem, key)).join(" | ")
            })
            .collect()
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub(crate) fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

pub(crate) async fn get(router: &Router, path: &str) -> Answer {
    send(router, request("GET", path, Body::empty())).await
}

pub(crate) async fn validate(router: &Router, body: impl Into<Body>) -> Answer {
    send(router, request("POST", VALIDATE, body)).await
}

/// A request for the fake provider, which does what the key says.
pub(crate) fn fake(key: &str) -> String {
    json!({"name": "Example", "provider_id": "9000", "settings": {"api_key": key}}).to_string()
}

/// Tells whoever reads the log of a test what it measured, or why it skips.
#[expect(clippy::print_stdout, reason = "it is for people")]
pub(crate) fn tell(text: &str) {
    println!("{text}");
}
