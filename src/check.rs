//! One check, from the bytes of a request to a report. The API and the command both go through here.

use std::time::{Duration, Instant};

use bonafide_core::{
    Descriptor, Environment, Failure, Outcome, Problem, ProviderValidator, Verdict, Warning,
};
use bonafide_registry::Registry;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::request;

/// The message of a request that was refused before the provider was asked.
pub(crate) const NOT_VALID: &str = "The request body is not valid.";

/// Everything that a check needs. Made once a process.
#[derive(Clone, Debug)]
pub(crate) struct Checks {
    registry: Registry,
    environment: Environment,
}

/// A provider whose settings cannot be judged, found before the first request.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SchemaDefect(String);

impl SchemaDefect {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

impl Checks {
    pub(crate) fn new(registry: Registry, environment: Environment) -> Self {
        Self { registry, environment }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Compiles every schema, so that the first request does not wait for it and a broken one stops the start.
    pub(crate) fn warm_up(&self) -> Result<(), SchemaDefect> {
        for validator in self.registry.iter() {
            self.environment
                .schema_of(validator)
                .map_err(|error| SchemaDefect(error.to_string()))?;
        }
        Ok(())
    }

    /// The schema of a provider's settings, as it is published.
    pub(crate) fn published_schema(
        &self,
        validator: &dyn ProviderValidator,
    ) -> Result<Value, SchemaDefect> {
        let schema = self.environment.schema_of(validator);
        let schema = schema.map_err(|error| SchemaDefect(error.to_string()))?;
        Ok(schema.published(self.version(validator.descriptor())))
    }

    /// The version of the crate that brings the provider.
    pub(crate) fn version(&self, descriptor: &Descriptor) -> &'static str {
        // Whoever has a descriptor has it from the registry.
        self.registry.version(descriptor.id).unwrap_or_default()
    }

    /// Judges a request body, asks the provider, and reports.
    pub(crate) async fn run(&self, body: Zeroizing<Vec<u8>>, trace_id: Uuid) -> Report {
        let start = Instant::now();
        let request = request::read(&body, &self.registry, &self.environment);
        // Nothing is held while the provider is waited for, least of all a second copy of the secrets.
        drop(body);
        let report = match request {
            Ok(accepted) => {
                let descriptor = accepted.validator.descriptor();
                let context = self.environment.context(descriptor, trace_id);
                match accepted.validator.validate_settings(&context, accepted.settings).await {
                    Ok(outcome) => Report::passed(descriptor, &outcome, trace_id),
                    Err(failure) => Report::failed(Some(descriptor), &failure, trace_id),
                }
            }
            Err(refused) => Report::refused(refused, trace_id),
        };
        Report { elapsed: start.elapsed(), ..report }
    }
}

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

    fn passed(descriptor: &'static Descriptor, outcome: &Outcome, trace_id: Uuid) -> Self {
        Self {
            data: outcome.data().cloned(),
            warnings: outcome.warnings().to_vec(),
            ..Self::new(Verdict::Valid, Some(descriptor), trace_id)
        }
    }

    fn failed(provider: Option<&'static Descriptor>, failure: &Failure, trace_id: Uuid) -> Self {
        Self {
            problems: failure.problems().to_vec(),
            message: failure.summary().to_owned(),
            retry_after: failure.wait(),
            provider_status: failure.status(),
            note: failure.remark(),
            ..Self::new(failure.cause().verdict(), provider, trace_id)
        }
    }

    fn refused(refused: request::Refused, trace_id: Uuid) -> Self {
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
        Self::failed(None, &Failure::internal("the check panicked"), trace_id)
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
