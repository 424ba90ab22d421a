//! What a batch came to: how many lines of each provider have which verdict, and why.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use bonafide_core::{Cause, Descriptor, Problem, Verdict, Warning, WarningCode};

use crate::check::Report;

/// What one report counts as.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) provider: Option<&'static Descriptor>,
    /// Why there is no pass.
    pub(super) cause: Option<Cause>,
    pub(super) warnings: Vec<WarningCode>,
}

impl Judged {
    pub(super) fn of(report: &Report) -> Self {
        Self {
            provider: report.provider,
            cause: report.problems.first().map(Problem::code),
            warnings: report.warnings.iter().map(Warning::code).collect(),
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.cause.map_or(Verdict::Valid, Cause::verdict)
    }
}

/// Lines by verdict.
#[derive(Clone, Copy, Debug, Default)]
struct Verdicts {
    valid: u64,
    rejected: u64,
    inconclusive: u64,
}

impl Verdicts {
    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Valid => self.valid += 1,
            Verdict::Rejected => self.rejected += 1,
            Verdict::Inconclusive => self.inconclusive += 1,
        }
    }

    fn sum(self) -> u64 {
        self.valid + self.rejected + self.inconclusive
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.valid, Verdict::Valid),
            (self.rejected, Verdict::Rejected),
            (self.inconclusive, Verdict::Inconclusive),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> =
            counts.map(|(count, verdict)| format!("{count} {verdict}")).collect();
        formatter.write_str(&counts.join(", "))
    }
}

#[derive(Debug, Default)]
struct OfProvider {
    verdicts: Verdicts,
    causes: BTreeMap<Cause, u64>,
    warnings: BTreeMap<WarningCode, u64>,
}

/// The sum of many reports.
#[derive(Debug, Default)]
pub(super) struct Summary {
    verdicts: Verdicts,
    /// By name; lines that name no provider come last.
    providers: BTreeMap<(bool, &'static str), OfProvider>,
}

impl Summary {
    pub(super) fn add(&mut self, judged: &Judged) {
        self.verdicts.add(judged.verdict());
        let name = judged.provider.map(|descriptor| descriptor.name);
        let key = (name.is_none(), name.unwrap_or("no known provider"));
        let provider = self.providers.entry(key).or_default();
        provider.verdicts.add(judged.verdict());
        if let Some(cause) = judged.cause {
            *provider.causes.entry(cause).or_default() += 1;
        }
        let mut warnings = judged.warnings.clone();
        warnings.sort_unstable();
        warnings.dedup();
        for warning in warnings {
            *provider.warnings.entry(warning).or_default() += 1;
        }
    }

    /// How many reports there are.
    pub(super) fn sum(&self) -> u64 {
        self.verdicts.sum()
    }

    /// The summary for people. `earlier` of the lines were judged by runs before this one.
    pub(super) fn render(&self, earlier: u64) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.render_to(&mut text, earlier);
        text
    }

    fn render_to(&self, text: &mut String, earlier: u64) -> fmt::Result {
        write!(text, "{} judged", lines(self.sum()))?;
        if self.sum() > 0 {
            write!(text, ": {}", self.verdicts)?;
        }
        if earlier > 0 {
            write!(text, "; {earlier} of them by earlier runs")?;
        }
        for ((_, name), provider) in &self.providers {
            write!(text, "\n{name}: {}", provider.verdicts)?;
            for (cause, count) in &provider.causes {
                write!(text, "\n    {count} {cause} ({})", cause.verdict())?;
            }
            for (warning, count) in &provider.warnings {
                write!(text, "\n    {count} {warning} (warning)")?;
            }
        }
        Ok(())
    }
}

/// So many lines, in words.
pub(super) fn lines(count: u64) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}
