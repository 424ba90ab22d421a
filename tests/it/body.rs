//! What is said about a request body that is refused.

use std::fmt::Write as _;

use axum::body::Body;
use serde_json::json;

use crate::support::{api, validate};

/// One line for each problem, under the body that has it.
async fn said(bodies: &[&[u8]]) -> String {
    let api = api("").await;
    let mut said = String::new();
    for body in bodies {
        let answer = validate(&api, Body::from(body.to_vec())).await;
        answer.error(400);
        writeln!(said, "{}", String::from_utf8_lossy(body).escape_debug()).unwrap();
        for problem in answer.problems() {
            writeln!(said, "    {problem}").unwrap();
        }
    }
    said
}

#[tokio::test]
async fn not_json() {
    insta::assert_snapshot!(
        said(&[
            b"",
            b"  \n ",
            b"\xef\xbb\xbf{}",
            b"{\"name\": \"\xff\"}",
            b"name=x",
            b"{",
            b"{\n  \"name\": \"x\"\n  \"provider_id\": \"1000\"\n}",
            b"{\"name\": \"x\",}",
            b"{'name': 'x'}",
            b"{\"name\": 'x'}",
            b"{name: 1}",
            b"{\"name\": \"x",
            b"{\"name\": \"a\nb\"}",
            b"{\"name\": \"\\x\"}",
            b"{\"name\": nul}",
            b"{} {}",
            b"{\"name\": \"x\", \"settings\": {\"api_key\": \"k\",}}",
            b"{\"name\": \"\xc3\xa4\xc3\xb6\" 1}",
        ])
        .await
    );
}

#[tokio::test]
async fn not_the_object_that_is_needed() {
    // Which providers are linked is for other tests to know.
    let _settings = without_providers();
    insta::assert_snapshot!(
        said(&[
            b"null",
            b"[]",
            b"17",
            b"\"text\"",
            b"\"{\\\"name\\\": \\\"x\\\"}\"",
            b"{}",
            b"{\"name\": 1, \"provider_id\": 1000, \"settings\": [], \"status\": \"paused\"}",
            b"{\"name\": null, \"provider_id\": null, \"settings\": null, \"status\": null}",
            b"{\"name\": \"\", \"provider_id\": \"4711\", \"settings\": \"{}\"}",
            b"{\"name\": \"x\", \"name\": \"y\", \"provider_id\": \"9000\", \"settings\": {\"api_key\": \"valid\"}}",
            b"{\"name\": \"x\", \"provider_id\": \"9000\", \"settings\": {\"api_key\": \"a\", \"api_key\": \"b\"}}",
            b"{\"name\": \"\", \"provider_id\": \"9000\", \"settings\": {\"apikey\": \"k\", \"sender\": 1}, \"status\": 1}",
        ])
        .await
    );
}

#[tokio::test]
async fn names_are_counted_in_characters_and_other_members_are_ignored() {
    let api = api("").await;
    let body = |name: &str| {
        json!({"name": name, "provider_id": "9000", "settings": {"api_key": "valid"}, "status": "inactive", "id": [1]})
            .to_string()
    };
    assert_eq!(validate(&api, body(&"ä".repeat(100))).await.status, 204);
    let too_long = validate(&api, body(&"ä".repeat(101))).await;
    assert_eq!(too_long.error(400)["errors"][0]["pointer"], "/name");
}

#[tokio::test]
async fn nothing_that_was_submitted_is_repeated() {
    let api = api("").await;
    for body in [
        r#"{"name": 1, "provider_id": "MARKER", "settings": {"MARKER!": 1, "api_key": ["MARKER"]}, "status": "MARKER"}"#,
        r#"{"name": "x", "provider_id": "9000", "settings": {"MARKER!": "MARKER"}}"#,
        r#"{"name": "x", "provider_id": "9000", "settings": {"api_key": "MARKER \n"}, "MARKER": 1}"#,
        r#"{"name": "x", "provider_id": "9000", "settings": {"api_key": "MARKER"#,
        r#""{\"MARKER\": 1}""#,
        r"MARKER",
        r#"{"MARKER" "MARKER"}"#,
    ] {
        let answer = validate(&api, body).await;
        answer.error(400);
        assert!(!String::from_utf8_lossy(&answer.body).contains("MARKER"), "{body}");
    }
}

#[tokio::test]
async fn deep_nesting_is_refused_and_does_not_overflow() {
    let api = api("").await;
    for open in ["[", "{\"a\":"] {
        let deep = open.repeat(10_000);
        validate(&api, deep.clone()).await.error(400);
        let settings =
            format!("{{\"name\": \"x\", \"provider_id\": \"9000\", \"settings\": {{\"a\": {deep}");
        validate(&api, settings).await.error(400);
    }
    let closed = format!(
        "{{\"name\": \"x\", \"provider_id\": \"9000\", \"settings\": {{\"a\": {}{}}}}}",
        "[".repeat(500),
        "]".repeat(500)
    );
    validate(&api, closed).await.error(400);
}

fn without_providers() -> insta::internals::SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"Known providers: [^.]*\.", "Known providers: […].");
    settings.bind_to_scope()
}
