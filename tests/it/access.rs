//! Who is let in: tokens, how they are made, and how they change while the server runs.

use std::path::Path;
use std::process::Command;

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cli::bonafide;
use crate::process::{Server, ask};
use crate::support::{
    CATALOGUE, MANIFEST, OTHER_TOKEN, TOKEN, VALIDATE, account, api, config, fake, request, send,
    sha256,
};
use crate::upstream::{Upstream, accept, question};

/// What a command prints to standard output, when it succeeds.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn token_in(printed: &str) -> &str {
    printed.lines().next().unwrap().strip_prefix("token: ").unwrap()
}

/// Serves with this file as the configuration.
fn serve(file: &Path) -> Server {
    Server::start(bonafide(&["serve", "--listen", "127.0.0.1:0", "--config"]).arg(file))
}

#[test]
fn a_token_is_printed_with_the_lines_that_let_it_in() {
    insta::with_settings!({filters => vec![
        (r"token: [\w-]{43}\n", "token: [token]\n"),
        (r#""[0-9a-f]{64}""#, "\"[digest]\""),
        (r#""[0-9a-f]{8}-[0-9a-f-]{27}""#, "\"[made up]\""),
    ]}, {
        insta::assert_snapshot!(printed(&mut bonafide(&["token", "--account", "6197120"])));
        insta::assert_snapshot!(printed(&mut bonafide(&["token"])));
        insta::assert_snapshot!(printed(&mut bonafide(&["token", "--account", "\"a\"\n\\"])));
    });
    let empty = bonafide(&["token", "--account", ""]).output().unwrap();
    assert_eq!((empty.status.code(), empty.stdout.len()), (Some(2), 0));
}

#[test]
fn a_token_is_32_random_bytes_in_the_alphabet_of_urls() {
    let mut tokens: Vec<String> = (0..4)
        .map(|_| token_in(&printed(&mut bonafide(&["token"]))).to_owned())
        .chain([serve(Path::new("/dev/null")).token.clone().unwrap()])
        .collect();
    for token in &tokens {
        assert_eq!(URL_SAFE_NO_PAD.decode(token).unwrap().len(), 32, "{token}");
    }
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 5);
}

#[tokio::test]
async fn the_printed_lines_let_the_printed_token_in_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bonafide.toml");
    let printed = printed(&mut bonafide(&["token", "--account", "\"a\"\n\\"]));
    let (_, lines) = printed.split_once("[[accounts]]").unwrap();
    std::fs::write(&file, format!("[[accounts]]{lines}")).unwrap();
    let token = token_in(&printed);
    assert!(lines.contains(&sha256(token)));
    let server = serve(&file);
    assert!(server.token.is_none());
    assert!(server.ask("GET", CATALOGUE, token, "").await.starts_with("HTTP/1.1 200 "));
    for other in ["", &token[1..], &sha256(token), &format!("{token}x")] {
        assert!(server.ask("GET", CATALOGUE, other, "").await.starts_with("HTTP/1.1 401 "));
    }
    server.terminate();
    server.end();
}

#[tokio::test]
async fn a_refusal_does_not_tell_what_was_wrong_with_the_token() {
    let api = api("").await;
    let with = |path: &str, authorization: &[&str]| {
        let method = if path == VALIDATE { "POST" } else { "GET" };
        let mut request = request(method, path, fake("valid"));
        request.headers_mut().remove("authorization");
        for value in authorization {
            request.headers_mut().append("authorization", value.parse().unwrap());
        }
        request
    };
    let bearer = format!("Bearer {TOKEN}");
    let mut refusals = Vec::new();
    for path in [VALIDATE, CATALOGUE, "/v1/hood/providers/9000", "/openapi.json"] {
        for authorization in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Bearer unknown"],
            &["Basic dXNlcjpwYXNzd29yZA=="],
            &[TOKEN],
            &[&sha256(TOKEN)],
            &[&format!("Bearer {}", sha256(TOKEN))],
            &[&format!("{bearer}x")],
            &[&format!("{bearer} {TOKEN}")],
            &[&bearer, &bearer],
            &["Bearer \u{fc}"],
        ] {
            let mut refused = send(&api, with(path, authorization)).await;
            let mut error = refused.error(401);
            error.as_object_mut().unwrap().remove("trace_id");
            refused.headers.remove("x-trace-id");
            refusals.push((error, refused.headers));
        }
        // Words of the scheme in any case, as HTTP has it.
        let admitted = send(&api, with(path, &[&format!("bEARER   {TOKEN} ")])).await;
        assert!(admitted.status.is_success(), "{path}");
        let other = send(&api, with(path, &[&format!("Bearer {OTHER_TOKEN}")])).await;
        assert!(other.status.is_success(), "{path}");
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    insta::assert_debug_snapshot!(refusals);
}

#[tokio::test]
async fn every_answer_is_kept_by_nobody_and_taken_for_what_it_is() {
    let api = api("[rate_limit]\nper_second = 0\nper_minute = 5").await;
    let without_token = |method: &str, path: &str| {
        Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
    };
    for (status, asked) in [
        (200, request("POST", VALIDATE, fake("data"))),
        (204, request("POST", VALIDATE, fake("valid"))),
        (400, request("POST", VALIDATE, fake("invalid_credentials"))),
        (413, request("POST", VALIDATE, vec![b'x'; 70_000])),
        (500, request("POST", VALIDATE, fake("panics-with-secret"))),
        (429, request("POST", VALIDATE, "")),
        (401, without_token("POST", VALIDATE)),
        (404, without_token("GET", "/nowhere")),
        (405, without_token("PUT", VALIDATE)),
        (200, request("GET", CATALOGUE, "")),
        (200, request("GET", "/openapi.json", "")),
        (200, without_token("GET", "/healthz")),
    ] {
        let answer = send(&api, asked).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{status}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{status}");
        assert_eq!(answer.header("server"), None, "{status}");
    }
}

