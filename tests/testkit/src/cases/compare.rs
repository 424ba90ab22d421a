//! What a check observed, beside what it had to.

use bonafide_core::interaction::{Expected, Interaction};
use bonafide_core::{Failure, Outcome, Verdict};
use bonafide_emulator::Emulator;

use crate::replay::observed;

/// Whether the check concluded what the interaction documents, with what the emulator could not answer where it did not.
pub(super) fn compare(
    interaction: &Interaction,
    result: &Result<Outcome, Failure>,
    emulator: &Emulator,
) -> Result<(), String> {
    let sorted = |mut conclusion: Expected| {
        conclusion.warnings.sort_unstable();
        conclusion
    };
    let documented = sorted(interaction.expected.clone());
    let mut actual = sorted(observed(result));
    if documented.retry_after.is_none() {
        actual.retry_after = None;
    }
    if documented == actual {
        return Ok(());
    }
    let unread = Expected { retry_after: actual.retry_after, ..documented.clone() } == actual;
    let unread = if unread {
        ": read the wait with `Response::retry_after_at` or `retry_after_in` where it is not in `Retry-After`"
    } else {
        ""
    };
    let missed: Vec<String> = emulator
        .requests()
        .into_iter()
        .filter_map(|request| {
            Some(format!("a {} found no answer: {}", request.method, request.closest_mismatch?))
        })
        .collect();
    let missed = if missed.is_empty() { String::new() } else { format!("; {}", missed.join("; ")) };
    Err(format!(
        "interaction `{}` documents {}, but the check says {}{missed}{unread}",
        interaction.name,
        show(&documented),
        describe(result),
    ))
}

pub(super) fn show(conclusion: &Expected) -> String {
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

/// What a check observed, with what only the log would say.
pub(super) fn describe(result: &Result<Outcome, Failure>) -> String {
    let text = show(&observed(result));
    let Err(failure) = result else { return text };
    let status = failure.provider_status().map(|status| format!(", status {status}"));
    let note = failure.note().map(|note| format!(" ({note})"));
    [Some(text), status, note].into_iter().flatten().collect()
}

pub(super) fn is_inconclusive(result: &Result<Outcome, Failure>) -> bool {
    matches!(result, Err(failure) if failure.cause().verdict() == Verdict::Inconclusive)
}
