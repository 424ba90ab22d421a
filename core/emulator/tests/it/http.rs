use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bonafide_emulator::{AnsweredBy, Authority, Emulator, Sandbox};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::{API, MAIL, eventually, interactions};

async fn emulator(names: &[&str]) -> Emulator {
    let authority = Authority::new().unwrap();
    Emulator::of_interactions(&API, interactions(&API, names), &authority).await.unwrap()
}

async fn connect(base_url: &Url) -> std::io::Result<TcpStream> {
    TcpStream::connect(base_url.socket_addrs(|| None).unwrap()[0]).await
}

/// Sends a request and reads the whole answer.
async fn ask(base_url: &Url, head: &str, body: &str) -> String {
    let mut stream = connect(base_url).await.unwrap();
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let length = body.len();
    let headers = [line, " HTTP/1.1\nhost: localhost\nconnection: close\n", headers].concat();
    let headers = headers.trim_end().replace('\n', "\r\n");
    let request = format!("{headers}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_first_step_that_matches_answers_and_otherwise_comes_last() {
    let emulator = emulator(&["valid", "otherwise"]).await;
    let base = &emulator.base_urls()[0];

    let answer = ask(base, "GET /v1/me?page=1&size=2\nauthorization: bearer live%2F1", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-number: 7\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/vnd.api+json\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"name":"Example"}"#), "{answer}");

    let answer =
        ask(base, "GET /v1/me?cursor=a%2Fb&page=1\nauthorization: Bearer live%2F1", "").await;
    assert!(
        answer.contains("content-type: text/plain\r\n") && answer.ends_with("second"),
        "{answer}"
    );

    let answer = ask(base, "GET /v1/me\nauthorization: Bearer wrong", "").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");

    let answer = ask(base, "GET /v1/you", "").await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.ends_with("\r\n\r\n"), "{answer}");

    let requests = emulator.requests();
    let answered_by =
        |interaction: &str, step| Some(AnsweredBy { interaction: interaction.to_owned(), step });
    assert_eq!(requests[0].answered_by, answered_by("valid", 0));
    assert_eq!(requests[0].query[1], ("size".to_owned(), "2".to_owned()));
    assert_eq!(requests[1].answered_by, answered_by("valid", 1));
    assert_eq!(requests[2].answered_by, answered_by("otherwise", 0));
    assert_eq!(
        requests[3].closest_mismatch.as_deref(),
        Some("the nearest is step 1 of `valid`, whose path is another")
    );
}

#[tokio::test]
async fn schemes_secret_segments_and_forms_are_compared() {
    let emulator = emulator(&["words"]).await;
    let base = &emulator.base_urls()[0];
    let form = "content-type: application/x-www-form-urlencoded; charset=utf-8";
    let path = "POST /bot1:a%2Fb/me/";
    let good = format!("{path}\nauthorization: bot 1:a/b\n{form}");
    assert!(ask(base, &good, "x=1&assertion=c+d%26e").await.ends_with("formed"));
    for (head, body, differs) in [
        (
            format!("POST /bot1:a%2Fb/me\nauthorization: Bot 1:a/b\n{form}"),
            "assertion=c+d%26e",
            "path",
        ),
        (format!("POST /bot1/me/\nauthorization: Bot 1:a/b\n{form}"), "assertion=c+d%26e", "path"),
        (
            format!("{path}\nauthorization: Bearer 1:a/b\n{form}"),
            "assertion=c+d%26e",
            "authorization",
        ),
        (format!("{path}\nauthorization: Bot 1:a\n{form}"), "assertion=c+d%26e", "authorization"),
        (format!("{path}\n{form}"), "assertion=c+d%26e", "authorization"),
        (good.clone(), "assertion=c+d", "form"),
        (format!("{path}\nauthorization: Bot 1:a/b"), "assertion=c+d%26e", "form"),
    ] {
        assert!(ask(base, &head, body).await.starts_with("HTTP/1.1 404"), "{head}");
        let missed = emulator.requests().pop().unwrap().closest_mismatch.unwrap();
        assert!(missed.ends_with(&format!("whose {differs} is another")), "{head}: {missed}");
    }
}