#[tokio::test]
async fn without_an_account_nobody_is_let_in() {
    let api = bonafide::router(MANIFEST, "").await.unwrap();
    let request = |authorization: &str| {
        let request = Request::get(CATALOGUE).header("authorization", authorization);
        request.body(Body::empty()).unwrap()
    };
    for authorization in ["Bearer x", "Bearer 0"] {
        send(&api, request(authorization)).await.error(401);
    }
}

#[tokio::test]
async fn tokens_change_on_sighup_and_requests_in_flight_are_finished() {
    let upstream = Upstream::listen().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bonafide.toml");
    let rest = format!(
        "[rate_limit]\nper_second = 0\nper_minute = 0\n[egress]\nallow = [\"127.0.0.0/8\"]\n[providers.mitto]\nbase_url = \"{}\"\ntimeout = \"5m\"\n",
        upstream.url()
    );
    let write = |accounts: &[(&str, &str)], rest: &str| {
        let accounts: Vec<String> = accounts.iter().map(|(id, token)| account(id, token)).collect();
        std::fs::write(&file, accounts.concat() + rest).unwrap();
    };
    write(&[("a", TOKEN), ("b", OTHER_TOKEN)], &rest);
    let mut server = serve(&file);
    let log = server.log();
    let address = server.address;
    let status = async |token: &str| -> String {
        let answer = ask(address, "GET", CATALOGUE, token, "").await;
        answer.split(' ').nth(1).unwrap().to_owned()
    };

    let mut asking = Vec::new();
    let mut asked = Vec::new();
    for _ in 0..8 {
        asking.push(tokio::spawn(async move {
            ask(address, "POST", VALIDATE, TOKEN, &question()).await
        }));
        asked.push(upstream.asked().await);
    }
    write(&[("a", "the-next-token"), ("c", "token-of-c")], &rest);
    server.signal("-HUP");
    assert!(log.wait_for("are in force").contains("\"accounts\":2"));
    for (token, expected) in
        [(TOKEN, "401"), (OTHER_TOKEN, "401"), ("the-next-token", "200"), ("token-of-c", "200")]
    {
        assert_eq!(status(token).await, expected, "{token}");
    }
    for (mut stream, asking) in asked.into_iter().zip(asking) {
        accept(&mut stream).await;
        let answer = asking.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    }

    // What cannot be used changes nothing, and what is wrong is named.
    for (broken, key) in [
        (format!("listne = 1\n{}", config("")), "`listne`"),
        ("[[accounts]]\nid = \"a\"\ntoken_sha256 = \"hunter2\"\n".to_owned(), "token_sha256"),
        (config("[providers.mitto]\nbase_url = \"ftp://x\"\n"), "providers.mitto.base_url"),
        ("[[accounts".to_owned(), "not valid TOML"),
    ] {
        std::fs::write(&file, broken).unwrap();
        server.signal("-HUP");
        let line = log.wait_for("the accounts stay as they were");
        assert!(line.contains(key) && line.contains("\"ERROR\""), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    std::fs::remove_file(&file).unwrap();
    server.signal("-HUP");
    log.wait_for("cannot be read");
    std::fs::write(&file, "").unwrap();
    server.signal("-HUP");
    log.wait_for("has no `accounts`");
    assert_eq!((status("the-next-token").await, status(TOKEN).await), ("200".into(), "401".into()));

    // What only a start takes over is said to wait for it.
    std::fs::write(
        &file,
        format!("listen = \"127.0.0.1:1\"\n{}", config("[egress]\nports = [1]\n")),
    )
    .unwrap();
    server.signal("-HUP");
    let line = log.wait_for("waits for the next start");
    assert!(line.contains("\"keys\":\"listen, egress, providers\""), "{line}");
    log.wait_for("are in force");
    assert_eq!((status("the-next-token").await, status(TOKEN).await), ("401".into(), "200".into()));
    server.terminate();
    server.end();
}

#[tokio::test]
async fn an_account_that_is_added_on_sighup_has_its_own_rate_and_the_others_keep_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bonafide.toml");
    let limits = "[rate_limit]\nper_second = 0\nper_minute = 2\n";
    std::fs::write(&file, account("a", TOKEN) + limits).unwrap();
    let mut server = serve(&file);
    let log = server.log();
    let used_up = async |token: &str| {
        let mut admitted = 0;
        for _ in 0..5 {
            let answer = server.ask("POST", VALIDATE, token, "{").await;
            admitted += u32::from(answer.starts_with("HTTP/1.1 400 "));
        }
        admitted
    };
    assert_eq!(used_up(TOKEN).await, 2);
    std::fs::write(&file, account("b", OTHER_TOKEN) + &account("a", TOKEN) + limits).unwrap();
    server.signal("-HUP");
    log.wait_for("are in force");
    assert_eq!((used_up(TOKEN).await, used_up(OTHER_TOKEN).await), (0, 2));
    server.terminate();
    server.end();
}
