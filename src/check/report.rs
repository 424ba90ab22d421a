//! What a check came to, and how the command prints it.

use std::time::Duration;

use bonafide_core::{Descriptor, Failure, Outcome, Problem, Verdict, Warning};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::courtesy::Held;
use super::{NOT_VALID, PANICKED};
use crate::request;

/// What a check came to.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    /// The provider that was meant, as far as that can be told.
    pub(crate) provider: Option<&'static Descriptor>,
    pub(crate) data: Option<Value>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) problems: Vec<Problem>,
    /// One sentence for the whole; empty for a pass.
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) trace_id: Uuid,
    pub(crate) elapsed: Duration,
    /// What the provider answered with, for the log.
    pub(crate) provider_status: Option<u16>,
    /// A remark for the log.
    pub(crate) note: Option<&'static str>,
}

impl Report {
    /// A report of this verdict with nothing to tell.
    fn new(verdict: Verdict, provider: Option<&'static Descriptor>, trace_id: Uuid) -> Self {
        Self {
            verdict,
            provider,
            data: None,
            warnings: Vec::new(),
            problems: Vec::new(),
            message: String::new(),
            retry_after: None,
            trace_id,
            elapsed: Duration::ZERO,
            provider_status: None,
            note: None,
        }
    }

    pub(super) fn passed(
        descriptor: &'static Descriptor,
        outcome: &Outcome,
        trace_id: Uuid,
    ) -> Self {
        Self {
            data: outcome.data().cloned(),
            warnings: outcome.warnings().to_vec(),
            ..Self::new(Verdict::Valid, Some(descriptor), trace_id)
        }
    }

    pub(super) fn failed(
        provider: Option<&'static Descriptor>,
        failure: &Failure,
        trace_id: Uuid,
    ) -> Self {
        Self {
            problems: failure.problems().to_vec(),
            message: failure.summary().to_owned(),
            retry_after: failure.retry_after(),
            provider_status: failure.provider_status(),
            note: failure.note(),
            ..Self::new(failure.cause().verdict(), provider, trace_id)
        }
    }

    pub(super) fn held(descriptor: &'static Descriptor, held: Held, trace_id: Uuid) -> Self {
        let problem = held.problem(descriptor);
        Self {
            message: problem.message().to_owned(),
            retry_after: Some(held.wait()),
            note: Some(held.note()),
            ..Self::new(problem.code().verdict(), Some(descriptor), trace_id)
        }
        .with(problem)
    }

    fn with(mut self, problem: Problem) -> Self {
        self.problems.push(problem);
        self
    }

    pub(super) fn refused(refused: request::Refused, trace_id: Uuid) -> Self {
        match refused.defect {
            // What the caller can mend comes first; the defect shows when that is mended.
            Some(failure) if refused.problems.is_empty() => {
                Self::failed(refused.provider, &failure, trace_id)
            }
            _ => Self {
                problems: refused.problems,
                message: NOT_VALID.to_owned(),
                ..Self::new(Verdict::Rejected, refused.provider, trace_id)
            },
        }
    }

    /// The report on what cannot be read as a request.
    pub(crate) fn unreadable(problem: Problem, trace_id: Uuid) -> Self {
        Self::refused(request::Refused::unreadable(problem), trace_id)
    }

    /// The report of a check that ended in a defect of ours.
    pub(crate) fn defect(trace_id: Uuid) -> Self {
        Self::failed(None, &Failure::internal(PANICKED), trace_id)
    }

    /// The machine-readable name of what decided the verdict, if it is no pass.
    pub(crate) fn cause(&self) -> Option<&'static str> {
        self.problems.first().map(|problem| problem.code().code())
    }
}

/// A report as the command prints it.
#[derive(Serialize)]
pub(crate) struct ReportDocument<'a> {
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [Warning],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Problem],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sandbox: bool,
    trace_id: Uuid,
    elapsed_ms: u128,
}

impl<'a> ReportDocument<'a> {
    pub(crate) fn new(report: &'a Report, sandbox: bool) -> Self {
        Self {
            verdict: report.verdict,
            provider_id: report.provider.map(|descriptor| descriptor.id),
            provider: report.provider.map(|descriptor| descriptor.name),
            data: report.data.as_ref(),
            warnings: &report.warnings,
            errors: &report.problems,
            sandbox,
            trace_id: report.trace_id,
            elapsed_ms: report.elapsed.as_millis(),
        }
    }
}
