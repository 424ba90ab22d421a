//! Input of any kind, made from a corpus by changes at random: nothing panics, nothing hangs, and no failure of a provider
//! turns into a rejection.
//!
//! `PROPTEST_CASES=100000 cargo test --test it fuzz` goes on for longer.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body;
use bonafide_core::egress::Policy;
use bonafide_core::{
    Descriptor, Destination, Environment, Failure, Outcome, ProviderConfig, ProviderValidator,
    Verdict,
};
use bonafide_registry::Registry;
use bonafide_testkit::emulator::{Authority, Certificate};
use bonafide_testkit::{Act, Faulty, Secrets, check, exchanges, valid_settings};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;
use tokio::runtime::Runtime;
use url::Url;

use crate::canary::{Answer, Stand};
use crate::support::{MANIFEST, api, config, validate};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// What parsers stumble over.
const MORSELS: [&[u8]; 24] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"null",
    b"-0",
    b"1e999",
    b"\\ud800",
    b"\\u0000",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n\n",
    b" ",
    b"=",
    b"..",
    b"%2e",
    b"\xe2\x80\xae",
    b"99999999999999999999",
];

#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Cut(Index, usize),
    Insert(Index, &'static [u8]),
    Repeat(Index, usize, usize),
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        (place(), 1..=255_u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (place(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (place(), select(&MORSELS[..])).prop_map(|(at, morsel)| Change::Insert(at, morsel)),
        (place(), 1..20_usize, 1..200_usize)
            .prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        (place(), place(), place()).prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

/// A seed after a few changes.
fn changed(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec(change(), 0..6);
    (any::<Index>(), changes).prop_map(move |(seed, changes)| {
        let mut bytes = seed.get(&seeds).clone();
        for change in changes {
            apply(&change, &mut bytes, &seeds);
        }
        bytes
    })
}

fn apply(change: &Change, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let within = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
    match change {
        Change::Flip(at, bits) => {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
        }
        Change::Cut(at, length) => {
            let at = within(at, bytes);
            bytes.drain(at..bytes.len().min(at + length));
        }
        Change::Insert(at, morsel) => {
            let at = within(at, bytes);
            bytes.splice(at..at, morsel.iter().copied());
        }
        Change::Repeat(at, length, times) => {
            let at = within(at, bytes);
            let part = bytes[at..bytes.len().min(at + length)].repeat(*times);
            bytes.splice(at..at, part);
        }
        Change::Splice(at, other, from) => {
            let other = other.get(seeds);
            bytes.truncate(within(at, bytes));
            bytes.extend_from_slice(&other[within(from, other)..]);
        }
    }
}

fn lines(corpus: &str) -> Vec<Vec<u8>> {
    corpus.lines().map(|line| line.as_bytes().to_vec()).collect()
}

/// The example requests of the docs, but for those that name a host, which would be looked up.
fn requests() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let examples = paths
        .into_iter()
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with("smtp"))
        .map(|path| std::fs::read(path).unwrap());
    lines(include_str!("corpus/requests.txt")).into_iter().chain(examples).collect()
}

/// Every linked provider that is asked over HTTP, without the one of these tests.
static PROVIDERS: LazyLock<Vec<&'static dyn ProviderValidator>> = LazyLock::new(|| {
    let registry = Registry::collect(MANIFEST).unwrap();
    registry.iter().filter(|provider| provider.descriptor().name != "fake").collect()
});

fn is_built_in(descriptor: &Descriptor) -> bool {
    matches!(descriptor.destination, Destination::BuiltIn(_))
}

fn answers() -> Vec<Vec<u8>> {
    let documented = PROVIDERS.iter().flat_map(|provider| exchanges(*provider).unwrap());
    let bodies = documented.flat_map(|exchange| exchange.dialogue).filter_map(|step| {
        let body = step.answer.body.map(|body| body.to_string());
        body.or(step.answer.text).map(String::into_bytes)
    });
    lines(include_str!("corpus/answers.txt")).into_iter().chain(bodies).collect()
}

/// An environment that leads a provider to one server of this machine.
fn environment(
    provider: &dyn ProviderValidator,
    address: SocketAddr,
    authority: Option<&Authority>,
) -> Environment {
    let descriptor = provider.descriptor();
    let mut config = ProviderConfig::of(descriptor).unwrap();
    config.timeout = Duration::from_secs(5);
    let url = Url::parse(&format!("http://{address}")).unwrap();
    config.base_urls.iter_mut().for_each(|base_url| *base_url = url.clone());
    Environment::builder()
        .policy(Policy::new(vec![address.ip().into()], Vec::new()))
        .extra_ca(
            authority.map(|authority| authority.pem().as_bytes().to_vec()).unwrap_or_default(),
        )
        .provider(descriptor, config)
        .route(Arc::new(move |_, _| address))
        .build()
        .unwrap()
}

/// What a check came to, without a panic.
fn judged(result: &Result<Outcome, Failure>) -> Result<Verdict, TestCaseError> {
    match result {
        Ok(_) => Ok(Verdict::Valid),
        Err(failure) => {
            let panicked = failure.remark().is_some_and(|remark| remark.contains("panicked"));
            prop_assert!(!panicked, "{:?}", failure);
            Ok(failure.cause().verdict())
        }
    }
}

