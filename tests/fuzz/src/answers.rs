//! What a provider answers. An input is a list of answers, with a record separator in between; each is a byte for its
//! status, a byte for its headers, and its body, in which a substitute stands for the secret that was sent.

mod oracle;

use std::time::Duration;

use bonafide_core::egress::Policy;
use bonafide_core::host::{Environment, ProviderConfig};
use bonafide_core::{ProviderValidator, Verdict};
use bonafide_testkit::{Secrets, check, interactions};
use serde_json::{Map, Value};
use url::Url;

use crate::harness::Harness;
use crate::{CANARY, judged, lines, settings_with_canary};

const SEPARATOR: u8 = 0x1e;
const SUBSTITUTE: u8 = 0x1a;

/// The first is `A` in an input, the second `B`.
const STATUSES: [u16; 26] = [
    200, 201, 202, 204, 302, 304, 400, 401, 402, 403, 404, 405, 406, 408, 409, 422, 425, 429, 451,
    499, 500, 501, 502, 503, 504, 599,
];

const HEADERS: [&str; 12] = [
    "content-type: application/json\r\n",
    "content-type: application/json; charset=utf-8\r\n",
    "content-type: text/html\r\n",
    "content-type: application/problem+json\r\n",
    "",
    "content-type: application/json\r\nretry-after: 9\r\n",
    "content-type: application/json\r\nretry-after: Wed, 21 Oct 2099 07:28:00 GMT\r\n",
    "content-type: application/json\r\nretry-after: 99999999999999999999\r\n",
    "content-type: application/json\r\nx-ratelimit-reset: 99999999999\r\n",
    "content-type: application/json\r\nx-ratelimit-reset: 30\r\n",
    "content-type: application/json\r\ncontent-encoding: gzip\r\n",
    "content-type: application/json\r\nlocation: http://127.0.0.1:1/\r\n",
];

pub(crate) struct Answers {
    provider: &'static dyn ProviderValidator,
    environment: Environment,
    harness: Harness,
    settings: Map<String, Value>,
    secrets: Secrets,
}

struct Answer {
    status: u16,
    headers: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn read(input: &[u8]) -> Self {
        let pick = |place: usize, length: usize| {
            let letter = input.get(place).copied().unwrap_or(b'A');
            usize::from(letter.wrapping_sub(b'A')) % length
        };
        let body = input.get(2..).unwrap_or_default().split(|byte| *byte == SUBSTITUTE);
        let body = body.collect::<Vec<_>>().join(CANARY.as_bytes());
        let status = STATUSES[pick(0, STATUSES.len())];
        Self { status, headers: HEADERS[pick(1, HEADERS.len())], body }
    }

    fn written(&self) -> Vec<u8> {
        let Self { status, headers, body } = self;
        // Without it these are asked for again after a pause, and a pause finds nothing.
        let later = if matches!(status, 502..=504) { "retry-after: 9\r\n" } else { "" };
        if matches!(status, 204 | 304) {
            return format!("HTTP/1.1 {status} x\r\n{headers}\r\n").into_bytes();
        }
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} x\r\n{later}{headers}content-length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    }
}

impl Answers {
    pub(crate) async fn new(provider: &'static dyn ProviderValidator) -> Self {
        let harness = Harness::start().await;
        let descriptor = provider.descriptor();
        let mut config = ProviderConfig::of(descriptor).unwrap();
        config.timeout = Duration::from_secs(20);
        let url = Url::parse(&format!("http://{}", harness.address)).unwrap();
        config.base_urls.iter_mut().for_each(|base_url| *base_url = url.clone().into());
        let policy = Policy::new(vec![harness.address.ip().into()], Vec::new());
        let environment = Environment::builder()
            .with_policy(policy)
            .with_provider(descriptor, config)
            .build()
            .unwrap();
        let (settings, secrets) = settings_with_canary(provider);
        Self { provider, environment, harness, settings, secrets }
    }

    pub(crate) async fn hold(&self, input: &[u8]) -> Result<(), String> {
        let answers: Vec<Answer> =
            input.split(|byte| *byte == SEPARATOR).map(Answer::read).collect();
        self.harness.answers(answers.iter().map(Answer::written).collect());
        let settings = Value::Object(self.settings.clone());
        let result = check(self.provider, &self.environment, settings).await;
        let verdict = judged(&result, &self.secrets)?;
        let name = self.provider.descriptor().name;
        let served = self.harness.served().min(answers.len());
        let served = answers.get(..served).unwrap_or_default();
        let (Some(first), Some(last)) = (served.first(), served.last()) else {
            return Err(format!("nobody was asked: {result:?}"));
        };
        let holds = match verdict {
            Verdict::Valid => {
                !first.decides_nothing(name) && served.iter().any(|answer| answer.accepts(name))
            }
            Verdict::Rejected => {
                !first.decides_nothing(name)
                    && !last.decides_nothing(name)
                    && served.iter().any(|answer| answer.refuses(name))
            }
            Verdict::Inconclusive => true,
        };
        let statuses: Vec<u16> = served.iter().map(|answer| answer.status).collect();
        if holds { Ok(()) } else { Err(format!("{statuses:?} led to {result:?}")) }
    }
}

/// The documented dialogues of the provider, each with every status at its end, for a status shows in no coverage; and
/// bodies that parsers stumble over.
pub(crate) fn seeds(provider: &dyn ProviderValidator) -> Vec<Vec<u8>> {
    let letters = || STATUSES.iter().zip(b'A'..);
    let letter = |status: u16| letters().find(|known| *known.0 == status).unwrap().1;
    let mut seeds = Vec::new();
    for interaction in interactions(provider).unwrap() {
        let (mut seed, mut last) = (Vec::new(), 0);
        for step in interaction.steps {
            if !seed.is_empty() {
                seed.push(SEPARATOR);
            }
            last = seed.len();
            let body = step.response.body.map(|body| body.to_string()).or(step.response.text);
            seed.extend([letter(step.response.status), b'A']);
            seed.extend(body.unwrap_or_default().into_bytes());
        }
        for (_, letter) in letters() {
            if let Some(status) = seed.get_mut(last) {
                *status = letter;
                seeds.push(seed.clone());
            }
        }
    }
    for body in lines(include_str!("../corpus/answers.txt")) {
        seeds.extend([200, 401].map(|status| [&[letter(status), b'A'], body].concat()));
    }
    seeds
}
