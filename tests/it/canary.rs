//! Canaries: secrets made at random are sent through every linked provider, the provider tells them back in every way it
//! has, and no six characters of them may stand in anything that comes out.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bonafide_core::ProviderValidator;
use bonafide_registry::{Entry, Registry};
use bonafide_testkit::emulator::{Authority, Certificate};
use bonafide_testkit::{Faulty, Secrets, ServerAction, valid_settings};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::{bonafide, run};
use crate::process::{Server, send_raw};
use crate::support::{MANIFEST, TOKEN, VALIDATE, config};

/// How many secrets each provider gets, or more where `BONAFIDE_FUZZ_SECONDS` are not over by then.
const ROUNDS: usize = 2;

/// No letters of hexadecimal digits and a sign every third character: no part stands in an id, a time or a word.
const CANARY: &str = r#"(?:[g-zG-Z][!#$%&*+/=?^~|;<>"'\\`{}][g-zG-Z]){7,9}"#;

/// What would colour a terminal, turn a line around, ring, or begin a line of a log.
const HOSTILE: &str = "\u{1b}[31mFORGED\u{202e}\u{2066}\u{9b}2J\u{7}\r\n{\"level\":\"ERROR\",\"message\":\"FORGED\"}\n";

const STATUSES: [u16; 9] = [200, 204, 302, 400, 401, 403, 404, 429, 500];

/// A provider that is told what to answer.
struct Stand {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
}

#[derive(Clone)]
enum Answer {
    Given(Vec<u8>),
    /// The request itself, behind a head.
    Request,
}

impl Stand {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(Answer::Request));
        let given = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = given.lock().unwrap().clone();
                // A client may go when it has heard enough.
                tokio::spawn(async move { drop(give(stream, answer).await) });
            }
        });
        Self { address, answer }
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

