//! One check, somewhere.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bonafide_core::egress::{MAIL_PORTS, Policy};
use bonafide_core::host::{Environment, ProviderConfig, SettingsSchema, SubmittedSettings};
use bonafide_core::interaction::{Expected, Interaction};
use bonafide_core::{Cause, Destination, Failure, Outcome, ProviderValidator};
use bonafide_emulator::{Authority, Emulator, Sandbox};
use serde::Deserialize as _;
use serde_json::{Map, Value};
use tokio::net::TcpSocket;
use url::Url;
use uuid::Uuid;

/// Long enough for a busy machine; nothing waits for it that goes well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The timeout of what is meant to run into it.
pub(crate) const IMPATIENCE: Duration = Duration::from_millis(300);

/// Runs a future to its end on this thread, so that [`Logs`](crate::Logs) sees all of it.
///
/// # Panics
///
/// When there is no runtime to be had, or when the future panics.
#[expect(clippy::expect_used, reason = "a test without a runtime cannot go on")]
pub fn block_on<F: Future>(future: F) -> F::Output {
    crate::logs::listen();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime for the test").block_on(future)
}

/// Runs a whole check: the settings are checked, and the provider is asked when nothing is wrong with them.
pub async fn check(
    validator: &dyn ProviderValidator,
    environment: &Environment,
    settings: Value,
) -> Result<Outcome, Failure> {
    let schema = schema_of(validator)
        .map_err(|_| Failure::internal("the settings schema of a test must compile"))?;
    check_with(validator, &schema, environment, settings).await
}

/// As [`check`], with a schema that is compiled already.
pub(crate) async fn check_with(
    validator: &dyn ProviderValidator,
    schema: &SettingsSchema,
    environment: &Environment,
    settings: Value,
) -> Result<Outcome, Failure> {
    let context = environment.context(validator.descriptor(), Uuid::new_v4());
    let settings = SubmittedSettings::deserialize(settings)
        .map_err(|_| Failure::internal("the settings of a test must be an object"))?;
    let settings = validator.check_settings(schema, settings)?;
    validator.validate_settings(&context, settings).await
}

/// The compiled settings schema of a provider.
pub fn schema_of(validator: &dyn ProviderValidator) -> Result<SettingsSchema, String> {
    validator.settings_schema().map_err(|error| error.to_string())
}

/// The documented interactions of a provider.
pub fn interactions(validator: &dyn ProviderValidator) -> Result<Vec<Interaction>, String> {
    bonafide_core::interaction::parse(validator.descriptor().interactions)
        .map_err(|error| error.to_string())
}

/// The documented interaction of this name.
pub fn interaction(validator: &dyn ProviderValidator, name: &str) -> Result<Interaction, String> {
    interactions(validator)?
        .into_iter()
        .find(|interaction| interaction.name == name)
        .ok_or_else(|| format!("no interaction of the provider is called `{name}`"))
}

/// Settings that lead to a pass: those of the first interaction that does.
pub fn valid_settings(validator: &dyn ProviderValidator) -> Result<Map<String, Value>, String> {
    first_valid(validator).map(|interaction| interaction.settings)
}

pub(crate) fn first_valid(validator: &dyn ProviderValidator) -> Result<Interaction, String> {
    if interactions(validator)?.is_empty() {
        return Err(
            "the descriptor has no interactions: add `.with_interactions(include_str!(\"../interactions.json\"))`".to_owned(),
        );
    }
    interactions(validator)?
        .into_iter()
        .find(|interaction| interaction.expected.cause.is_none() && is_replayed(interaction))
        .ok_or_else(|| {
            "no interaction leads to a pass: document what the provider answers to credentials that work, with \
             `\"expected\": {}`"
                .to_owned()
        })
}

/// Whether the provider has hosts of its own.
pub(crate) fn is_built_in(validator: &dyn ProviderValidator) -> bool {
    matches!(validator.descriptor().destination, Destination::Fixed(_))
}

/// The pointer of a settings field.
pub(crate) fn settings_pointer(field: &str) -> String {
    format!("/settings/{field}")
}

/// Whether anybody is asked at all.
pub(crate) fn is_replayed(interaction: &Interaction) -> bool {
    !interaction.steps.is_empty() || interaction.smtp.is_some()
}

/// An environment that leads a provider to one server on loopback, all its base URLs and every host that settings name.
///
/// The check may take 300 milliseconds there, so that a server that never answers does not hold up the test.
pub fn environment_at(
    validator: &dyn ProviderValidator,
    address: SocketAddr,
) -> Result<Environment, String> {
    let url = Url::parse(&format!("http://{address}")).map_err(|error| error.to_string())?;
    let base_urls = vec![url; validator.descriptor().base_urls().len()];
    Way { base_urls, route: Some(address), timeout: IMPATIENCE, extra_ca: "" }
        .environment(validator)
}

