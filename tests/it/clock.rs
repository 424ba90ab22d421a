//! The clock of the wall is set back and forth while the server runs.
//!
//! `libfaketime` stands between the process and the clock: it shows another time of the day, and leaves alone the clock by
//! which durations are measured, as the system does when somebody sets the time.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::process::{Log, Server, ask};
use crate::support::{CATALOGUE, VALIDATE, tell};
use crate::upstream::{RECEIPT, Upstream, question};

/// The library, where it is installed.
fn libfaketime() -> Option<PathBuf> {
    let libraries = std::fs::read_dir("/usr/lib").ok()?;
    let folders = libraries.filter_map(|entry| Some(entry.ok()?.path()));
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|file| file.exists())
}

/// Answers, and closes: the next check must not find the connection just as it goes.
async fn answer(mut stream: TcpStream, head: &str, body: &str) {
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// The header of an answer, in seconds.
fn seconds(answer: &str, header: &str) -> Option<u64> {
    let line = answer.lines().find_map(|line| line.strip_prefix(header))?;
    line.trim_start_matches(": ").parse().ok()
}

/// Sets the time of the day that the server sees, this far from ours.
fn set(clock: &Path, offset: &str) {
    // In one step, or the server reads half of it.
    let new = clock.with_extension("new");
    std::fs::write(&new, offset).unwrap();
    std::fs::rename(new, clock).unwrap();
}

/// The year of the next line of the log that tells of an answer.
fn year(log: &Log) -> i32 {
    let line: Value = serde_json::from_str(&log.wait_for("Answered a request.")).unwrap();
    line["timestamp"].as_str().unwrap()[..4].parse().unwrap()
}

#[tokio::test]
async fn a_clock_that_jumps_changes_no_limit_and_no_verdict() {
    let Some(library) = libfaketime() else {
        tell("skipped: libfaketime is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    set(&clock, "+0d");
    let upstream = Upstream::listen().await;
    let mut command = upstream.serve();
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("BONAFIDE_RATE_LIMIT__PER_MINUTE", "4")
        .env("BONAFIDE_PROVIDERS__MITTO__TIMEOUT", "5m");
    let mut server = Server::start(&mut command);
    let (log, token, address) = (server.log(), server.token.clone().unwrap(), server.address);
    let begin = || {
        let token = token.clone();
        tokio::spawn(async move { ask(address, "POST", VALIDATE, &token, &question()).await })
    };
    server.ask("GET", CATALOGUE, &token, "").await;
    let present = year(&log);

    for (number, (offset, jump)) in
        [("-10y", -10), ("+10y", 10), ("-50y", -50)].into_iter().enumerate()
    {
        // A check is under way while the clock is set. Its deadline is neither over nor moved.
        let asking = begin();
        let stream = upstream.asked().await;
        set(&clock, offset);
        server.ask("GET", CATALOGUE, &token, "").await;
        // Unless the clock was set, nothing is proved.
        let shown = year(&log) - present;
        assert!((shown - jump).abs() <= 1, "{offset}: {shown} years");
        answer(stream, "200 OK\r\ncontent-type: application/json", RECEIPT).await;
        let answered = asking.await.unwrap();
        assert!(answered.starts_with("HTTP/1.1 204 "), "{offset}: {answered}");
        // The minute is the one that began with the first of these requests.
        assert_eq!(
            seconds(&answered, "x-ratelimit-remaining"),
            Some(3 - number as u64),
            "{offset}"
        );
        assert!(seconds(&answered, "x-ratelimit-reset").unwrap() <= 60, "{offset}: {answered}");
        assert_eq!(year(&log) - present, shown);
    }

    // A moment that a provider names is compared with the clock, and whatever comes out of it does no harm.
    let asking = begin();
    let stream = upstream.asked().await;
    answer(stream, "429 Slow down\r\nretry-after: Wed, 21 Oct 2015 07:28:00 GMT", "").await;
    let answered = asking.await.unwrap();
    assert!(answered.contains("provider_rate_limited"), "{answered}");
    let answered = server.ask("POST", VALIDATE, &token, &question()).await;
    assert!(answered.starts_with("HTTP/1.1 429 "), "{answered}");
    assert!(seconds(&answered, "retry-after").unwrap() <= 60, "{answered}");
    server.terminate();
    server.end();
}