async fn give(mut stream: TcpStream, answer: Answer) -> std::io::Result<()> {
    let mut request = Vec::new();
    let body = loop {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
        if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&request[..body]).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    while request.len() < body + length {
        if stream.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    let answer = match answer {
        Answer::Given(bytes) => bytes,
        Answer::Request => {
            let head = b"HTTP/1.1 401 No\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n";
            [head.as_slice(), &request].concat()
        }
    };
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

/// Every way in which an HTTP provider could tell a secret back.
fn http_answers(secret: &str) -> Vec<Answer> {
    let text = format!("{secret}{HOSTILE}");
    let number = format!("+1218555{HOSTILE}");
    let refusal = json!({
        "code": 20003, "status": "error", "name": "Invalid_Key", "message": text, "more_info": text, "error": text,
        "responseText": text, "responseCode": 1, "errors": [{"message": text, "field": text, "help": text}],
        secret: text, text.as_str(): secret,
    });
    let pass = json!({
        "incoming_phone_numbers": [{"phone_number": text}, {"phone_number": number}, {"phone_number": "+12185550100"}],
        "next_page_uri": null, "scopes": [text, "mail.send"], "PING": text, "username": text, "id": text,
        "timestamp": text, "responseCode": 0, "responseText": text, "textLength": 5, "test": true,
        "domain": {"name": text, "state": "active", "disabled": {"code": text, "note": text}}, "items": [text],
    });
    let next_page =
        json!({"incoming_phone_numbers": [], "next_page_uri": text, "paging": {"next": text}});
    let bodies = [
        ("application/json", refusal.to_string()),
        ("application/json", pass.to_string()),
        ("application/json", next_page.to_string()),
        ("application/json", json!(text).to_string()),
        ("application/json", json!([refusal]).to_string()),
        ("application/problem+json", refusal.to_string()),
        ("text/plain", text.clone()),
        ("text/html", format!("<html><title>{text}</title>{text}</html>")),
    ];
    let mut answers = vec![Answer::Request];
    for status in STATUSES {
        for (content_type, body) in &bodies {
            let body = if status == 204 { "" } else { body };
            answers.push(Answer::Given(
                format!(
                    "HTTP/1.1 {status} {secret}\r\ncontent-type: {content_type}; x=\"{secret}\"\r\nx-echo: {secret}\r\n\
                     www-authenticate: Basic realm=\"{secret}\"\r\nlocation: https://{secret}@127.0.0.1/{secret}?{secret}#\
                     {secret}\r\nretry-after: {secret}\r\nset-cookie: {secret}={secret}\r\nserver: {secret}\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .into_bytes(),
            ));
        }
    }
    // No HTTP: errors of libraries like to quote what they cannot read.
    for broken in [
        text.clone(),
        format!("HTTP/1.1 {text}"),
        format!("HTTP/1.1 401 {text}\r\n\r\n{text}"),
        format!("HTTP/1.1 401 No\r\nx-echo: {text}\r\n\r\n"),
        format!("HTTP/1.1 401 No\r\n{text}: x\r\n\r\n"),
        format!("HTTP/1.1 401 No\r\ncontent-length: {secret}\r\n\r\n{text}"),
        format!("HTTP/1.1 401 No\r\ntransfer-encoding: chunked\r\n\r\n{text}"),
    ] {
        answers.push(Answer::Given(broken.into_bytes()));
    }
    answers
}

/// Every way in which a mail server could tell a password back.
fn mail_scripts(secret: &str) -> Vec<Vec<ServerAction>> {
    let line = format!("{secret}{}", HOSTILE.replace(['\r', '\n'], " "));
    let before_tls = [
        ServerAction::say("220 mail.example.com\r\n"),
        ServerAction::ReadLine,
        ServerAction::say("250-mail.example.com\r\n250 STARTTLS\r\n"),
        ServerAction::ReadLine,
    ];
    let inside_tls = [
        ServerAction::say("220 2.0.0 Go\r\n"),
        ServerAction::Tls(Certificate::Trusted),
        ServerAction::ReadLine,
        ServerAction::say("250-mail.example.com\r\n250 AUTH PLAIN LOGIN\r\n"),
        ServerAction::ReadLine,
    ];
    let login = [before_tls.as_slice(), &inside_tls].concat();
    let mut scripts = vec![
        vec![
            ServerAction::say(format!("220 {line}\r\n")),
            ServerAction::ReadLine,
            ServerAction::say(format!("550 {line}\r\n")),
        ],
        vec![ServerAction::say(format!("554 {line}\r\n"))],
        vec![ServerAction::say(format!("{line}\r\n"))],
        [&before_tls[..2], &[ServerAction::say(format!("250-{line}\r\n250 {line}\r\n"))]].concat(),
        [before_tls.as_slice(), &[ServerAction::say(format!("454 {line}\r\n"))]].concat(),
        [before_tls.as_slice(), &[ServerAction::say(format!("220 {line}\r\n{line}\r\n"))]].concat(),
        [login.as_slice(), &[ServerAction::Echo, ServerAction::Echo]].concat(),
        [
            login.as_slice(),
            &[
                ServerAction::say("535-"),
                ServerAction::Echo,
                ServerAction::say(format!("535 {line}\r\n")),
            ],
        ]
        .concat(),
        [
            login.as_slice(),
            &[
                ServerAction::say("334 "),
                ServerAction::Echo,
                ServerAction::ReadLine,
                ServerAction::say("535 "),
                ServerAction::Echo,
            ],
        ]
        .concat(),
    ];
    for code in [235, 334, 421, 432, 454, 500, 504, 530, 534, 535, 538, 550] {
        let reply = format!("{code}-5.7.8 {line}\r\n{code} 5.7.8 {line}\r\n");
        scripts.push([login.as_slice(), &[ServerAction::say(reply)]].concat());
    }
    scripts
}

/// Everything that came out, and the secrets that may not be in it.
#[derive(Default)]
struct Sinks {
    secrets: Secrets,
    searched: usize,
}

impl Sinks {
    fn of(canary: &str) -> Self {
        let mut sinks = Self::default();
        sinks.add(canary);
        sinks
    }

    fn add(&mut self, canary: &str) {
        self.secrets.add_canary("a canary", canary);
    }

    fn judge(&mut self, place: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        self.searched += 1;
        self.secrets.absent_from(place, &text).unwrap();
        assert!(!text.contains("FORGED"), "{place} holds what the provider says: {text}");
        let raw = text.chars().find(|letter| {
            let is_line_end = matches!(letter, '\n' | '\r');
            let turns_text = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            letter.is_control() && !is_line_end || turns_text
        });
        assert_eq!(raw, None, "{place}");
    }
}

/// A server and a command that ask at the stand, and what they are asked about.
struct Setup {
    stand: Stand,
    authority: Authority,
    providers: Vec<&'static dyn ProviderValidator>,
    folder: TempDir,
}

impl Setup {
    async fn new() -> Self {
        let stand = Stand::start().await;
        let authority = Authority::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        // The provider of these tests is not in the program.
        let providers: Vec<_> = Registry::collect(MANIFEST)
            .unwrap()
            .iter()
            .map(Entry::provider)
            .filter(|provider| provider.descriptor().name != "fake")
            .collect();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let mut more = "[egress]\nallow = [\"127.0.0.0/8\"]\nextra_ca = \"ca.pem\"\n".to_owned();
        for descriptor in providers.iter().map(|provider| provider.descriptor()) {
            writeln!(more, "[providers.{}]\ntimeout = \"5s\"", descriptor.name).unwrap();
            for base_url in descriptor.base_urls() {
                writeln!(more, "{} = \"http://{}\"", base_url.key, stand.address).unwrap();
            }
        }
        std::fs::write(folder.path().join("bonafide.toml"), config(&more)).unwrap();
        Self { stand, authority, providers, folder }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = bonafide(arguments);
        command.arg("--config").arg(self.folder.path().join("bonafide.toml"));
        command.env("RUST_LOG", "trace");
        command
    }

    fn validate(&self, body: &str, sinks: &mut Sinks) {
        for format in ["text", "json"] {
            let output = run(&mut self.command(&["validate", "--format", format]), body);
            sinks.judge("the standard output of `validate`", &output.stdout);
            sinks.judge("the standard error of `validate`", &output.stderr);
        }
    }

    /// Each of these bodies on a line of its own.
    fn batch(&self, bodies: &[String], sinks: &mut Sinks) {
        let lines: Vec<String> = bodies.iter().map(|body| body.replace('\n', " ")).collect();
        let output = run(&mut self.command(&["batch", "-"]), &lines.join("\n"));
        let reports = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        assert!(reports.count() * 2 > bodies.len(), "there are no reports");
        sinks.judge("the standard output of `batch`", &output.stdout);
        sinks.judge("the standard error of `batch`", &output.stderr);
    }
}

async fn ask(server: &Server, body: &str, sinks: &mut Sinks) {
    let request = format!(
        "POST {VALIDATE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = send_raw(server.address, &request).await;
    assert!(answer.starts_with(b"HTTP/1.1 "), "no answer");
    sinks.judge("an answer", &answer);
}

/// Valid settings with the canary in every secret field.
fn settings(provider: &dyn ProviderValidator, canary: &str) -> Map<String, Value> {
    let schema = provider.settings_schema().unwrap();
    let mut settings = valid_settings(provider).unwrap();
    for (field, _) in schema.fields().filter(|(_, field)| field["writeOnly"] == true) {
        settings.insert(field.to_owned(), canary.into());
    }
    settings
}

fn body(provider: &dyn ProviderValidator, settings: &Map<String, Value>) -> String {
    json!({"name": "x", "provider_id": provider.descriptor().id, "settings": settings}).to_string()
}

/// Requests with a secret where none belongs.
fn misplaced(provider: &dyn ProviderValidator, canary: &str) -> Vec<String> {
    let id = provider.descriptor().id;
    let right = body(provider, &settings(provider, canary));
    let request =
        |settings: Value| json!({"name": "x", "provider_id": id, "settings": settings}).to_string();
    let everywhere = |value: Value| {
        let mut settings = settings(provider, canary);
        settings.values_mut().for_each(|field| *field = value.clone());
        request(settings.into())
    };
    let padded: Vec<Value> = ["\n", " ", "\t", "\u{1b}[31m", "\u{202e}", "\0"]
        .iter()
        .map(|odd| format!("{canary}{odd}").into())
        .collect();
    let mut bodies = vec![
        json!({"name": canary, "provider_id": canary, "settings": canary, "status": canary})
            .to_string(),
        json!({canary: canary, "name": canary, "provider_id": id, "settings": {canary: canary}})
            .to_string(),
        everywhere(canary.into()),
        everywhere(json!([canary])),
        everywhere(json!({canary: canary})),
        json!(right).to_string(),
        json!([right]).to_string(),
        format!("{right}{canary}"),
        format!("{canary}{right}"),
        right.replace("\":\"", &format!("\":{canary}\"")),
        right.replace('{', &format!("{{\"{canary}\":")),
        right.replace("\"settings\"", "\"settings\":{},\"settings\""),
        canary.to_owned(),
    ];
    bodies.extend(padded.into_iter().map(everywhere));
    bodies
        .extend((1..8).map(|part| right.chars().take(right.chars().count() * part / 8).collect()));
    bodies
}

/// Requests whose head holds a secret where none belongs.
fn odd_heads(canary: &str) -> Vec<String> {
    let escaped: String = url::form_urlencoded::byte_serialize(canary.as_bytes()).collect();
    let of = |line: &str, headers: &str| {
        format!(
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: 2\r\n\r\n{{}}"
        )
    };
    let post = format!("POST {VALIDATE}");
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    vec![
        of(&post, &format!("authorization: Bearer {canary}\r\n")),
        of(&post, &format!("authorization: {canary}\r\n")),
        of(&post, &format!("{token}content-type: {canary}\r\n")),
        of(
            &post,
            &format!(
                "{token}x-trace-id: {canary}\r\ntraceparent: {canary}\r\ncookie: {canary}\r\n"
            ),
        ),
        of(&post, &format!("{token}{canary}: x\r\n")),
        of(&format!("{post}?key={escaped}"), &token),
        of(&format!("GET /{escaped}"), &token),
        of(&format!("GET /v1/hood/providers/{escaped}?type={escaped}"), &token),
        of(&format!("GET /v1/hood/providers/{escaped}/schema"), &token),
        of(&format!("GET /v1/hood/providers?type={escaped}&{escaped}"), &token),
        of(&format!("GET /{canary}"), &token),
        of(&format!("{canary} /"), &token),
        format!("{canary}\r\n\r\n"),
    ]
}

/// A canary on its way through one provider.
struct Flight<'a> {
    setup: &'a Setup,
    server: &'a Server,
    provider: &'static dyn ProviderValidator,
    canary: &'a str,
    /// The number of the round. `validate` is a process each time, so each round asks it about other answers.
    round: usize,
    sinks: Sinks,
}

impl Flight<'_> {
    async fn ask_everything(&mut self) {
        if self.provider.descriptor().has_user_supplied_host() {
            self.ask_at_mail_servers().await;
        } else {
            self.ask_at_the_stand().await;
        }
        let mut misplaced = misplaced(self.provider, self.canary);
        for (number, body) in misplaced.iter().enumerate() {
            self.ask(body, number % 13 == self.round % 13).await;
        }
        misplaced.push(body(self.provider, &settings(self.provider, self.canary)));
        self.setup.batch(&misplaced, &mut self.sinks);
        for request in odd_heads(self.canary) {
            self.sinks.judge("an answer", &send_raw(self.server.address, &request).await);
        }
    }

    async fn ask_at_the_stand(&mut self) {
        let body = body(self.provider, &settings(self.provider, self.canary));
        for (number, answer) in http_answers(self.canary).into_iter().enumerate() {
            self.setup.stand.answers(answer);
            self.ask(&body, number % 40 == self.round % 40).await;
        }
    }

    async fn ask_at_mail_servers(&mut self) {
        let mut settings = settings(self.provider, self.canary);
        for (number, script) in mail_scripts(self.canary).into_iter().enumerate() {
            let server = Faulty::trusted_by(&self.setup.authority, vec![script]).await;
            settings.insert("sending_domain".to_owned(), "127.0.0.1".into());
            settings.insert("port".to_owned(), server.address().port().to_string().into());
            self.ask(&body(self.provider, &settings), number % 7 == self.round % 7).await;
            assert!(server.connections() > 0, "the mail server was not asked");
        }
    }

    async fn ask(&mut self, body: &str, by_the_command_too: bool) {
        ask(self.server, body, &mut self.sinks).await;
        if by_the_command_too {
            self.setup.validate(body, &mut self.sinks);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figures of the docs")]
async fn no_part_of_a_secret_stands_in_any_sink_in_any_form() {
    let seconds = std::env::var_os("BONAFIDE_FUZZ_SECONDS")
        .map_or(0, |seconds| seconds.into_string().unwrap().parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    let setup = Setup::new().await;
    let mut server = Server::start(&mut setup.command(&["serve", "--listen", "127.0.0.1:0"]));
    let log = server.read_log();
    // The same canaries on each run.
    let mut runner = TestRunner::deterministic();
    let canaries = proptest::string::string_regex(CANARY).unwrap();
    let mut every = Sinks::default();
    let mut rounds = 0;
    while rounds < ROUNDS || Instant::now() < until {
        for provider in setup.providers.iter().copied() {
            let canary = canaries.new_tree(&mut runner).unwrap().current();
            every.add(&canary);
            let (setup, server) = (&setup, &server);
            let sinks = Sinks::of(&canary);
            let mut flight =
                Flight { setup, server, provider, canary: &canary, round: rounds, sinks };
            flight.ask_everything().await;
            every.searched += flight.sinks.searched;
        }
        rounds += 1;
    }
    let metrics = server.ask("GET", "/metrics", TOKEN, "").await;
    assert!(metrics.contains("\nbonafide_checks_total{"), "the metrics are not there: {metrics}");
    every.judge("the metrics", metrics.as_bytes());
    server.terminate();
    server.end();
    let log = log.join().unwrap();
    let answered = log.matches("Answered a request.").count();
    assert!(answered > rounds * 100 * setup.providers.len() / 2, "the log is not there");
    for line in log.lines() {
        assert!(
            serde_json::from_str::<Value>(line).is_ok(),
            "a line of the log is no JSON: {line}"
        );
    }
    every.judge("the log", log.as_bytes());
    println!(
        "canary: {} secrets in {} forms, {} sinks and a log of {} lines, nothing found",
        rounds * setup.providers.len(),
        Secrets::FORMS,
        every.searched,
        log.lines().count(),
    );
}