/// The address of a server on loopback.
pub(crate) fn address_of(url: &Url) -> Result<SocketAddr, String> {
    let addresses = url.socket_addrs(|| None).map_err(|error| error.to_string())?;
    addresses.into_iter().next().ok_or_else(|| "the server has no address".to_owned())
}

/// An address that refuses connections. It is kept, so that no server of another test is given it meanwhile.
pub(crate) struct ClosedPort {
    pub(crate) address: SocketAddr,
    _reserved: TcpSocket,
}

impl ClosedPort {
    /// Must be called inside of a runtime.
    pub(crate) fn new() -> Result<Self, String> {
        let error = |error: std::io::Error| error.to_string();
        let reserved = TcpSocket::new_v4().map_err(error)?;
        reserved.bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(error)?;
        let address = reserved.local_addr().map_err(error)?;
        Ok(Self { address, _reserved: reserved })
    }
}

/// Where checks are led to, and how long they may take.
pub(crate) struct Way<'a> {
    /// The base URLs, one for each of the descriptor.
    pub(crate) base_urls: Vec<Url>,
    /// Where every host is that the settings name; none where the name itself is looked up.
    pub(crate) route: Option<SocketAddr>,
    pub(crate) timeout: Duration,
    pub(crate) extra_ca: &'a str,
}

impl Way<'_> {
    pub(crate) fn environment(
        self,
        validator: &dyn ProviderValidator,
    ) -> Result<Environment, String> {
        let descriptor = validator.descriptor();
        let mut config = ProviderConfig::of(descriptor).map_err(|error| error.to_string())?;
        config.timeout = self.timeout;
        config.base_urls = self.base_urls.into_iter().map(Into::into).collect();
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST).into();
        let mut builder = Environment::builder()
            .with_policy(Policy::new(vec![loopback], MAIL_PORTS.to_vec()))
            .with_extra_ca(self.extra_ca.as_bytes().to_vec())
            .with_provider(descriptor, config);
        if let Some(address) = self.route {
            builder = builder.with_route(Arc::new(move |_, _| address));
        }
        builder.build().map_err(|error| error.to_string())
    }
}

/// An interaction after it was replayed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Replayed {
    /// What the check concluded.
    pub result: Result<Outcome, Failure>,
    /// The emulator, which knows what it was asked.
    pub emulator: Emulator,
}

/// Replays one interaction alone: an emulator that knows no other, and a check of its settings there.
pub async fn replay(
    validator: &dyn ProviderValidator,
    interaction: &Interaction,
) -> Result<Replayed, String> {
    let authority = Authority::new().map_err(|error| error.to_string())?;
    let emulator =
        Emulator::of_interactions(validator.descriptor(), vec![interaction.clone()], &authority)
            .await
            .map_err(|error| error.to_string())?;
    let mut replayed =
        replay_at(validator, authority, emulator, std::slice::from_ref(interaction)).await?;
    let result = replayed.results.pop().ok_or("nothing was replayed")?;
    Ok(Replayed { result, emulator: replayed.emulator })
}

pub(crate) struct ReplayedAll {
    pub(crate) results: Vec<Result<Outcome, Failure>>,
    pub(crate) emulator: Emulator,
}

/// Checks the settings of these interactions, one after the other, at one emulator.
pub(crate) async fn replay_at(
    validator: &dyn ProviderValidator,
    authority: Authority,
    emulator: Emulator,
    interactions: &[Interaction],
) -> Result<ReplayedAll, String> {
    let sandbox = Sandbox::of(authority, vec![emulator]);
    let environment = |timeout| {
        let builder = sandbox.environment_with(|_, config| config.timeout = timeout);
        let builder = builder.map_err(|error| error.to_string())?;
        builder.build().map_err(|error| error.to_string())
    };
    let (patient, impatient) = (environment(PATIENCE)?, environment(IMPATIENCE * 2)?);
    let mut results = Vec::new();
    for interaction in interactions {
        let times_out =
            interaction.expected.cause.as_deref() == Some(Cause::ProviderTimeout.code());
        let environment = if times_out { &impatient } else { &patient };
        let settings = Value::Object(interaction.settings.clone());
        results.push(check(validator, environment, settings).await);
    }
    let emulator = sandbox.into_emulators().pop().ok_or("no emulator is left")?;
    Ok(ReplayedAll { results, emulator })
}

/// What a check observed, in the form in which interactions document it.
pub fn observed(result: &Result<Outcome, Failure>) -> Expected {
    match result {
        Ok(outcome) => Expected {
            data: outcome.data().cloned(),
            warnings: outcome
                .warnings()
                .iter()
                .map(|warning| warning.code().code().to_owned())
                .collect(),
            ..Expected::default()
        },
        Err(failure) => Expected {
            cause: Some(failure.cause().code().to_owned()),
            pointer: failure
                .problems()
                .first()
                .and_then(|problem| problem.pointer())
                .map(str::to_owned),
            retry_after: failure.retry_after().map(|wait| wait.as_secs()),
            ..Expected::default()
        },
    }
}
