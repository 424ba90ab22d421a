use std::time::Duration;

use bonafide_core::host::Environment;
use bonafide_core::interaction::Interaction;
use bonafide_core::{Cause, Failure, Outcome, ProviderValidator};
use bonafide_emulator::{AnsweredBy, Authority, Emulator};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::compare::{compare, describe};
use super::isolated::IsolatedReplay;
use super::user_supplied_host::host_field_of;
use super::{Findings, GRACE};
use crate::faults::{Fault, Group, Peer, smtp_group};
use crate::replay::{IMPATIENCE, PATIENCE, Way, address_of, block_on, check, is_built_in};
use crate::{Faulty, ProviderUnderTest, ServerAction};

/// How long to wait between two looks at something that is about to happen.
const A_MOMENT: Duration = Duration::from_millis(1);

/// A check that is dropped in mid-request leaves nothing behind: no open connection, no task, and nothing that stands in
/// the way of the next check.
///
/// A server holds its answer at each step of each documented dialogue, and the check is dropped there. Of mail servers it is
/// each stage of each dialogue that leads to a pass.
pub fn a_check_that_is_dropped_leaves_nothing_behind(
    subject: &ProviderUnderTest<'_>,
) -> Result<(), String> {
    let validator = subject.validator();
    let interactions = &subject.isolated()?.interactions;
    for replayed in interactions.iter().filter(|replayed| replayed.verdict.is_ok()) {
        let places =
            if is_built_in(validator) { steps(replayed) } else { stages(&replayed.interaction) };
        for (place, what) in places {
            // In a runtime of its own, where no task of another check ends meanwhile.
            let left = block_on(async {
                Held::at(validator, &replayed.interaction, place).await?.drop_the_check().await
            });
            // What is left behind once is left behind everywhere, and it takes its time to be sure.
            left.map_err(|finding| {
                format!("interaction `{}`, {what}: {finding}", replayed.interaction.name)
            })?;
        }
    }
    Ok(())
}

/// Where an answer is held back.
enum Place {
    /// After so many requests to this base URL.
    Request { key: &'static str, before: usize },
    /// After this part of a mail server's dialogue.
    Stage(Vec<ServerAction>),
}

/// Each step of a dialogue, at the first request that it answered.
fn steps(replayed: &IsolatedReplay) -> Vec<(Place, String)> {
    let requests = &replayed.requests;
    let place = |step: usize| {
        let is_this = |by: &AnsweredBy| by.step == step;
        let first =
            requests.iter().position(|one| one.answered_by.as_ref().is_some_and(is_this))?;
        let key = requests.get(first)?.base_url;
        let before = requests.iter().take(first).filter(|one| one.base_url == key).count();
        Some((Place::Request { key, before }, format!("step {}", step + 1)))
    };
    (0..replayed.interaction.steps.len()).filter_map(place).collect()
}

/// Each stage at which a mail server can fall silent, where the dialogue leads to a pass.
fn stages(interaction: &Interaction) -> Vec<(Place, String)> {
    if interaction.expected.cause.is_some() || interaction.smtp.is_none() {
        return Vec::new();
    }
    let inside_tls = interaction.settings.get("port").and_then(Value::as_str) == Some("465");
    let place = |fault: Fault| {
        let Peer::Scripted(scripts) = &fault.peer else { return None };
        let (silence, before) = scripts.first()?.split_last()?;
        let stops = *silence == ServerAction::Hang && fault.tls == inside_tls;
        stops.then(|| (Place::Stage(before.to_vec()), format!("where the server {}", fault.what)))
    };
    smtp_group(Group::Silence).into_iter().filter_map(place).collect()
}

/// A provider that holds one answer back, and gives all the others.
struct Held<'a> {
    validator: &'static dyn ProviderValidator,
    interaction: &'a Interaction,
    environment: Environment,
    emulator: Emulator,
    /// Where the answer is held back.
    holding: Faulty,
    _others: Vec<Faulty>,
}

impl<'a> Held<'a> {
    async fn at(
        validator: &'static dyn ProviderValidator,
        interaction: &'a Interaction,
        place: Place,
    ) -> Result<Self, String> {
        match place {
            Place::Request { key, before } => {
                Self::at_request(validator, interaction, key, before).await
            }
            Place::Stage(before) => Self::at_stage(validator, interaction, &before).await,
        }
    }

