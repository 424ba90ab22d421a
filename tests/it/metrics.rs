//! What Prometheus is told, and that nothing which a caller sends is in it.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request};
use serde_json::{Value, json};

use crate::cli::bonafide;
use crate::process::{Server, ask};
use crate::support::{
    OTHER_TOKEN, TOKEN, VALIDATE, api, config, fake, get, request, send, validate,
};

const METRICS: &str = "/metrics";

/// Each series with its value.
fn series(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

pub(crate) async fn metrics(api: &Router) -> BTreeMap<String, String> {
    let answer = get(api, METRICS).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    series(std::str::from_utf8(&answer.body).unwrap())
}

/// What changed between the two, apart from latencies.
fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value))
        .filter(|(name, _)| !name.contains("_bucket{") && !name.contains("_sum{"))
        .map(|(name, value)| format!("{name} {value}"))
        .collect()
}

#[tokio::test]
async fn what_happens_is_counted() {
    let api = api("[rate_limit]\nper_second = 0\nper_minute = 8").await;
    let before = metrics(&api).await;
    for key in ["valid", "data", "invalid_credentials", "provider_timeout", "panics-with-secret"] {
        validate(&api, fake(key)).await;
    }
    validate(&api, "no JSON").await;
    validate(&api, fake("valid").replace("9000", "1")).await;
    let mut untyped = request("POST", VALIDATE, fake("valid"));
    untyped.headers_mut().remove("content-type");
    send(&api, untyped).await;
    validate(&api, fake("valid")).await;
    send(&api, request("PUT", VALIDATE, "")).await;
    get(&api, "/v1/hood/providers/9000").await;
    get(&api, "/nowhere").await;
    insta::assert_snapshot!(changes(&before, &metrics(&api).await).join("\n"));
}

#[tokio::test]
async fn what_the_egress_policy_forbids_is_counted() {
    let api = api("[providers.mitto]\nbase_url = \"https://localhost\"").await;
    let before = metrics(&api).await;
    let named = json!({"name": "x", "provider_id": "1001", "settings": {
        "sending_domain": "127.0.0.1", "port": "587", "username": "x", "password": "y",
    }});
    let answer = validate(&api, named.to_string()).await;
    assert_eq!(answer.error(400)["errors"][0]["code"], "destination_forbidden");
    let built_in = json!({"name": "x", "provider_id": "1004", "settings": {"api_key": "key"}});
    let answer = validate(&api, built_in.to_string()).await;
    assert_eq!(answer.error(500)["errors"][0]["code"], "provider_unavailable");
    let changes = changes(&before, &metrics(&api).await);
    assert!(changes.contains(&"bonafide_egress_refusals_total 2".to_owned()), "{changes:?}");
}

#[tokio::test]
async fn nothing_that_is_sent_makes_a_series() {
    let api = api("").await;
    let before = metrics(&api).await;
    let mut odd = 0;
    for number in 0..200 {
        let name = format!("odd-{number}");
        let body =
            json!({"name": name, "provider_id": name, "settings": {&name: name}, &name: name});
        let mut headers = request("POST", VALIDATE, fake(&name));
        for header in ["host", "user-agent", "traceparent", "x-forwarded-for"] {
            headers.headers_mut().insert(header, HeaderValue::from_str(&name).unwrap());
        }
        let mut token = request("GET", METRICS, "");
        let unknown = HeaderValue::from_str(&format!("Bearer {name}")).unwrap();
        token.headers_mut().insert("authorization", unknown);
        let mut method = request("GET", VALIDATE, "");
        *method.method_mut() = Method::from_bytes(name.as_bytes()).unwrap();
        for request in [
            request("POST", VALIDATE, body.to_string()),
            headers,
            token,
            method,
            request("GET", &format!("/v1/hood/providers/{name}?{name}={name}"), ""),
        ] {
            send(&api, request).await;
            odd += 1;
        }
    }
    assert_eq!(odd, 1000);
    let after = metrics(&api).await;
    let names = |series: &BTreeMap<String, String>| series.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    assert!(after.keys().all(|name| !name.contains("odd")), "{after:?}");
    let unknown =
        r#"bonafide_checks_total{provider="none",verdict="rejected",cause="unknown_provider"}"#;
    assert_eq!(after[unknown], "200");
}

