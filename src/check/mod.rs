//! One check, from the bytes of a request to a report. The API and the command both go through here.

pub(crate) mod courtesy;
mod flights;
mod key;
mod report;

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use bonafide_core::host::{CheckedSettings, Environment};
use bonafide_core::{Descriptor, Failure, Outcome, ProviderLimits, ProviderValidator};
use bonafide_registry::Registry;
use futures_util::FutureExt as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use self::courtesy::{Courtesy, Held, Patience, Why};
use self::flights::Flights;
use self::key::{Key, Keys};
pub(crate) use self::report::{Report, ReportDocument};
use crate::request::{self, Accepted};

/// The message of a request that was refused before the provider was asked.
pub(crate) const NOT_VALID: &str = "The request body is not valid.";

const PANICKED: &str = "the check panicked";

/// Everything that a check needs. Made once a process.
#[derive(Clone, Debug)]
pub(crate) struct Checks {
    registry: Registry,
    environment: Environment,
    keys: Keys,
    providers: Arc<HashMap<&'static str, Shared>>,
}

/// What the checks of one provider share.
struct Shared {
    flights: Flights<Result<Settled, Held>>,
    courtesy: Arc<Courtesy>,
}

/// What the provider was found to say.
type Settled = Result<Outcome, Failure>;

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("courtesy", &self.courtesy).finish_non_exhaustive()
    }
}

/// What goes on with one provider, for whoever watches.
pub(crate) struct Activity {
    /// The provider's name.
    pub(crate) provider: &'static str,
    /// How many checks ask it now.
    pub(crate) in_flight: usize,
    /// How many checks were answered by one that somebody else had begun.
    pub(crate) joined: u64,
    /// Whether it is left alone because it fails.
    pub(crate) circuit_is_open: bool,
    /// How many checks were not let through, by why.
    pub(crate) held: [(Why, u64); 4],
}

/// On whose behalf a check runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller<'a> {
    /// An account of the API, by its id.
    Account(&'a str),
    /// Whoever runs the command.
    Operator,
    /// Whoever runs the command for many requests.
    Batch,
}

impl Checks {
    /// Checks that ask each provider as much as `limits` says.
    pub(crate) fn new(
        registry: Registry,
        environment: Environment,
        limits: impl Fn(&Descriptor) -> ProviderLimits,
    ) -> Self {
        let shared = |descriptor: &'static Descriptor| {
            let courtesy = Arc::new(Courtesy::new(descriptor, limits(descriptor)));
            (descriptor.id, Shared { flights: Flights::default(), courtesy })
        };
        let providers = registry.descriptors().map(shared).collect();
        Self { registry, environment, keys: Keys::new(), providers: Arc::new(providers) }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// What goes on with each provider, in the order of the registry.
    pub(crate) fn activity(&self) -> impl Iterator<Item = Activity> {
        self.registry.descriptors().filter_map(|descriptor| {
            let Descriptor { id, name, .. } = descriptor;
            let Shared { flights, courtesy } = self.providers.get(id)?;
            Some(Activity {
                provider: name,
                in_flight: courtesy.in_flight(),
                joined: flights.joined(),
                circuit_is_open: courtesy.circuit_is_open(),
                held: courtesy.held(),
            })
        })
    }

    /// Judges a request body, asks the provider, and reports.
    ///
    /// Who asks for what the same caller is waiting for already gets the same answer.
    pub(crate) async fn run(
        &self,
        body: Zeroizing<Vec<u8>>,
        caller: Caller<'_>,
        trace_id: Uuid,
    ) -> Report {
        let start = Instant::now();
        let accepted = match request::read(&body, &self.registry) {
            Ok(Accepted { validator, settings, submitted }) => {
                let provider = validator.descriptor();
                Ok((validator, settings, self.keys.of(provider.id, caller, submitted)))
            }
            Err(refused) => Err(Report::refused(refused, trace_id)),
        };
        // Nothing is held while the provider is waited for, least of all a second copy of the secrets.
        drop(body);
        let report = match accepted {
            Ok((validator, settings, key)) => {
                let descriptor = validator.descriptor();
                let result = match self.providers.get(descriptor.id) {
                    Some(shared) => {
                        let courtesy = Arc::clone(&shared.courtesy);
                        let patient = matches!(caller, Caller::Batch);
                        let check = Check { validator, settings, key, patient, trace_id };
                        let begin = || check.run(self.environment.clone(), courtesy).boxed();
                        shared.flights.join(key, begin).await
                    }
                    None => Ok(Err(Failure::internal("the provider is not registered"))),
                };
                match result {
                    Ok(Ok(outcome)) => Report::passed(descriptor, &outcome, trace_id),
                    Ok(Err(failure)) => Report::failed(Some(descriptor), &failure, trace_id),
                    Err(held) => Report::held(descriptor, held, trace_id),
                }
            }
            Err(report) => report,
        };
        Report { elapsed: start.elapsed(), ..report }
    }
}

/// A check that nobody else is running.
struct Check {
    validator: &'static dyn ProviderValidator,
    settings: CheckedSettings,
    key: Key,
    /// Whether it waits while the provider is left alone.
    patient: bool,
    trace_id: Uuid,
}

impl Check {
    async fn run(self, environment: Environment, courtesy: Arc<Courtesy>) -> Result<Settled, Held> {
        let descriptor = self.validator.descriptor();
        let mut context = environment.context(descriptor, self.trace_id);
        let (now, deadline) = (tokio::time::Instant::now(), context.deadline());
        let patience = if self.patient {
            Patience { alone: Some(deadline), line: None }
        } else {
            // Half of the time is left to ask in.
            Patience { alone: None, line: Some(now + (deadline - now) / 2) }
        };
        let admission = courtesy.admit(self.key, patience).await?;
        if self.patient {
            // Waiting was not the provider's fault.
            context = environment.context(descriptor, self.trace_id);
        }
        let check = AssertUnwindSafe(self.validator.validate_settings(&context, self.settings));
        // All who wait would share a panic, and those who come to it late would not know of it.
        let settled = check.catch_unwind().await;
        let settled = settled.unwrap_or_else(|_panic| Err(Failure::internal(PANICKED)));
        admission.end(&settled);
        Ok(settled)
    }
}