    /// Holds the answer to the request after so many to this base URL.
    async fn at_request(
        validator: &'static dyn ProviderValidator,
        interaction: &'a Interaction,
        key: &str,
        before: usize,
    ) -> Result<Self, String> {
        let authority = Authority::new().map_err(|error| error.to_string())?;
        let emulator = emulator_of(validator, interaction, &authority).await?;
        let (mut holding, mut others, mut base_urls) = (None, Vec::new(), Vec::new());
        for (base_url, url) in validator.descriptor().base_urls().iter().zip(emulator.base_urls()) {
            let passes = vec![ServerAction::Read, ServerAction::Pass(address_of(url)?)];
            let mut scripts = vec![passes.clone()];
            if base_url.key == key {
                scripts = vec![passes.clone(); before];
                scripts.push(vec![ServerAction::Read, ServerAction::HoldUntilGone]);
                scripts.push(passes);
            }
            let server = Faulty::in_turn(scripts).await;
            base_urls.push(server.url());
            if base_url.key == key {
                holding = Some(server);
            } else {
                others.push(server);
            }
        }
        let holding = holding.ok_or("the descriptor has no such base URL")?;
        let times_out =
            interaction.expected.cause.as_deref() == Some(Cause::ProviderTimeout.code());
        let timeout = if times_out { IMPATIENCE } else { PATIENCE };
        let environment =
            Way { base_urls, route: None, timeout, extra_ca: "" }.environment(validator)?;
        Ok(Self { validator, interaction, environment, emulator, holding, _others: others })
    }

    /// Runs this on the first connection, holds what would follow, and replays the interaction on all later ones.
    async fn at_stage(
        validator: &'static dyn ProviderValidator,
        interaction: &'a Interaction,
        before: &[ServerAction],
    ) -> Result<Self, String> {
        let authority = Authority::new().map_err(|error| error.to_string())?;
        let emulator = emulator_of(validator, interaction, &authority).await?;
        let text = |field| interaction.settings.get(field).and_then(Value::as_str);
        let port = text("port").and_then(|port| port.parse().ok()).unwrap_or_default();
        let host = text(host_field_of(&interaction.settings)?).unwrap_or_default();
        let route = emulator.route().ok_or("the emulator has no mail servers")?;
        let held = [before, &[ServerAction::HoldUntilGone]].concat();
        let documented = vec![ServerAction::Forward(route(host, port))];
        let holding = Faulty::trusted_by(&authority, vec![held, documented]).await;
        let route = Some(holding.address());
        let way =
            Way { base_urls: Vec::new(), route, timeout: PATIENCE, extra_ca: authority.pem() };
        let environment = way.environment(validator)?;
        Ok(Self { validator, interaction, environment, emulator, holding, _others: Vec::new() })
    }

    /// Begins a check, drops it when the answer is held back, and looks at what is left.
    async fn drop_the_check(&self) -> Result<(), String> {
        let alive = || Handle::current().metrics().num_alive_tasks();
        let before = alive();
        let mut checking = Box::pin(self.check());
        tokio::select! {
            result = &mut checking => {
                return Err(format!(
                    "the check says {} before it has the answer: ask for nothing whose answer does not count",
                    describe(&result)
                ));
            }
            () = when(|| self.holding.held() == 1) => {}
        }
        drop(checking);
        let mut findings = Findings::default();
        findings.require(happens(|| self.holding.gone() == 1).await, || {
            "the check is dropped, and its connection stays open: keep no connection outside of the check's own future"
                .to_owned()
        });
        findings.require(happens(|| alive() <= before).await, || {
            format!(
                "the check is dropped, and {} of its tasks go on: spawn none, and wait for several things at once with \
                 `join!`",
                alive().saturating_sub(before)
            )
        });
        let result = self.check().await;
        let compared = compare(self.interaction, &result, &self.emulator);
        findings.absorb(compared.map_err(|finding| {
            format!("after a check that was dropped, the next one goes wrong: {finding}: keep nothing between checks")
        }));
        findings.into_result()
    }

    async fn check(&self) -> Result<Outcome, Failure> {
        let settings = Value::Object(self.interaction.settings.clone());
        check(self.validator, &self.environment, settings).await
    }
}

async fn emulator_of(
    validator: &dyn ProviderValidator,
    interaction: &Interaction,
    authority: &Authority,
) -> Result<Emulator, String> {
    let interactions = vec![interaction.clone()];
    Emulator::of_interactions(validator.descriptor(), interactions, authority)
        .await
        .map_err(|error| error.to_string())
}

/// Ends when this holds.
async fn when(holds: impl Fn() -> bool) {
    while !holds() {
        sleep(A_MOMENT).await;
    }
}

/// Whether this holds soon.
async fn happens(holds: impl Fn() -> bool) -> bool {
    timeout(GRACE, when(holds)).await.is_ok()
}