#[tokio::test]
async fn metrics_are_for_holders_of_a_token_and_do_not_count_for_the_rate() {
    let api = api("[rate_limit]\nper_second = 0\nper_minute = 1").await;
    let without = Request::builder().uri(METRICS).body(Body::empty()).unwrap();
    send(&api, without).await.error(401);
    let mut unknown = request("GET", METRICS, "");
    unknown.headers_mut().insert("authorization", "Bearer unknown".parse().unwrap());
    send(&api, unknown).await.error(401);
    for _ in 0..3 {
        metrics(&api).await;
    }
    let mut other = request("GET", METRICS, "");
    let token = HeaderValue::from_str(&format!("Bearer {OTHER_TOKEN}")).unwrap();
    other.headers_mut().insert("authorization", token);
    assert_eq!(send(&api, other).await.status, 200);
    assert_eq!(validate(&api, fake("valid")).await.status, 204);
    let posted = send(&api, request("POST", METRICS, "")).await;
    posted.error(405);
    assert_eq!(posted.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn a_listener_of_their_own_shows_them_to_anybody_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bonafide.toml");
    std::fs::write(&file, config("[metrics]\nlisten = \"127.0.0.1:0\"\n")).unwrap();
    let mut command = bonafide(&["serve", "--listen", "127.0.0.1:0", "--config"]);
    let mut server = Server::start(command.arg(&file));
    let line: Value = serde_json::from_str(&server.log().wait_for("Metrics are served.")).unwrap();
    let address = line["address"].as_str().unwrap().parse().unwrap();
    server.ask("POST", VALIDATE, TOKEN, "no JSON").await;
    let shown = ask(address, "GET", METRICS, "", "").await;
    assert!(shown.starts_with("HTTP/1.1 200 "), "{shown}");
    let (_, text) = shown.split_once("\r\n\r\n").unwrap();
    let shown = series(text);
    let malformed =
        r#"bonafide_checks_total{provider="none",verdict="rejected",cause="malformed_request"}"#;
    assert_eq!(shown[malformed], "1");
    assert!(ask(address, "POST", METRICS, "", "").await.starts_with("HTTP/1.1 405 "));
    for path in [VALIDATE, "/healthz", "/openapi.json", "/"] {
        assert!(ask(address, "GET", path, TOKEN, "").await.starts_with("HTTP/1.1 404 "), "{path}");
    }
    assert!(server.ask("GET", METRICS, "", "").await.starts_with("HTTP/1.1 401 "));
    server.terminate();
    server.end();
}

#[tokio::test]
async fn open_connections_are_told() {
    let server = Server::start(&mut bonafide(&["serve", "--listen", "127.0.0.1:0"]));
    let token = server.token.clone().unwrap();
    let connections = async || {
        let answer = server.ask("GET", METRICS, &token, "").await;
        let (_, text) = answer.split_once("\r\n\r\n").unwrap();
        series(text)["bonafide_connections"].clone()
    };
    assert_eq!(connections().await, "1", "its own");
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream =
            crate::process::connect(server.address, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                .await;
        // The answer shows that it was accepted.
        assert!(tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1024]).await.unwrap() > 0);
        open.push(stream);
    }
    assert_eq!(connections().await, "4");
    drop(open);
    // Each closes when its task comes round to it.
    while connections().await != "1" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_book_has_a_line_for_each_metric() {
    let page = include_str!("../../docs/metrics.md");
    let api = api("").await;
    let answer = get(&api, METRICS).await;
    let text = String::from_utf8(answer.body).unwrap();
    let told: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    assert!(told.len() > 5, "{text}");
    for name in &told {
        assert!(page.contains(&format!("| `{name}` |")), "docs/metrics.md lacks {name}");
    }
    for line in page.lines().filter_map(|line| line.strip_prefix("| `bonafide_")) {
        let name = format!("bonafide_{}", line.split('`').next().unwrap());
        assert!(told.contains(&name.as_str()), "docs/metrics.md has {name}, which there is not");
    }
}
