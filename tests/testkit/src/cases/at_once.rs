use std::collections::BTreeSet;
use std::fs;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bonafide_core::host::{Environment, SettingsSchema};
use bonafide_core::interaction::Expected;
use bonafide_core::{Failure, Outcome, ProviderValidator, Verdict};
use bonafide_emulator::{Authority, Emulator, Sandbox};
use futures_util::future::join_all;
use serde_json::{Map, Value};
use tokio::task::yield_now;

use super::Findings;
use super::compare::{describe, show};
use super::isolated::IsolatedReplay;
use crate::ProviderUnderTest;
use crate::replay::{block_on, check_with, is_replayed, observed, schema_of};

/// How many checks run at once.
const CHECKS: usize = 2000;
/// How many connections are begun before the server has its turn: fewer than wait at any listener.
const BEGUN_TOGETHER: usize = 32;
/// How often the server has its turn until it must have accepted those that were begun.
const TURNS: usize = 100;
/// Far more than all of them need on a busy machine, for it is no deadline that is tried here.
const PATIENCE: Duration = Duration::from_mins(5);
/// Both ends of a connection are in this process.
const DESCRIPTORS_OF_A_CHECK: usize = 2;
/// How many file descriptors a process may have open, where it cannot be found out.
const USUAL_DESCRIPTORS: usize = 1024;
/// So many wrong answers are shown.
const SHOWN: usize = 3;

/// Two thousand checks at once, half of them with credentials that work and half with such as the provider refuses, do not
/// mix up their answers: each concludes what its settings lead to alone.
///
/// All of them have their connection before the first of them is answered. Where the process may not have as many file
/// descriptors open as that takes, and as many again for the cases beside this one, they come in waves that it may.
pub fn two_thousand_checks_at_once_do_not_mix_up(
    subject: &ProviderUnderTest<'_>,
) -> Result<(), String> {
    let interactions = &subject.isolated()?.interactions;
    let (passes, refusals) =
        (told_apart(interactions, Verdict::Valid), told_apart(interactions, Verdict::Rejected));
    if passes.is_empty() || refusals.is_empty() {
        return Err(
            "there is nothing to mix up: document an interaction that leads to a pass, and one that ends in a rejection by \
             the provider"
                .to_owned(),
        );
    }
    let turns = passes.iter().cycle().zip(refusals.iter().cycle());
    let all: Vec<&IsolatedReplay> =
        turns.flat_map(|(pass, refusal)| [*pass, *refusal]).take(CHECKS).collect();
    let results = block_on(check_all(subject.validator(), &all))?;
    let mut mixed_up = 0;
    let mut findings = Findings::default();
    for (replayed, result) in all.iter().zip(&results) {
        let alone = observed(&replayed.result);
        if observed(result) != alone {
            mixed_up += 1;
            findings.require(mixed_up > SHOWN, || mix_up(replayed, &alone, result));
        }
    }
    findings.require(mixed_up == 0, || {
        format!(
            "{mixed_up} of {CHECKS} checks at once conclude something else than alone: keep nothing between checks, in no \
             `static` and in no cache, and take every value from the settings that were passed"
        )
    });
    findings.into_result()
}

fn mix_up(
    replayed: &IsolatedReplay,
    alone: &Expected,
    result: &Result<Outcome, Failure>,
) -> String {
    format!(
        "interaction `{}` leads to {} alone, and to {} among others at once",
        replayed.interaction.name,
        show(alone),
        describe(result)
    )
}

/// The interactions with this verdict that a server can tell from the others by their settings.
fn told_apart(interactions: &[IsolatedReplay], verdict: Verdict) -> Vec<&IsolatedReplay> {
    let mut known = BTreeSet::new();
    let mut first_of_its_settings =
        |settings: &Map<String, Value>| known.insert(Value::Object(settings.clone()).to_string());
    interactions
        .iter()
        .filter(|replayed| {
            let interaction = &replayed.interaction;
            let refuses = interaction.smtp.as_ref().is_some_and(|smtp| smtp.refuses_connections);
            let first = first_of_its_settings(&interaction.settings);
            first
                && interaction.expected.verdict() == verdict
                && is_replayed(interaction)
                && !refuses
        })
        .collect()
}

/// Checks the settings of all of these in one environment, as many at once as may be.
async fn check_all(
    validator: &'static dyn ProviderValidator,
    all: &[&IsolatedReplay],
) -> Result<Vec<Result<Outcome, Failure>>, String> {
    let authority = Authority::new().map_err(|error| error.to_string())?;
    let emulator = Emulator::start(validator.descriptor(), &authority).await;
    let sandbox = Sandbox::of(authority, vec![emulator.map_err(|error| error.to_string())?]);
    let environment = sandbox.environment_with(|_, config| config.timeout = PATIENCE);
    let environment = environment.and_then(|builder| Ok(builder.build()?));
    let environment = environment.map_err(|error| error.to_string())?;
    let schema = schema_of(validator)?;
    let mut results = Vec::new();
    for wave in all.chunks(most_at_once()) {
        let emulator = sandbox.emulators().first().ok_or("there is no emulator")?;
        results.extend(check_at_once(validator, &schema, &environment, emulator, wave).await);
    }
    Ok(results)
}

/// Connects each check, and lets none of them go on before all are connected.
async fn check_at_once(
    validator: &'static dyn ProviderValidator,
    schema: &SettingsSchema,
    environment: &Environment,
    emulator: &Emulator,
    wave: &[&IsolatedReplay],
) -> Vec<Result<Outcome, Failure>> {
    let before = emulator.connections();
    let mut begun = Vec::new();
    for together in wave.chunks(BEGUN_TOGETHER) {
        for replayed in together {
            let settings = Value::Object(replayed.interaction.settings.clone());
            let mut checking: Pin<Box<dyn Future<Output = _>>> =
                Box::pin(check_with(validator, schema, environment, settings));
            begun.push(match poll_fn(|task| Poll::Ready(checking.as_mut().poll(task))).await {
                Poll::Ready(result) => Box::pin(ready(result)),
                Poll::Pending => checking,
            });
        }
        // A check that takes up a connection of an earlier wave makes no new one.
        for _ in 0..TURNS {
            if emulator.connections() >= before + begun.len() {
                break;
            }
            yield_now().await;
        }
    }
    join_all(begun).await
}

/// How many checks may be in flight beside the other cases.
fn most_at_once() -> usize {
    (descriptors() / 2 / DESCRIPTORS_OF_A_CHECK).clamp(1, CHECKS)
}

/// How many file descriptors this process may have open.
fn descriptors() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => usize::MAX,
        Some(soft) => soft.parse().unwrap_or(USUAL_DESCRIPTORS),
        None => USUAL_DESCRIPTORS,
    }
}