static STAND: LazyLock<Stand> = LazyLock::new(|| RUNTIME.block_on(Stand::start()));

/// The providers, each with an environment that is kept, for making one takes longer than a check.
static AT_STAND: LazyLock<Vec<(&'static dyn ProviderValidator, Environment)>> =
    LazyLock::new(|| {
        let built_in =
            PROVIDERS.iter().copied().filter(|provider| is_built_in(provider.descriptor()));
        built_in.map(|provider| (provider, environment(provider, STAND.address, None))).collect()
    });

static ROUTER: LazyLock<axum::Router> = LazyLock::new(|| {
    // Nobody listens on port 1 of this machine.
    let mut more = "[egress]\nallow = [\"127.0.0.0/8\"]\n".to_owned();
    for descriptor in PROVIDERS.iter().map(|provider| provider.descriptor()) {
        more.extend([format!("[providers.{}]\ntimeout = \"2s\"\n", descriptor.name)]);
        more.extend(
            descriptor
                .base_urls()
                .iter()
                .map(|url| format!("{} = \"http://127.0.0.1:1\"\n", url.key)),
        );
    }
    RUNTIME.block_on(api(&more))
});

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new().unwrap());

proptest! {
    #[test]
    fn any_request_is_answered(body in changed(requests())) {
        let answer = RUNTIME.block_on(validate(&ROUTER, Body::from(body.clone())));
        let status = answer.status.as_u16();
        if status == 413 {
            return Ok(());
        }
        // Nobody answers for the providers, so nothing can pass.
        prop_assert!(status == 400 || status == 500, "{}", status);
        let error = answer.error(status);
        let codes: Vec<&Value> = error["errors"].as_array().unwrap().iter().map(|error| &error["code"]).collect();
        prop_assert!(!codes.is_empty());
        if status == 500 {
            prop_assert_eq!(codes, ["provider_unavailable"]);
        }
    }

    #[test]
    fn any_answer_of_a_provider_is_judged(
        body in changed(answers()), status in select(vec![200, 201, 204, 302, 400, 401, 403, 404, 408, 425, 429, 500, 502, 503]),
        provider in any::<Index>(), content_type in select(vec!["application/json", "text/html", "application/problem+json", ""]),
    ) {
        let (provider, environment) = provider.get(&AT_STAND);
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: {content_type}\r\nretry-after: 9\r\nconnection: close\r\n\r\n"
        );
        STAND.answers(Answer::Given([head.as_bytes(), &body].concat()));
        let settings = valid_settings(*provider).unwrap();
        let secrets = Secrets::of(*provider, &settings).unwrap();
        let result = RUNTIME.block_on(check(*provider, environment, Value::Object(settings)));
        let verdict = judged(&result)?;
        // Mandrill says with a 500 what others say with a 401.
        let is_outage = status == 408 || status == 425 || status == 429
            || status >= 500 && provider.descriptor().name != "mandrill";
        if is_outage || status == 302 {
            prop_assert_eq!(verdict, Verdict::Inconclusive, "{}: {:?}", status, result);
        }
        secrets.absent_from("the result", &format!("{result:?}")).unwrap();
    }

    #[test]
    fn any_reply_of_a_mail_server_is_judged(
        reply in changed(lines(include_str!("corpus/replies.txt"))), line_end in select(vec!["\r\n", "\n", "\r", ""]),
        stage in 0..6_usize,
    ) {
        let mut script = vec![
            Act::say("220 mail.example.com\r\n"),
            Act::ReadLine,
            Act::say("250-mail.example.com\r\n250 STARTTLS\r\n"),
            Act::ReadLine,
            Act::say("220 2.0.0 Go\r\n"),
            Act::Tls(Certificate::Trusted),
            Act::ReadLine,
            Act::say("250-mail.example.com\r\n250 AUTH PLAIN LOGIN\r\n"),
            Act::ReadLine,
            Act::say("334 \r\n"),
            Act::ReadLine,
        ];
        let place = [0, 2, 4, 7, 9, 11][stage];
        script.truncate(place);
        script.push(Act::Say([reply.as_slice(), line_end.as_bytes()].concat()));
        let smtp = PROVIDERS.iter().copied().find(|provider| !is_built_in(provider.descriptor())).unwrap();
        let mut settings = valid_settings(smtp).unwrap();
        settings.insert("port".to_owned(), "587".into());
        let result = RUNTIME.block_on(async {
            let server = Faulty::trusted_by(&AUTHORITY, vec![script]).await;
            let environment = environment(smtp, server.address(), Some(&AUTHORITY));
            check(smtp, &environment, Value::Object(settings)).await
        });
        let verdict = judged(&result)?;
        let accepts = reply.windows(3).any(|code| code == b"235") && stage >= 4;
        prop_assert!(verdict != Verdict::Valid || accepts, "{:?}", result);
    }

    #[test]
    fn any_configuration_is_read_or_refused(
        text in changed([lines(include_str!("corpus/configurations.txt")), vec![config("").into_bytes()]].concat()),
    ) {
        let text = String::from_utf8_lossy(&text).into_owned();
        // A store is connected to, which is not what is tested here.
        prop_assume!(!text.contains("redis"));
        if let Err(error) = RUNTIME.block_on(bonafide::router(MANIFEST, &text)) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
