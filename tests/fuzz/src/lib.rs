#![doc = include_str!("../README.md")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod configuration;
mod egress;
mod harness;
mod request;
mod smtp;

use std::fmt;
use std::time::Duration;

use bonafide_core::{Destination, Failure, Outcome, ProviderValidator, Verdict};
use bonafide_registry::{Entry, Registry};
use bonafide_testkit::{Secrets, texts_of, valid_settings};
use serde_json::{Map, Value};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// The package that depends on the providers.
const MANIFEST: &str = include_str!("../../../Cargo.toml");

/// A secret of which no six characters stand anywhere by chance.
const CANARY: &str = "k!Qm#Vx%Zt*Gw+Hy=Jn?Ur";

/// What would be a hang. Every check has a deadline of its own, which is far shorter.
const PATIENCE: Duration = Duration::from_mins(1);

/// One thing that takes bytes from strangers, started, and what must hold for it whatever the bytes are.
pub struct Target {
    runtime: Runtime,
    kind: Kind,
}

enum Kind {
    Answers(answers::Answers),
    Configuration,
    Egress(egress::Egress),
    Request(request::Requests),
    Smtp(smtp::MailServer),
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Target").finish_non_exhaustive()
    }
}

impl Target {
    /// The names of all targets: `configuration`, `egress`, `request`, `smtp`, and the name of each provider that is asked
    /// over HTTP.
    pub fn names() -> Vec<&'static str> {
        let providers = providers().into_iter().filter(|provider| is_built_in(*provider));
        let providers = providers.map(|provider| provider.descriptor().name);
        ["configuration", "egress", "request", "smtp"].into_iter().chain(providers).collect()
    }

    /// The target of this name, with its servers and environments.
    ///
    /// # Panics
    ///
    /// When there is none, or when nothing can listen on loopback.
    pub fn start(name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let kind = runtime.block_on(async {
            match name {
                "configuration" => Kind::Configuration,
                "egress" => Kind::Egress(egress::Egress::new()),
                "request" => Kind::Request(request::Requests::new().await),
                "smtp" => Kind::Smtp(smtp::MailServer::start(provider(name)).await),
                _ => Kind::Answers(answers::Answers::new(provider(name)).await),
            }
        });
        Self { runtime, kind }
    }

    /// Hands the bytes to what they are for, and says what did not hold.
    pub fn hold(&self, input: &[u8]) -> Result<(), String> {
        let held = async {
            match &self.kind {
                Kind::Answers(answers) => answers.hold(input).await,
                Kind::Configuration => configuration::hold(input).await,
                Kind::Egress(egress) => egress.hold(input).await,
                Kind::Request(requests) => requests.hold(input).await,
                Kind::Smtp(server) => server.hold(input).await,
            }
        };
        let held = async { timeout(PATIENCE, held).await };
        self.runtime.block_on(held).map_err(|_| "it hangs".to_owned())?
    }

    /// Inputs to begin with, that reach far.
    pub fn seeds(name: &str) -> Vec<Vec<u8>> {
        match name {
            "configuration" => configuration::seeds(),
            "egress" => egress::seeds(),
            "request" => request::seeds(),
            "smtp" => smtp::seeds(),
            _ => answers::seeds(provider(name)),
        }
    }
}

/// Every linked provider.
fn providers() -> Vec<&'static dyn ProviderValidator> {
    Registry::collect(MANIFEST).unwrap().iter().map(Entry::provider).collect()
}

fn provider(name: &str) -> &'static dyn ProviderValidator {
    providers().into_iter().find(|provider| provider.descriptor().name == name).unwrap()
}

fn is_built_in(provider: &dyn ProviderValidator) -> bool {
    matches!(provider.descriptor().destination, Destination::Fixed(_))
}

/// Settings that lead to a pass, with the canary in every secret field, and what must not come out.
fn settings_with_canary(provider: &dyn ProviderValidator) -> (Map<String, Value>, Secrets) {
    let schema = provider.settings_schema().unwrap();
    let mut settings = valid_settings(provider).unwrap();
    for (field, _) in schema.fields().filter(|(_, field)| field["writeOnly"] == true) {
        settings.insert(field.to_owned(), CANARY.into());
    }
    (settings, canary())
}

fn canary() -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add_canary("a canary", CANARY);
    secrets
}

/// What a check came to, where it did not panic, and nothing that comes out of it holds a secret or what would turn text
/// around.
fn judged(result: &Result<Outcome, Failure>, secrets: &Secrets) -> Result<Verdict, String> {
    for (place, text) in texts_of(result) {
        secrets.absent_from(place, &text)?;
    }
    match result {
        Ok(outcome) => {
            if outcome.data().is_some_and(holds_hostile_text) {
                return Err(format!("what turns text around comes out: {outcome:?}"));
            }
            Ok(Verdict::Valid)
        }
        Err(failure) => {
            let panicked = failure.note().is_some_and(|remark| remark.contains("panicked"));
            if panicked { Err("it panicked".to_owned()) } else { Ok(failure.cause().verdict()) }
        }
    }
}

fn holds_hostile_text(value: &Value) -> bool {
    let is_hostile = |text: &str| {
        text.chars().any(|letter| {
            letter.is_control()
                || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
    };
    match value {
        Value::String(text) => is_hostile(text),
        Value::Array(items) => items.iter().any(holds_hostile_text),
        Value::Object(members) => {
            members.iter().any(|(name, value)| is_hostile(name) || holds_hostile_text(value))
        }
        _ => false,
    }
}

fn lines(corpus: &str) -> impl Iterator<Item = &[u8]> {
    corpus.lines().map(str::as_bytes)
}
