use std::time::{Duration, SystemTime};

use bonafide_emulator::Certificate;

use super::{Fault, Group, Peer, Scene};
use crate::faulty::{ServerAction, answer};

const UNAVAILABLE: &str = "provider_unavailable";
const TIMEOUT: &str = "provider_timeout";
const LIMITED: &str = "provider_rate_limited";
const UNEXPECTED: &str = "unexpected_response";
const VALID: &str = "valid";

const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
const JSON: (&str, &str) = ("content-type", "application/json");
const PLAIN: (&str, &str) = ("content-type", "text/plain");
const GZIPPED: (&str, &str) = ("content-encoding", "gzip");
const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");

const PAGE: &str = "<!DOCTYPE html><html><title>Sign in</title><p>Unauthorized</html>";
/// The head of an answer whose body is to follow.
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
/// Deeper than any parser of the checks may go.
const LEVELS: usize = 10_000;

/// What goes wrong with a provider that has hosts of its own, at the first request of its first interaction that leads to a
/// pass.
pub fn http(scene: &Scene) -> Vec<Fault> {
    Group::ALL.into_iter().flat_map(|one| group(one, scene)).collect()
}

/// What goes wrong in one way.
pub(crate) fn group(group: Group, scene: &Scene) -> Vec<Fault> {
    match group {
        Group::Connections => connections(),
        Group::Tls => tls(scene),
        Group::Silence => stalls(),
        Group::Protocol => broken_answers(),
        Group::Endless => endless_answers(),
        Group::Bodies => bodies(scene),
        Group::Pages => pages(),
        Group::ForeignJson => foreign_json(),
        Group::Redirects => redirects(scene),
        Group::Statuses => statuses(),
        Group::ServerErrors => server_errors(),
        Group::Limits => limits(),
        Group::Echoes => echoes(),
        Group::Harmless => harmless(scene),
    }
}

fn scripted(
    name: impl Into<String>,
    what: impl Into<String>,
    expected: &str,
    script: impl IntoIterator<Item = ServerAction>,
) -> Fault {
    Fault::new(name, what, expected, Peer::Scripted(vec![script.into_iter().collect()]))
}

