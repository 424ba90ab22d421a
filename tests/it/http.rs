//! The HTTP API: statuses, bodies, headers, and the order of judging.

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures_util::stream;
use serde_json::{Value, json};

use crate::support::{
    Answer, OTHER_TOKEN, TOKEN, VALIDATE, api, fake, get, request, send, validate,
};

#[tokio::test]
async fn a_pass_is_204_or_200_with_data() {
    let api = api("").await;
    let valid = validate(&api, fake("valid")).await;
    assert_eq!((valid.status.as_u16(), valid.body.len()), (204, 0));
    assert!(valid.header("x-trace-id").is_some());
    assert!(valid.header("x-bonafide-sandbox").is_none());
    let data = validate(&api, fake("data")).await;
    assert_eq!((data.status.as_u16(), data.json()), (200, json!([{"number": "+12185550100"}])));
    let nothing = validate(&api, fake("nothing")).await;
    assert_eq!((nothing.status.as_u16(), nothing.json()), (200, json!([])));
    let warns = validate(&api, fake("warns")).await;
    assert_eq!(
        (warns.status.as_u16(), warns.header("x-bonafide-warnings")),
        (204, Some("sender_unverified"))
    );
}

#[tokio::test]
async fn a_valid_traceparent_gives_the_trace_id_and_any_other_is_ignored() {
    let api = api("").await;
    let trace_id = |traceparent: &'static str| {
        let mut request = request("POST", VALIDATE, fake("internal"));
        request.headers_mut().insert("traceparent", traceparent.parse().unwrap());
        let answer = send(&api, request);
        async move {
            let error = answer.await.error(500);
            error["trace_id"].as_str().unwrap().to_owned()
        }
    };
    let taken = trace_id("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").await;
    assert_eq!(taken, "4bf92f35-77b3-4da6-a3ce-929d0e0e4736");
    let malformed = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    let (first, second) = (trace_id(malformed).await, trace_id(malformed).await);
    assert!(first != taken && second != taken && first != second, "{first} {second}");
}

#[tokio::test]
async fn every_cause_has_its_status() {
    let api = api("").await;
    for cause in bonafide_core::Cause::ALL {
        let answer = validate(&api, fake(cause.code())).await;
        let error = answer.error(if cause.verdict() == bonafide_core::Verdict::Rejected {
            400
        } else {
            500
        });
        assert_eq!(error["errors"][0]["code"], cause.code());
        assert_eq!(error["errors"][0]["pointer"], "/settings/api_key");
        if *cause == bonafide_core::Cause::InvalidCredentials {
            assert_eq!(error["message"], "Fake refuses these credentials.");
        }
    }
}

#[tokio::test]
async fn how_long_the_provider_wants_us_to_wait_is_passed_on_rounded_up() {
    let api = api("").await;
    let limited = validate(&api, fake("limited")).await;
    limited.error(500);
    assert_eq!(limited.header("retry-after"), Some("2"));
}

#[tokio::test]
async fn a_check_ends_by_its_deadline() {
    let api = api("[providers.fake]\ntimeout = \"100ms\"").await;
    let error = validate(&api, fake("never-answers")).await.error(500);
    assert_eq!(error["errors"][0]["code"], "provider_timeout");
}

#[tokio::test]
async fn a_panic_is_one_500_and_the_next_request_is_answered() {
    let api = api("").await;
    let answer = validate(&api, fake("panics-with-secret")).await;
    assert_eq!(answer.error(500)["errors"][0]["code"], "internal");
    assert!(!String::from_utf8_lossy(&answer.body).contains("panics-with-secret"));
    assert_eq!(validate(&api, fake("valid")).await.status, 204);
}

