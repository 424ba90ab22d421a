//! What a check concluded, beside what it had to.

use bonafide_core::exchange::{Conclusion, Exchange};
use bonafide_core::{Failure, Outcome, Verdict};
use bonafide_emulator::Emulator;

use crate::play::concluded;

/// Whether the check concluded what the exchange documents, with what the emulator could not answer where it did not.
pub(super) fn compare(
    exchange: &Exchange,
    result: &Result<Outcome, Failure>,
    emulator: &Emulator,
) -> Result<(), String> {
    let sorted = |mut conclusion: Conclusion| {
        conclusion.warnings.sort_unstable();
        conclusion
    };
    let documented = sorted(exchange.verdict.clone());
    let mut actual = sorted(concluded(result));
    if documented.retry_after.is_none() {
        actual.retry_after = None;
    }
    if documented == actual {
        return Ok(());
    }
    let missed: Vec<String> = emulator
        .requests()
        .into_iter()
        .filter_map(|request| {
            Some(format!("a {} found no answer: {}", request.method, request.missed_by?))
        })
        .collect();
    let missed = if missed.is_empty() { String::new() } else { format!("; {}", missed.join("; ")) };
    Err(format!(
        "exchange `{}` documents {}, but the check says {}{missed}",
        exchange.name,
        show(&documented),
        describe(result),
    ))
}

pub(super) fn show(conclusion: &Conclusion) -> String {
    let warnings = &conclusion.warnings;
    let parts = [
        Some(conclusion.cause.as_ref().map_or("a pass".to_owned(), |cause| format!("`{cause}`"))),
        conclusion.pointer.as_ref().map(|pointer| format!("at `{pointer}`")),
        conclusion.retry_after.map(|seconds| format!("retry after {seconds} s")),
        conclusion.data.as_ref().map(|data| format!("data {data}")),
        (!warnings.is_empty()).then(|| format!("warnings {}", warnings.join(" "))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What a check concluded, with what only the log would say.
pub(super) fn describe(result: &Result<Outcome, Failure>) -> String {
    let text = show(&concluded(result));
    let Err(failure) = result else { return text };
    let status = failure.status().map(|status| format!(", status {status}"));
    let remark = failure.remark().map(|remark| format!(" ({remark})"));
    [Some(text), status, remark].into_iter().flatten().collect()
}

pub(super) fn is_inconclusive(result: &Result<Outcome, Failure>) -> bool {
    matches!(result, Err(failure) if failure.cause().verdict() == Verdict::Inconclusive)
}