/// Reads the request and gives this answer.
fn answers(
    name: impl Into<String>,
    what: impl Into<String>,
    expected: &str,
    status: u16,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Fault {
    let answer = answer(status, headers, body.as_ref());
    scripted(name, what, expected, [ServerAction::Read, ServerAction::Say(answer)])
}

/// The first answer is this; what is asked after it gets the documented answers.
fn goes_on(
    scene: &Scene,
    name: &str,
    what: &str,
    headers: &[(&str, &str)],
    before: impl IntoIterator<Item = ServerAction>,
) -> Fault {
    let mut first: Vec<ServerAction> = before.into_iter().collect();
    first.push(ServerAction::Say(answer(200, headers, &scene.documented)));
    let peer = Peer::Scripted(vec![first, vec![ServerAction::Forward(scene.emulator)]]);
    Fault::new(name, what, VALID, peer)
}

fn connections() -> Vec<Fault> {
    let half_head = "HTTP/1.1 200 OK\r\ncontent-ty";
    let half_body = format!("{HEAD}content-length: 50\r\n\r\n{{");
    vec![
        Fault::new("refused", "does not listen", UNAVAILABLE, Peer::ClosedPort),
        Fault::new("no_such_host", "has a name that does not exist", UNAVAILABLE, Peer::NoSuchHost)
            .inside_tls(),
        scripted("closed_at_once", "closes without reading", UNAVAILABLE, []),
        scripted("closed_before_the_answer", "reads and closes", UNAVAILABLE, [ServerAction::Read]),
        scripted(
            "reset_before_the_answer",
            "reads and resets",
            UNAVAILABLE,
            [ServerAction::Read, ServerAction::Reset],
        ),
        scripted(
            "closed_in_the_head",
            "closes in the middle of the head",
            UNAVAILABLE,
            [ServerAction::Read, ServerAction::say(half_head)],
        ),
        scripted(
            "reset_in_the_head",
            "resets in the middle of the head",
            UNAVAILABLE,
            [ServerAction::Read, ServerAction::say(half_head), ServerAction::Reset],
        ),
        scripted(
            "closed_in_the_body",
            "closes in the middle of the body",
            UNAVAILABLE,
            [ServerAction::Read, ServerAction::say(half_body.as_str())],
        ),
        scripted(
            "reset_in_the_body",
            "resets in the middle of the body",
            UNAVAILABLE,
            [
                ServerAction::Read,
                ServerAction::say(half_body),
                ServerAction::Wait(Duration::from_millis(20)),
                ServerAction::Reset,
            ],
        ),
        scripted(
            "closed_between_chunks",
            "closes before the last chunk",
            UNAVAILABLE,
            [
                ServerAction::Read,
                ServerAction::say(format!("{HEAD}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n")),
            ],
        ),
    ]
}

fn tls(scene: &Scene) -> Vec<Fault> {
    let with = |name: &str, what: &str, certificate| {
        scripted(name, what, UNAVAILABLE, [ServerAction::Tls(certificate), ServerAction::Read])
            .inside_tls()
    };
    vec![
        Fault::new(
            "tls_as_it_should_be",
            "answers as documented, with a certificate that is trusted",
            VALID,
            Peer::Scripted(vec![vec![
                ServerAction::Tls(Certificate::Trusted),
                ServerAction::Forward(scene.emulator),
            ]]),
        )
        .inside_tls(),
        with("tls_expired", "has a certificate that has expired", Certificate::Expired),
        with("tls_self_signed", "has signed its certificate itself", Certificate::SelfSigned),
        with("tls_other_name", "has a certificate for another name", Certificate::OtherName),
        scripted(
            "tls_not_spoken",
            "speaks plain HTTP where TLS is due",
            UNAVAILABLE,
            [ServerAction::say("HTTP/1.1 400 Bad Request\r\n\r\n")],
        )
        .inside_tls(),
        scripted("tls_closed_in_the_handshake", "closes in the handshake", UNAVAILABLE, [])
            .inside_tls(),
        scripted(
            "tls_reset_in_the_handshake",
            "resets in the handshake",
            UNAVAILABLE,
            [ServerAction::Reset],
        )
        .inside_tls(),
        scripted(
            "tls_closed_before_the_answer",
            "closes after the handshake",
            UNAVAILABLE,
            [ServerAction::Tls(Certificate::Trusted), ServerAction::Read],
        )
        .inside_tls(),
    ]
}

fn stalls() -> Vec<Fault> {
    let stalls = |name: &str, what: &str, said: String, then: Vec<ServerAction>| {
        let before = [ServerAction::Read, ServerAction::say(said)];
        scripted(name, what, TIMEOUT, before.into_iter().chain(then)).stalling()
    };
    let drip = |text: &str| {
        vec![ServerAction::Loop(vec![
            ServerAction::say(text),
            ServerAction::Wait(Duration::from_millis(50)),
        ])]
    };
    let half_body = format!("{HEAD}content-length: 50\r\n\r\n{{");
    vec![
        scripted("silent", "accepts and is silent", TIMEOUT, [ServerAction::Hang]).stalling(),
        scripted(
            "tls_silent_in_the_handshake",
            "is silent in the handshake",
            TIMEOUT,
            [ServerAction::Hang],
        )
        .inside_tls()
        .stalling(),
        stalls(
            "silent_before_the_head",
            "reads and is silent",
            String::new(),
            vec![ServerAction::Hang],
        ),
        stalls(
            "silent_in_the_head",
            "is silent in the middle of the head",
            HEAD.to_owned(),
            vec![ServerAction::Hang],
        ),
        stalls(
            "silent_in_the_body",
            "is silent in the middle of the body",
            half_body,
            vec![ServerAction::Hang],
        ),
        stalls(
            "slow_head",
            "gives a byte of the head every 50 ms",
            format!("{HEAD}x-slow: "),
            drip("s"),
        ),
        stalls(
            "slow_body",
            "gives a byte of the body every 50 ms",
            format!("{HEAD}content-length: 5000\r\n\r\n{{"),
            drip(" "),
        ),
        stalls(
            "only_interim_answers",
            "gives a thousand interim answers and no final one",
            "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000),
            vec![ServerAction::Hang],
        ),
    ]
}

fn broken_answers() -> Vec<Fault> {
    let says = |name: &str, what: &str, expected: &str, text: String| {
        scripted(name, what, expected, [ServerAction::Read, ServerAction::say(text)])
    };
    let many = (0..200).fold(String::new(), |lines, number| format!("{lines}x-{number}: 1\r\n"));
    vec![
        says("not_http", "speaks another protocol", UNEXPECTED, "SSH-2.0-OpenSSH_9.9\r\n".into()),
        says("http_0_9", "answers without a head", UNEXPECTED, "{\"status\": \"ok\"}\r\n".into()),
        says(
            "two_hundred_headers",
            "gives two hundred headers",
            UNEXPECTED,
            format!("{HEAD}{many}content-length: 2\r\n\r\n{{}}"),
        ),
        says(
            "two_lengths",
            "gives two lengths of one body",
            UNEXPECTED,
            format!("{HEAD}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"),
        ),
        says(
            "broken_chunk",
            "gives a chunk whose length is no number",
            UNEXPECTED,
            format!("{HEAD}transfer-encoding: chunked\r\n\r\nlength\r\n{{}}\r\n0\r\n\r\n"),
        ),
    ]
}

fn endless_answers() -> Vec<Fault> {
    let endless = |name: &str, what: &str, said: String, over_and_over: String| {
        let script = [
            ServerAction::Read,
            ServerAction::say(said),
            ServerAction::Loop(vec![ServerAction::say(over_and_over)]),
        ];
        scripted(name, what, UNEXPECTED, script)
    };
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    vec![
        endless(
            "endless_body",
            "gives chunks without end",
            format!("{HEAD}transfer-encoding: chunked\r\n\r\n"),
            chunk,
        ),
        endless(
            "body_of_terabytes",
            "gives a body of a hundred terabytes",
            format!("{HEAD}content-length: 109951162777600\r\n\r\n"),
            " ".repeat(0x8000),
        ),
        endless(
            "endless_head",
            "gives headers without end",
            HEAD.to_owned(),
            format!("x-endless: {}\r\n", "x".repeat(1000)),
        ),
        scripted(
            "header_of_a_megabyte",
            "gives a header of one megabyte",
            UNEXPECTED,
            [
                ServerAction::Read,
                ServerAction::say(format!("{HEAD}x-long: {}\r\n\r\n", "x".repeat(1024 * 1024))),
            ],
        ),
        answers(
            "200_gzip_bomb",
            "gives a small body that inflates to 20 megabytes",
            UNEXPECTED,
            200,
            &[JSON, GZIPPED],
            gzip_bomb(),
        ),
    ]
}

/// Answers with status 200 whose body is not what the provider documents.
fn bodies(scene: &Scene) -> Vec<Fault> {
    let ok =
        |name: &str, what: &str, body: &[u8]| answers(name, what, UNEXPECTED, 200, &[JSON], body);
    let documented = scene.documented.as_slice();
    let with_mark = [b"\xef\xbb\xbf", documented].concat();
    let half = documented.get(..documented.len() / 2).unwrap_or_default();
    let deep = format!("{{\"x\": {}{}}}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    vec![
        ok("200_empty", "gives 200 without a body", b""),
        ok(
            "200_half_a_json",
            "gives half of the documented body, with the length of the half",
            half,
        ),
        ok("200_array", "gives 200 and a JSON array", b"[]"),
        ok("200_number", "gives 200 and a JSON number", b"200"),
        ok("200_string", "gives 200 and a JSON string", b"\"OK\""),
        ok("200_null", "gives 200 and a JSON null", b"null"),
        ok("200_true", "gives 200 and a JSON boolean", b"true"),
        ok("200_empty_object", "gives 200 and an empty JSON object", b"{}"),
        ok(
            "200_other_object",
            "gives 200 and somebody else's JSON object",
            b"{\"status\": \"ok\"}",
        ),
        ok("200_deep_json", "gives 200 and JSON of 10,000 levels", deep.as_bytes()),
        ok("200_not_utf8", "gives 200 and JSON that is not UTF-8", b"{\"status\": \"\xff\xfe\"}"),
        ok("200_byte_order_mark", "puts a byte order mark before the documented body", &with_mark),
        ok("200_twice", "gives the documented body twice", &[documented, documented].concat()),
        answers("200_plain_text", "gives 200 and plain text", UNEXPECTED, 200, &[PLAIN], "OK"),
        answers(
            "200_gzip",
            "compresses the documented body, which nobody asked for",
            UNEXPECTED,
            200,
            &[JSON, GZIPPED],
            stored_gzip(documented),
        ),
    ]
}

/// Pages and texts of some server in between.
fn pages() -> Vec<Fault> {
    let mut faults = Vec::new();
    for status in [200, 400, 401, 403, 404, 500, 502] {
        let expected = if status < 500 { UNEXPECTED } else { UNAVAILABLE };
        let what = format!("gives {status} and an HTML page");
        faults.push(answers(format!("{status}_html"), what, expected, status, &[HTML], PAGE));
    }
    for (status, text) in [(401, "Unauthorized"), (403, "Forbidden"), (404, "Not Found")] {
        let what = format!("gives {status} and the plain text `{text}`");
        let name = format!("{status}_plain_text");
        faults.push(answers(name, what, UNEXPECTED, status, &[PLAIN], text));
        let what = format!("gives {status} without a body");
        faults.push(answers(format!("{status}_empty"), what, UNEXPECTED, status, &[], ""));
    }
    faults
}

/// JSON of some server in between.
fn foreign_json() -> Vec<Fault> {
    let mut faults = Vec::new();
    for (status, expected) in
        [(401, UNEXPECTED), (403, UNEXPECTED), (429, LIMITED), (500, UNAVAILABLE)]
    {
        let body = format!(r#"{{"type": "about:blank", "title": "Denied", "status": {status}}}"#);
        let what = format!("gives {status} and a problem+json");
        let name = format!("{status}_problem_json");
        faults.push(answers(name, what, expected, status, &[PROBLEM], body));
    }
    for status in [401, 403, 404] {
        let what = format!("gives {status} and somebody else's JSON");
        let name = format!("{status}_other_json");
        let body = r#"{"error": "access_denied", "error_description": "See your gateway."}"#;
        faults.push(answers(name, what, UNEXPECTED, status, &[JSON], body));
    }
    faults
}

fn echoes() -> Vec<Fault> {
    vec![
        scripted(
            "400_echo",
            "gives 400 and the request, with the credentials in it",
            UNEXPECTED,
            [
                ServerAction::Read,
                ServerAction::say("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"),
                ServerAction::Echo,
            ],
        ),
        scripted(
            "echo_as_a_head",
            "gives the request, with the credentials in it, as its headers",
            UNEXPECTED,
            [
                ServerAction::Read,
                ServerAction::say("HTTP/1.1 400 Bad Request\r\nx-echo: "),
                ServerAction::Echo,
                ServerAction::say("\r\n\r\n"),
            ],
        ),
    ]
}

fn redirects(scene: &Scene) -> Vec<Fault> {
    let target = scene.elsewhere.as_str();
    [300, 301, 302, 303, 304, 307, 308]
        .into_iter()
        .map(|status| {
            let what = format!("gives {status} and a link to another server");
            let headers = [("location", target)];
            answers(format!("{status}_elsewhere"), what, UNEXPECTED, status, &headers, "")
        })
        .collect()
}

/// Gives each of these statuses with nothing else to it.
fn bare(statuses: &[u16], expected: &str) -> Vec<Fault> {
    let fault = |status: &u16| {
        let what = format!("gives {status} without a body");
        answers(format!("{status}_bare"), what, expected, *status, &[], "")
    };
    statuses.iter().map(fault).collect()
}

fn statuses() -> Vec<Fault> {
    bare(&[204, 402, 405, 407, 410, 418, 451], UNEXPECTED)
}

/// A request that came too late or too early is for the server to mend, too.
fn server_errors() -> Vec<Fault> {
    let mut faults = bare(&[408, 425, 500, 501, 502, 503, 504, 599], UNAVAILABLE);
    faults.push(answers(
        "503_seconds",
        "gives 503 with seconds to wait",
        "provider_unavailable after 7 s",
        503,
        &[("retry-after", "7")],
        "",
    ));
    faults
}

#[expect(clippy::disallowed_methods, reason = "the provider means the time of the day")]
fn limits() -> Vec<Fault> {
    let limits = |name: &str, what: &str, expected: &str, headers: &[(&str, &str)]| {
        answers(name, what, expected, 429, headers, "")
    };
    let in_two_minutes = httpdate::fmt_http_date(SystemTime::now() + Duration::from_mins(2));
    vec![
        limits("429_bare", "gives 429", LIMITED, &[]),
        limits(
            "429_seconds",
            "gives 429 with seconds to wait",
            "provider_rate_limited after 7 s",
            &[("retry-after", "7")],
        ),
        limits(
            "429_date",
            "gives 429 with a date to wait for",
            "provider_rate_limited after 120 s",
            &[("retry-after", &in_two_minutes)],
        ),
        limits(
            "429_nonsense",
            "gives 429 with a `Retry-After` that says nothing",
            LIMITED,
            &[("retry-after", "soon")],
        ),
        limits(
            "429_in_a_year",
            "gives 429 with a wait of a year",
            LIMITED,
            &[("retry-after", "31536000")],
        ),
        limits(
            "429_reset",
            "gives 429 with `X-RateLimit-Reset`",
            "provider_rate_limited after 30 s",
            &[("x-ratelimit-reset", "30")],
        ),
    ]
}

/// What is unusual and no fault: the documented answer must still lead to a pass.
fn harmless(scene: &Scene) -> Vec<Fault> {
    let names: Vec<String> = (0..60).map(|number| format!("x-{number}")).collect();
    let mut headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    headers.push(JSON);
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    vec![
        goes_on(
            scene,
            "harmless_headers",
            "answers as documented, with sixty headers more",
            &headers,
            [ServerAction::Read],
        ),
        // What a body is, it shows by itself: a wrong label is no reason to call a key unknown.
        goes_on(
            scene,
            "harmless_content_type",
            "answers as documented, and calls it HTML",
            &[("content-type", "text/html; charset=utf-8")],
            [ServerAction::Read],
        ),
        goes_on(
            scene,
            "harmless_interim_answers",
            "answers as documented, after three interim answers",
            &[JSON],
            [ServerAction::Read, ServerAction::say(hints.repeat(3))],
        ),
        goes_on(
            scene,
            "harmless_delay",
            "answers as documented, after a while",
            &[JSON],
            [ServerAction::Read, ServerAction::Wait(Duration::from_millis(100))],
        ),
    ]
}

/// The head of a gzip file (RFC 1952).
const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// A gzip file that holds this body as it is, whole: whoever inflates it reads the documented answer.
fn stored_gzip(body: &[u8]) -> Vec<u8> {
    let mut file = GZIP.to_vec();
    let blocks: Vec<&[u8]> = body.chunks(0xffff).collect();
    for (index, block) in blocks.iter().enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        file.push(u8::from(index + 1 == blocks.len()));
        file.extend(length.to_le_bytes());
        file.extend((!length).to_le_bytes());
        file.extend_from_slice(block);
    }
    let crc = !body.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    });
    file.extend(crc.to_le_bytes());
    file.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    file
}

/// A gzip file of some hundred kilobytes that inflates to twenty megabytes of white space. It has no end.
fn gzip_bomb() -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false];
    let mut push = |code: u16, length: u32| {
        bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
    };
    // RFC 1951, section 3.2.6: a space, and then the 258 bytes from one byte ago, over and over.
    push(0x30 + 0x20, 8);
    for _ in 0..80_000 {
        push(0b1100_0101, 8);
        push(0, 5);
    }
    let mut file = GZIP.to_vec();
    file.extend(bits.chunks(8).map(|byte| {
        byte.iter().enumerate().fold(0_u8, |value, (index, bit)| value | u8::from(*bit) << index)
    }));
    file
}