#[tokio::test]
async fn what_is_judged_earlier_wins() {
    let api = api("").await;
    let unauthorized = |method: &str, path: &str, body: Body| {
        Request::builder().method(method).uri(path).body(body).unwrap()
    };
    let too_large = || Body::from(vec![b'x'; 70_000]);
    // Route and method before the token.
    send(&api, unauthorized("POST", "/nowhere", too_large())).await.error(404);
    let wrong_method = send(&api, unauthorized("GET", VALIDATE, Body::empty())).await;
    wrong_method.error(405);
    assert_eq!(wrong_method.header("allow"), Some("POST"));
    // The token before the size.
    let refused = send(&api, unauthorized("POST", VALIDATE, too_large())).await;
    refused.error(401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert!(refused.header("x-ratelimit-limit").is_none());
    // The size before the type, the type before the body.
    let mut large = request("POST", VALIDATE, too_large());
    large.headers_mut().remove("content-type");
    send(&api, large).await.error(413);
    let mut untyped = request("POST", VALIDATE, "no JSON");
    untyped.headers_mut().remove("content-type");
    send(&api, untyped).await.error(415);
    // The body before the provider, and then in general words.
    let body =
        json!({"name": "", "provider_id": "9000", "settings": {"api_key": "invalid_credentials"}});
    assert_eq!(
        validate(&api, body.to_string()).await.error(400)["message"],
        "The request body is not valid."
    );
}

#[tokio::test]
async fn the_rate_comes_before_the_size_and_after_the_token() {
    let api = api("[rate_limit]\nper_second = 0\nper_minute = 1").await;
    assert_eq!(validate(&api, fake("valid")).await.status, 204);
    let large = validate(&api, vec![b'x'; 70_000]).await;
    large.error(429);
    let mut unknown = request("POST", VALIDATE, fake("valid"));
    unknown.headers_mut().insert("authorization", "Bearer unknown".parse().unwrap());
    send(&api, unknown).await.error(401);
}

#[tokio::test]
async fn a_window_counts_down_for_each_account_and_then_refuses() {
    let api = api("[rate_limit]\nper_second = 0\nper_minute = 3").await;
    let quota = |answer: &crate::support::Answer| {
        let number = |name| answer.header(name).map(|value| value.parse::<u64>().unwrap());
        (number("x-ratelimit-limit"), number("x-ratelimit-remaining"))
    };
    // Refusals count and tell as well.
    let mut untyped = request("POST", VALIDATE, fake("valid"));
    untyped.headers_mut().remove("content-type");
    let answers = [
        validate(&api, fake("internal")).await,
        send(&api, untyped).await,
        validate(&api, fake("invalid_credentials")).await,
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status.as_u16()), [500, 415, 400]);
    assert_eq!(
        answers.each_ref().map(quota),
        [(Some(3), Some(2)), (Some(3), Some(1)), (Some(3), Some(0))]
    );
    for answer in &answers {
        let reset: u64 = answer.header("x-ratelimit-reset").unwrap().parse().unwrap();
        assert!((1..=60).contains(&reset));
    }
    let limited = validate(&api, fake("valid")).await;
    limited.error(429);
    assert_eq!(quota(&limited), (None, None));
    assert!((1..=60).contains(&limited.header("retry-after").unwrap().parse::<u64>().unwrap()));
    // Another account, and routes that do not count.
    let mut other = request("POST", VALIDATE, fake("valid"));
    other.headers_mut().insert("authorization", format!("Bearer {OTHER_TOKEN}").parse().unwrap());
    assert_eq!(quota(&send(&api, other).await), (Some(3), Some(2)));
    assert_eq!(get(&api, "/v1/hood/providers").await.status, 200);
}