#[tokio::test]
async fn paths_credentials_headers_and_bodies_are_compared() {
    let emulator = emulator(&["valid"]).await;
    let base = &emulator.base_urls()[0];
    let basic = BASE64.encode("u:live%2F1");
    let head =
        format!("POST /v1/a%2fb/anything/send%20it\nauthorization: Basic {basic}\nx-key: live%2F1");
    let body = r#"{"to": [{"name": "u", "more": 1}], "from": 2}"#;

    assert!(ask(base, &head, body).await.starts_with("HTTP/1.1 202"));
    for (head, body, difference) in [
        (head.replace("POST", "PUT"), body, "method"),
        (head.replace("/anything", ""), body, "path"),
        (head.replace("a%2fb", "a/b"), body, "path"),
        (head.replace("x-key: live", "x-key: dead"), body, "headers"),
        (head.replace(&basic, &BASE64.encode("u:no")), body, "user and password"),
        (head.clone(), r#"{"to": [{"name": "v"}]}"#, "body"),
        (head.clone(), "not JSON", "body"),
    ] {
        assert!(ask(base, &head, body).await.starts_with("HTTP/1.1 404"), "{difference}");
        let closest_mismatch = emulator.requests().pop().unwrap().closest_mismatch.unwrap();
        assert!(closest_mismatch.contains(difference), "{difference}: {closest_mismatch}");
    }
}

#[tokio::test]
async fn each_region_answers_for_itself() {
    let emulator = emulator(&["valid"]).await;
    let head = "GET /v1/me?page=1\nauthorization: Bearer live%2F1";
    assert!(ask(&emulator.base_urls()[0], head, "").await.contains("Example"));
    assert!(ask(&emulator.base_urls()[1], head, "").await.contains("Exemple"));
    let base_urls: Vec<&str> = emulator.requests().iter().map(|request| request.base_url).collect();
    assert_eq!(base_urls, ["base_url", "eu_base_url"]);
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_its_end() {
    let emulator = emulator(&["valid"]).await;
    let mut stream = connect(&emulator.base_urls()[0]).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may close before all of it is written.
    let _ = stream.write_all(&vec![b' '; 2 * 1024 * 1024]).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_eq!(emulator.requests(), []);
}

#[tokio::test]
async fn what_is_stopped_refuses_connections_and_closes_open_ones() {
    let mut emulator = emulator(&["valid"]).await;
    let mut open = connect(&emulator.base_urls()[0]).await.unwrap();
    open.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert!(eventually(async || emulator.connections() == 1).await);
    emulator.stop().await;
    let mut rest = Vec::new();
    assert!(open.read_to_end(&mut rest).await.is_err() || rest.is_empty());
    for base in emulator.base_urls() {
        assert!(connect(base).await.is_err());
    }
}

#[tokio::test]
async fn the_control_endpoint_takes_every_region_down() {
    let emulator = emulator(&["valid"]).await;
    let [first, second] = emulator.base_urls() else { unreachable!() };
    for (base, head) in [(second, "POST /__sandbox__/stop"), (first, "GET /__sandbox__/stop")] {
        assert!(ask(base, head, "").await.starts_with("HTTP/1.1 404"));
    }
    assert!(ask(first, "POST /__sandbox__/stop", "").await.starts_with("HTTP/1.1 204"));
    for base in [first, second] {
        assert!(eventually(async || connect(base).await.is_err()).await);
    }
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_secret() {
    let emulator = emulator(&["valid"]).await;
    let head = "GET /v1/live%2F1?key=live%2F1\nauthorization: Bearer live%2F1";
    ask(&emulator.base_urls()[0], head, "").await;
    let text = format!("{emulator:?} {:?}", emulator.requests());
    assert!(!text.contains("live"), "{text}");
    assert!(emulator.requests()[0].path.contains("live"));
}

#[tokio::test]
async fn a_sandbox_without_a_record_answers_and_forgets() {
    let sandbox = Sandbox::start([&API]).await.unwrap();
    let emulator = sandbox.emulator("api").unwrap();
    let answered = ask(&emulator.base_urls()[0], "GET /nowhere", "").await;
    assert_eq!(emulator.requests().len(), 1);
    let sandbox = sandbox.without_record();
    let emulator = sandbox.emulator("api").unwrap();
    let answer = ask(&emulator.base_urls()[0], "GET /nowhere", "").await;
    assert_eq!(answer.lines().next(), answered.lines().next());
    assert_eq!(emulator.requests().len(), 1);
}

#[tokio::test]
async fn a_sandbox_makes_an_environment_of_its_emulators() {
    let mut sandbox = Sandbox::start([&API, &MAIL]).await.unwrap();
    assert!(sandbox.emulators()[1].base_urls().is_empty());
    assert!(sandbox.emulator("api").unwrap().route().is_none());
    let timeout = std::time::Duration::from_secs(3);
    let environment = sandbox
        .environment_with(|descriptor, config| {
            if descriptor.name == "api" {
                config.timeout = timeout;
            }
            config.base_urls = vec![Url::parse("https://api.example.com").unwrap().into()];
        })
        .unwrap()
        .build()
        .unwrap();
    let text = format!("{environment:?}");
    assert!(!text.contains("example.com") && text.contains("127.0.0.1"), "{text}");
    assert!(text.contains("3s") && text.contains("15s"), "{text}");
    sandbox.stop().await;
    assert!(connect(&sandbox.emulator("api").unwrap().base_urls()[0]).await.is_err());
}
