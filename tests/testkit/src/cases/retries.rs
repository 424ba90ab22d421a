use std::time::{Duration, Instant};

use bonafide_core::interaction::Interaction;
use bonafide_core::{Cause, ProviderValidator, Verdict};
use bonafide_emulator::{Authority, Emulator};
use serde_json::Value;

use super::compare::{compare, describe, is_inconclusive};
use super::{Findings, GRACE};
use crate::faulty::answer;
use crate::replay::{
    IMPATIENCE, PATIENCE, Way, address_of, block_on, check, environment_at, first_valid,
    is_built_in,
};
use crate::{Faulty, ProviderUnderTest, ServerAction};

/// How often a request is sent at most: once, and twice again.
const MAX_REQUESTS: usize = 3;

/// An outage of a moment does not stand in the way of a verdict: what passes by itself is asked again.
pub fn an_outage_of_a_moment_does_not_stand_in_the_way(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    if !is_built_in(validator) {
        return Ok(());
    }
    let interaction = first_valid(validator)?;
    block_on(async {
        let mut findings = Findings::default();
        for status in [502, 503, 504] {
            findings.absorb(an_outage_of_a_moment(validator, &interaction, status).await);
        }
        findings.into_result()
    })
}

/// A longer outage is asked about three times, a limit and what is no answer of the provider's once.
pub fn nothing_is_asked_more_often_than_it_may(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    if !is_built_in(validator) {
        return Ok(());
    }
    let settings = Value::Object(first_valid(validator)?.settings);
    block_on(asks_no_more_than_it_may(validator, &settings))
}

/// The pauses between requests count for the deadline like everything else.
pub fn the_pauses_between_requests_count_for_the_deadline(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    if !is_built_in(validator) {
        return Ok(());
    }
    let settings = Value::Object(first_valid(validator)?.settings);
    block_on(a_slow_outage_ends_by_the_deadline(validator, &settings))
}

/// Nothing is asked again after a rejection: an interaction that ends in one takes no more requests than it documents.
pub fn a_rejection_is_final(subject: &ProviderUnderTest<'_>) -> Result<(), String> {
    let mut findings = Findings::default();
    for replayed in &subject.isolated()?.interactions {
        let (interaction, asked) = (&replayed.interaction, replayed.requests.len());
        let rejected = interaction.expected.verdict() == Verdict::Rejected;
        findings.require(!rejected || asked <= interaction.steps.len(), || {
            format!(
                "interaction `{}` ends in a rejection after {} requests, but {asked} were sent: ask nothing again after a \
                 rejection",
                interaction.name,
                interaction.steps.len()
            )
        });
    }
    findings.into_result()
}

async fn an_outage_of_a_moment(
    validator: &dyn ProviderValidator,
    interaction: &Interaction,
    status: u16,
) -> Result<(), String> {
    let authority = Authority::new().map_err(|error| error.to_string())?;
    let emulator =
        Emulator::of_interactions(validator.descriptor(), vec![interaction.clone()], &authority)
            .await
            .map_err(|error| error.to_string())?;
    let mut base_urls = emulator.base_urls().to_vec();
    let first = base_urls.first_mut().ok_or("the descriptor has no base URL")?;
    let documented = address_of(first)?;
    let outage = vec![ServerAction::Read, ServerAction::Say(answer(status, &[], b""))];
    let server = Faulty::in_turn(vec![outage, vec![ServerAction::Forward(documented)]]).await;
    *first = server.url();
    let environment =
        Way { base_urls, route: None, timeout: PATIENCE, extra_ca: "" }.environment(validator)?;
    let settings = Value::Object(interaction.settings.clone());
    let result = check(validator, &environment, settings).await;
    compare(interaction, &result, &emulator).map_err(|finding| {
        format!(
            "one {status} and then the documented answer: {finding}: ask through `Context::get` and `Context::post` alone, \
             which ask again"
        )
    })
}

async fn asks_no_more_than_it_may(
    validator: &dyn ProviderValidator,
    settings: &Value,
) -> Result<(), String> {
    let limited: &[(&str, &str)] = &[("retry-after", "5")];
    let unreadable: &[(&str, &str)] = &[("retry-after", "later")];
    let mut findings = Findings::default();
    for (what, status, headers, cause, most) in [
        ("503 for ever", 503, &[][..], Cause::ProviderUnavailable, MAX_REQUESTS),
        ("503 with a wait in words", 503, unreadable, Cause::ProviderUnavailable, 1),
        ("500 for ever", 500, &[][..], Cause::ProviderUnavailable, 1),
        ("429 with a wait of 5 seconds", 429, limited, Cause::ProviderRateLimited, 1),
        (
            "401 that is somebody else's",
            401,
            &[("content-type", "text/html")][..],
            Cause::UnexpectedResponse,
            1,
        ),
    ] {
        // Without a body, a provider that documents none would be believed.
        let body = if status == 401 { "<html></html>" } else { "" };
        let server = Faulty::answering(status, headers, body).await;
        let base_urls = vec![server.url(); validator.descriptor().base_urls().len()];
        let environment = Way { base_urls, route: None, timeout: PATIENCE, extra_ca: "" }
            .environment(validator)?;
        let started = Instant::now();
        let result = check(validator, &environment, settings.clone()).await;
        let took = started.elapsed();
        let asked = server.requests().len();
        findings.require((1..=most).contains(&asked), || {
            format!("{what} was asked {asked} times, and {most} is the most: leave asking again to the core")
        });
        let as_expected = matches!(&result, Err(failure) if failure.cause() == cause);
        findings.require(as_expected, || {
            format!("{what} must be `{cause}`, but the check says {}", describe(&result))
        });
        findings.require(took < GRACE, || {
            format!("{what} took {took:?}: leave the pauses between requests to the core")
        });
    }
    findings.into_result()
}

async fn a_slow_outage_ends_by_the_deadline(
    validator: &dyn ProviderValidator,
    settings: &Value,
) -> Result<(), String> {
    let pause = ServerAction::Wait(Duration::from_millis(120));
    let server =
        Faulty::start([ServerAction::Read, pause, ServerAction::Say(answer(503, &[], b""))]).await;
    let environment = environment_at(validator, server.address())?;
    let started = Instant::now();
    let result = check(validator, &environment, settings.clone()).await;
    let took = started.elapsed();
    let mut findings = Findings::default();
    findings.require(took < IMPATIENCE + GRACE, || {
        format!(
            "503 after a while, for ever, held the check for {took:?} with a deadline of {IMPATIENCE:?}: wait for nothing \
             outside of `Context`"
        )
    });
    findings.require(is_inconclusive(&result), || {
        format!("503 for ever must lead to no verdict, but the check says {}", describe(&result))
    });
    findings.into_result()
}
