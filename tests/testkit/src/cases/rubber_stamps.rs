use bonafide_core::exchange::{Answered, Exchange, Step};
use bonafide_core::{Cause, ProviderValidator, Verdict};
use futures_util::future::join_all;

use super::Findings;
use super::compare::describe;
use crate::play::{block_on, exchanges, is_built_in, is_played, play};

/// No pass is a rubber stamp: when the answer that decides is a refusal instead, no exchange that leads to a pass does so
/// any more.
///
/// The decisive answer of an exchange is its last one to a request that another exchange shows refused; that other answer
/// takes its place. Of a mail server it is the reply to the credentials.
pub fn no_pass_is_a_rubber_stamp(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    let exchanges = exchanges(validator)?;
    let passes = exchanges
        .iter()
        .filter(|exchange| exchange.verdict.verdict() == Verdict::Valid && is_played(exchange));
    let mut findings = Findings::default();
    let mut refused = Vec::new();
    for exchange in passes {
        if is_built_in(validator) {
            match refuse(exchange, &exchanges) {
                Some(changed) => refused.push(changed),
                None => findings.add(format!(
                    "exchange `{}` leads to a pass, but no exchange shows how one of its requests is refused: document \
                     what the provider answers to a wrong key, with the same method and path",
                    exchange.name
                )),
            }
        } else {
            let mut changed = exchange.clone();
            let smtp = changed.smtp.get_or_insert_default();
            "535 5.7.8 Authentication credentials invalid".clone_into(&mut smtp.auth);
            refused.push(changed);
        }
    }
    let played = block_on(join_all(refused.iter().map(|exchange| play(validator, exchange))));
    for (exchange, played) in refused.iter().zip(played) {
        let result = played?.result;
        findings.require(result.is_err(), || {
            format!(
                "exchange `{}` with a refusal as its decisive answer must not be valid, but the check says {}: conclude \
                 from the answer, not from having got one",
                exchange.name,
                describe(&result)
            )
        });
    }
    findings.into_result()
}

/// The exchange with a refusal in the place of its decisive answer.
fn refuse(exchange: &Exchange, all: &[Exchange]) -> Option<Exchange> {
    let (decisive, refusal) = exchange
        .dialogue
        .iter()
        .enumerate()
        .rev()
        .find_map(|(index, step)| Some((index, refusal_of(step, all)?)))?;
    let mut changed = exchange.clone();
    changed.dialogue.get_mut(decisive)?.answer = refusal.clone();
    Some(changed)
}

/// How the provider refuses this request: refused credentials before other rejections, and answers that end their
/// exchange before those that do not.
fn refusal_of<'a>(step: &Step, all: &'a [Exchange]) -> Option<&'a Answered> {
    let refusals = all.iter().filter(|exchange| exchange.verdict.verdict() == Verdict::Rejected);
    let answers = refusals.filter_map(|exchange| {
        let same = |other: &Step| {
            other.request.method == step.request.method
                && is_same_path(&other.request.path, &step.request.path)
        };
        let index = exchange.dialogue.iter().rposition(same)?;
        let is_last = index + 1 == exchange.dialogue.len();
        let is_refused =
            exchange.verdict.cause.as_deref() == Some(Cause::InvalidCredentials.code());
        Some(((is_last, is_refused), &exchange.dialogue.get(index)?.answer))
    });
    answers.max_by_key(|(rank, _)| *rank).map(|(_, answer)| answer)
}

/// Whether two paths of exchanges are of one request: `*` and `{field}` stand for any segment.
pub(super) fn is_same_path(one: &str, other: &str) -> bool {
    let is_any = |segment: &str| segment == "*" || segment.starts_with('{');
    one.split('/').count() == other.split('/').count()
        && one
            .split('/')
            .zip(other.split('/'))
            .all(|(one, other)| one == other || is_any(one) || is_any(other))
}
