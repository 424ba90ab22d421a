//! Traces on their way to a collector, which the test itself plays.

use bonafide_testkit::Secrets;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::cli::bonafide;
use crate::process::{HANGS, Server, send_raw};
use crate::support::VALIDATE;

/// No letters of hexadecimal digits, so that no part stands in an id.
const CANARY: &str = "Zq%wXy&zKm/nPr!tVu=sJh#gLo";

fn request(token: &str, traceparent: &str) -> String {
    let settings =
        json!({"account_sid": "AC00000000000000000000000000000001", "auth_token": CANARY});
    let body = json!({"name": CANARY, "provider_id": "1000", "settings": settings}).to_string();
    format!(
        "POST {VALIDATE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n{traceparent}\
         x-echo: {CANARY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn serve(endpoint: &str) -> Server {
    let mut command = bonafide(&["serve", "--sandbox", "--listen", "127.0.0.1:0"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "50");
    // What libraries write below `info` holds whatever they send.
    command.env("RUST_LOG", "trace");
    Server::start(&mut command)
}

/// Takes what is exported until this is in it.
async fn collect(collector: &TcpListener, wanted: &[&[u8]]) -> Vec<u8> {
    let mut taken = Vec::new();
    let has = |taken: &[u8], wanted: &[u8]| taken.windows(wanted.len()).any(|part| part == wanted);
    while !wanted.iter().all(|wanted| has(&taken, wanted)) {
        let (mut stream, _) = collector.accept().await.unwrap();
        let mut request = Vec::new();
        loop {
            let head = request.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = head {
                let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
                assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
                let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
                if request.len() >= end + 4 + length.parse::<usize>().unwrap() {
                    break;
                }
            }
            assert!(stream.read_buf(&mut request).await.unwrap() > 0);
        }
        let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        taken.extend(request);
    }
    taken
}

#[tokio::test]
async fn requests_and_checks_are_spans_of_the_trace_that_the_answer_names() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = serve(&format!("http://{}", collector.local_addr().unwrap()));
    let log = server.read_log();
    let token = server.token.clone().unwrap();
    let traceparent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    let mut wanted: Vec<Vec<u8>> = vec![
        0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes().into(),
        0x00f0_67aa_0ba9_02b7_u64.to_be_bytes().into(),
        b"request".into(),
        b"check".into(),
        b"twilio".into(),
        b"invalid_credentials".into(),
        b"bonafide".into(),
    ];
    for traceparent in [traceparent, ""] {
        let answer = send_raw(server.address, &request(&token, traceparent)).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        let id = answer.split("x-trace-id: ").nth(1).unwrap().lines().next().unwrap();
        wanted.push(uuid::Uuid::parse_str(id).unwrap().as_bytes().into());
    }
    let wanted: Vec<&[u8]> = wanted.iter().map(Vec::as_slice).collect();
    let exported = timeout(HANGS, collect(&collector, &wanted)).await.expect("no such span");
    let mut secrets = Secrets::default();
    secrets.add_canary("the token in the settings", CANARY);
    secrets.absent_from("what is exported", &String::from_utf8_lossy(&exported)).unwrap();
    let exported = String::from_utf8_lossy(&exported);
    for foreign in ["hyper", "reqwest", "h2::", "rustls", &token] {
        assert!(!exported.contains(foreign), "{foreign}: {exported}");
    }
    drop(collector);
    server.terminate();
    server.end();
    let log = log.join().unwrap();
    let line = log.lines().find(|line| line.contains("Answered a request.")).unwrap();
    assert!(line.contains(r#""trace_id":"4bf92f35-77b3-4da6-a3ce-929d0e0e4736""#), "{line}");
    secrets.absent_from("the log", &log).unwrap();
}

#[tokio::test]
async fn without_a_collector_requests_go_on_and_the_process_ends() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    // This one takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for address in [nobody, silent.local_addr().unwrap()] {
        let mut server = serve(&format!("http://{address}"));
        drop(server.log());
        let token = server.token.clone().unwrap();
        for _ in 0..20 {
            let answer = send_raw(server.address, &request(&token, "")).await;
            assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
        }
        server.terminate();
        server.end();
    }
}
