use bonafide_core::interaction::{Interaction, ResponseStub, Step};
use bonafide_core::{Cause, ProviderValidator, Verdict};
use futures_util::future::join_all;

use super::Findings;
use super::compare::describe;
use crate::replay::{block_on, interactions, is_built_in, is_replayed, replay};

/// No pass is a false positive: when the answer that decides is a refusal instead, no interaction that leads to a pass does so
/// any more.
///
/// The decisive answer of an interaction is its last one to a request that another interaction shows refused; that other answer
/// takes its place. Of a mail server it is the reply to the credentials.
pub fn no_pass_is_a_false_positive(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let interactions = interactions(validator)?;
    let passes = interactions.iter().filter(|interaction| {
        interaction.expected.verdict() == Verdict::Valid && is_replayed(interaction)
    });
    let mut findings = Findings::default();
    let mut refused = Vec::new();
    for interaction in passes {
        if is_built_in(validator) {
            match refuse(interaction, &interactions) {
                Some(changed) => refused.push(changed),
                None => findings.add(format!(
                    "interaction `{}` leads to a pass, but no interaction shows how one of its requests is refused: document \
                     what the provider answers to a wrong key, with the same method and path",
                    interaction.name
                )),
            }
        } else {
            let mut changed = interaction.clone();
            let smtp = changed.smtp.get_or_insert_default();
            "535 5.7.8 Authentication credentials invalid".clone_into(&mut smtp.auth);
            refused.push(changed);
        }
    }
    let replayed =
        block_on(join_all(refused.iter().map(|interaction| replay(validator, interaction))));
    for (interaction, replayed) in refused.iter().zip(replayed) {
        let result = replayed?.result;
        findings.require(result.is_err(), || {
            format!(
                "interaction `{}` with a refusal as its decisive answer must not be valid, but the check says {}: conclude \
                 from the answer, not from having got one",
                interaction.name,
                describe(&result)
            )
        });
    }
    findings.into_result()
}

/// The interaction with a refusal in the place of its decisive answer.
fn refuse(interaction: &Interaction, all: &[Interaction]) -> Option<Interaction> {
    let (decisive, refusal) = interaction
        .steps
        .iter()
        .enumerate()
        .rev()
        .find_map(|(index, step)| Some((index, refusal_of(step, all)?)))?;
    let mut changed = interaction.clone();
    changed.steps.get_mut(decisive)?.response = refusal.clone();
    Some(changed)
}

/// How the provider refuses this request: refused credentials before other rejections, and answers that end their
/// interaction before those that do not.
fn refusal_of<'a>(step: &Step, all: &'a [Interaction]) -> Option<&'a ResponseStub> {
    let refusals =
        all.iter().filter(|interaction| interaction.expected.verdict() == Verdict::Rejected);
    let answers = refusals.filter_map(|interaction| {
        let same = |other: &Step| {
            other.base_url == step.base_url
                && other.request.method == step.request.method
                && is_same_path(&other.request.path, &step.request.path)
        };
        let index = interaction.steps.iter().rposition(same)?;
        let is_last = index + 1 == interaction.steps.len();
        let is_refused =
            interaction.expected.cause.as_deref() == Some(Cause::InvalidCredentials.code());
        Some(((is_last, is_refused), &interaction.steps.get(index)?.response))
    });
    answers.max_by_key(|(rank, _)| *rank).map(|(_, answer)| answer)
}

/// Whether two paths of interactions are of one request: `*` and `{field}` stand for the rest of any segment.
pub(super) fn is_same_path(one: &str, other: &str) -> bool {
    one.split('/').count() == other.split('/').count()
        && one.split('/').zip(other.split('/')).all(|(one, other)| is_same_segment(one, other))
}

fn is_same_segment(one: &str, other: &str) -> bool {
    let prefix = |segment: &str| {
        segment.find(['*', '{']).and_then(|end| segment.get(..end).map(str::to_owned))
    };
    match (prefix(one), prefix(other)) {
        (None, None) => one == other,
        (Some(prefix), None) => other.starts_with(&prefix),
        (None, Some(prefix)) => one.starts_with(&prefix),
        (Some(one), Some(other)) => one.starts_with(&other) || other.starts_with(&one),
    }
}
