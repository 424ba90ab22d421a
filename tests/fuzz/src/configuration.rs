//! The text of a configuration.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use tower::ServiceExt as _;

use crate::{CANARY, MANIFEST, canary, lines};

pub(crate) async fn hold(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let lower = text.to_ascii_lowercase();
    // A store is connected to and a file is read, which is not what is tested here.
    if lower.contains("redis") || lower.contains("extra_ca") && lower.contains('/') {
        return Ok(());
    }
    // An unknown key is named, so whoever puts a secret there is shown it.
    let keys: String = text.lines().flat_map(keys).collect();
    if canary().absent_from("a key", &keys).is_err() {
        return Ok(());
    }
    match bonafide::router(MANIFEST, &text).await {
        Err(error) if error.to_string().is_empty() => Err("an error says nothing".to_owned()),
        Err(error) => canary().absent_from("the error", &format!("{error} {error:?}")),
        Ok(router) => {
            let request = Request::get("/healthz").body(Body::empty()).unwrap();
            let status = router.oneshot(request).await.unwrap().status();
            if status == StatusCode::OK { Ok(()) } else { Err(format!("it serves a {status}")) }
        }
    }
}

/// What stands before the signs of equality of a line, and the whole of a line without one.
fn keys(line: &str) -> impl Iterator<Item = &str> {
    let (before, _value) = line.rsplit_once('=').unwrap_or((line, ""));
    // Within a table on one line, a key comes after a brace or a comma.
    before.split('=').map(|part| part.rsplit(['{', ',']).next().unwrap_or(part))
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let whole = include_bytes!("../corpus/configuration.toml").to_vec();
    let lines = lines(include_str!("../corpus/configurations.txt")).map(<[u8]>::to_vec);
    let secrets = [
        format!("[providers.twilio]\nbase_url = \"https://user:{CANARY}@host.example\""),
        format!("[[accounts]]\nid = \"a\"\ntoken_sha256 = \"{CANARY}\""),
        format!("[[accounts]]\nid = \"a\"\ntoken_sha256 = \"{CANARY}"),
        format!("[rate_limit]\nstore = \"{CANARY}\""),
    ];
    lines.chain([whole]).chain(secrets.map(String::into_bytes)).collect()
}