#[tokio::test]
async fn tokens() {
    let api = api("").await;
    for (value, status) in [
        (format!("Bearer {TOKEN}"), 204),
        (format!("bearer {TOKEN}"), 204),
        (format!("BEARER  {TOKEN} "), 204),
        (format!("Bearer {OTHER_TOKEN}"), 204),
        (format!("Bearer {TOKEN}x"), 401),
        (format!("Basic {TOKEN}"), 401),
        (format!("Bearer{TOKEN}"), 401),
        ("Bearer".to_owned(), 401),
        ("Bearer ".to_owned(), 401),
        (TOKEN.to_owned(), 401),
    ] {
        let mut request = request("POST", VALIDATE, fake("valid"));
        request.headers_mut().insert("authorization", value.parse().unwrap());
        assert_eq!(send(&api, request).await.status, status, "{value}");
    }
    let mut twice = request("POST", VALIDATE, fake("valid"));
    twice.headers_mut().append("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    send(&api, twice).await.error(401);
    for path in [
        "/v1/hood/providers",
        "/v1/hood/providers/9000",
        "/v1/hood/providers/9000/schema",
        "/openapi.json",
    ] {
        let anonymous = Request::get(path).body(Body::empty()).unwrap();
        send(&api, anonymous).await.error(401);
    }
}

#[tokio::test]
async fn content_types() {
    let api = api("").await;
    for (content_type, status) in [
        ("application/json", 204),
        ("application/json; charset=utf-8", 204),
        ("Application/JSON", 204),
        ("application/vnd.api+json", 204),
        ("application/vnd.api+json;v=1", 204),
        ("application/+json", 415),
        ("text/json", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonx", 415),
        ("", 415),
    ] {
        let mut request = request("POST", VALIDATE, fake("valid"));
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        assert_eq!(send(&api, request).await.status, status, "{content_type}");
    }
    let mut compressed = request("POST", VALIDATE, fake("valid"));
    compressed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    send(&api, compressed).await.error(415);
}

#[tokio::test]
async fn bodies_up_to_64_kib_are_read_with_and_without_their_length() {
    let api = api("").await;
    let padded = |size: usize| {
        let body = fake("valid");
        let padding = " ".repeat(size - body.len());
        body + &padding
    };
    for (size, status) in [(65_536, 204), (65_537, 413)] {
        let body = padded(size);
        assert_eq!(validate(&api, body.clone()).await.status, status);
        let chunks: Vec<Result<Bytes, std::io::Error>> =
            body.as_bytes().chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let streamed = validate(&api, Body::from_stream(stream::iter(chunks))).await;
        assert_eq!(streamed.status, status);
        let mut announced = request("POST", VALIDATE, body);
        announced.headers_mut().insert("content-length", size.into());
        assert_eq!(send(&api, announced).await.status, status);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let api = api("").await;
    let broken = stream::iter([Ok(Bytes::from("{")), Err(std::io::Error::other("gone"))]);
    let error = validate(&api, Body::from_stream(broken)).await.error(400);
    assert_eq!(error["errors"][0]["code"], "malformed_request");
}

#[tokio::test]
async fn the_catalogue_lists_every_provider() {
    let api = api("").await;
    let catalogue = get(&api, "/v1/hood/providers").await.json();
    let ids: Vec<&str> = catalogue["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids[..6], ["1000", "1001", "1002", "1003", "1004", "1005"]);
    assert!(ids.is_sorted_by_key(|id| id.parse::<u64>().unwrap()));
    assert_eq!(catalogue["total"], ids.len());
    let fake = ids.iter().position(|id| *id == "9000").unwrap();
    assert_eq!(
        catalogue["items"][fake],
        json!({"id": "9000", "type": "push", "name": "fake", "title": "Fake", "settings": [
            {"title": "API key", "name": "api_key", "type": "string", "required": true, "secret": true, "deprecated": false},
            {"title": "Sender", "name": "sender", "type": "string", "required": true, "secret": false, "deprecated": false},
        ]})
    );
    assert_eq!(get(&api, "/v1/hood/providers/9000").await.json(), catalogue["items"][fake]);
    let sms = get(&api, "/v1/hood/providers?type=sms").await.json();
    let items = sms["items"].as_array().unwrap();
    assert_eq!(sms["total"], items.len());
    assert!(items.iter().all(|item| item["type"] == "sms"));
    assert!(["twilio", "mitto"].iter().all(|name| items.iter().any(|item| item["name"] == *name)));
    let voice = get(&api, "/v1/hood/providers?type=voice").await.json();
    assert!(voice["items"].as_array().unwrap().iter().all(|item| item["type"] == "voice"));
    let unknown = get(&api, "/v1/hood/providers?type=fax").await.error(400);
    assert_eq!(unknown["errors"][0]["code"], "malformed_request");
    for id in ["9999", "01000", "x", "%ff"] {
        get(&api, &format!("/v1/hood/providers/{id}")).await.error(404);
        get(&api, &format!("/v1/hood/providers/{id}/schema")).await.error(404);
    }
}

#[tokio::test]
async fn the_columns_of_the_contract_hold_for_every_bundled_provider() {
    let api = api("").await;
    let defaults = ["default_sender_name", "default_sender_email", "default_reply_to_email"];
    let needed = [
        ("1000", "twilio", "sms", vec!["account_sid", "auth_token"], vec!["default_phone_number"]),
        (
            "1001",
            "smtp",
            "email",
            vec!["sending_domain", "port", "username", "password"],
            vec!["default_sender_email", "default_sender_name"],
        ),
        ("1002", "mandrill", "email", vec!["api_key"], defaults.to_vec()),
        ("1003", "sendgrid", "email", vec!["api_key"], defaults.to_vec()),
        ("1004", "mitto", "sms", vec!["api_key"], vec!["sender_name"]),
        (
            "1005",
            "mailgun",
            "email",
            vec!["api_key", "domain"],
            vec!["sender_email", "sender_name"],
        ),
    ];
    for (id, name, kind, to_validate, also_to_save) in needed {
        let item = get(&api, &format!("/v1/hood/providers/{id}")).await.json();
        assert_eq!((&item["name"], &item["type"]), (&json!(name), &json!(kind)));
        let to_save: Vec<&str> = item["settings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|setting| setting["required"] == true)
            .map(|setting| setting["name"].as_str().unwrap())
            .collect();
        assert_eq!(to_save, [&to_validate[..], &also_to_save].concat(), "{name}");
        let schema = get(&api, &format!("/v1/hood/providers/{id}/schema")).await;
        assert_eq!(schema.header("content-type"), Some("application/schema+json"));
        assert_eq!(schema.json()["required"], json!(to_validate), "{name}");
        assert!(jsonschema::meta::is_valid(&schema.json()), "{name}");
    }
}

#[tokio::test]
async fn the_openapi_document_has_an_example_that_fits_for_every_bundled_provider() {
    let api = api("").await;
    let document = get(&api, "/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let content =
        &document["paths"][VALIDATE]["post"]["requestBody"]["content"]["application/json"];
    let mut schema = document["components"]["schemas"]["ValidationRequest"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let examples = content["examples"].as_object().unwrap();
    assert!(examples.len() >= 6);
    for (name, example) in examples {
        let problems: Vec<String> =
            validator.iter_errors(&example["value"]).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
    assert!(
        !validator.is_valid(&json!({"name": "x", "provider_id": "1004", "settings": {"key": "x"}}))
    );
}

#[tokio::test]
async fn every_answer_has_the_headers_and_the_body_that_the_openapi_document_says() {
    let api = api("[rate_limit]\nper_second = 0\nper_minute = 7").await;
    let document = get(&api, "/openapi.json").await.json();
    let untyped = |body: Vec<u8>| {
        let mut request = request("POST", VALIDATE, body);
        request.headers_mut().remove("content-type");
        request
    };
    let without_token = |method: &str, path: &str| {
        Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
    };
    let one = "/v1/hood/providers/{id}";
    let schema = "/v1/hood/providers/{id}/schema";
    for (path, status, asked) in [
        (VALIDATE, 204, request("POST", VALIDATE, fake("warns"))),
        (VALIDATE, 200, request("POST", VALIDATE, fake("data"))),
        (VALIDATE, 400, request("POST", VALIDATE, fake("invalid_credentials"))),
        (VALIDATE, 413, request("POST", VALIDATE, vec![b'x'; 70_000])),
        (VALIDATE, 415, untyped(b"{}".to_vec())),
        (VALIDATE, 500, request("POST", VALIDATE, fake("limited"))),
        (VALIDATE, 500, request("POST", VALIDATE, fake("provider_unavailable"))),
        (VALIDATE, 429, request("POST", VALIDATE, fake("valid"))),
        (VALIDATE, 401, without_token("POST", VALIDATE)),
        (VALIDATE, 405, without_token("PUT", VALIDATE)),
        ("/v1/hood/providers", 200, request("GET", "/v1/hood/providers?type=sms", "")),
        ("/v1/hood/providers", 400, request("GET", "/v1/hood/providers?type=smoke", "")),
        ("/v1/hood/providers", 401, without_token("GET", "/v1/hood/providers")),
        (one, 200, request("GET", "/v1/hood/providers/9000", "")),
        (one, 404, request("GET", "/v1/hood/providers/1", "")),
        (schema, 200, request("GET", "/v1/hood/providers/9000/schema", "")),
        (schema, 404, request("GET", "/v1/hood/providers/1/schema", "")),
        ("/openapi.json", 200, request("GET", "/openapi.json", "")),
        ("/openapi.json", 405, request("POST", "/openapi.json", "")),
        ("/metrics", 401, without_token("GET", "/metrics")),
        ("/metrics", 405, request("POST", "/metrics", "")),
        ("/healthz", 200, without_token("GET", "/healthz")),
        ("/readyz", 405, without_token("POST", "/readyz")),
    ] {
        let answer = send(&api, asked).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_described(&document, path, &answer);
    }
}

/// Headers that only some answers of a status have.
const SOMETIMES: [&str; 3] = ["retry-after", "x-bonafide-sandbox", "x-bonafide-warnings"];

fn assert_described(document: &Value, path: &str, answer: &Answer) {
    let status = answer.status.as_str();
    let resolved = |value: &Value| match value["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap().clone(),
        None => value.clone(),
    };
    let operation = document["paths"][path].as_object().unwrap().values().next().unwrap();
    let described = resolved(&operation["responses"][status]);
    let headers: Vec<String> = described["headers"]
        .as_object()
        .unwrap_or_else(|| panic!("{path} says nothing of {status}"))
        .keys()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    for name in &headers {
        let may_lack =
            SOMETIMES.contains(&name.as_str()) && (name != "retry-after" || status == "500");
        assert!(may_lack || answer.header(name).is_some(), "{path} lacks {name} in {status}");
    }
    for name in answer.headers.keys().map(axum::http::HeaderName::as_str) {
        let is_ours = name.starts_with("x-")
            || ["allow", "cache-control", "retry-after", "www-authenticate"].contains(&name);
        assert!(
            !is_ours || headers.iter().any(|known| known == name),
            "{path}: {name} in {status}"
        );
    }
    let Some(content) = described["content"].as_object() else {
        return assert!(answer.body.is_empty());
    };
    let (media_type, content) = content.iter().next().unwrap();
    assert_eq!(answer.header("content-type"), Some(media_type.as_str()), "{path}");
    let mut schema = content["schema"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    assert!(validator.is_valid(&answer.json()), "{path}, {status}: {}", answer.json());
}

#[tokio::test]
async fn health_needs_no_token_and_head_is_a_get_without_a_body() {
    let api = api("").await;
    for path in ["/healthz", "/readyz"] {
        let answer = send(&api, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"status": "ok"})));
        let head = send(&api, Request::head(path).body(Body::empty()).unwrap()).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    }
    let post = send(&api, request("POST", "/healthz", "")).await;
    post.error(405);
    assert_eq!(post.header("allow"), Some("GET,HEAD"));
}
