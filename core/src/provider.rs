//! The trait that an author implements, and the trait object that the registry hands out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::time::timeout_at;

use crate::async_trait;
use crate::cause::Cause;
use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::failure::Failure;
use crate::finding::Problem;
use crate::outcome::Outcome;
use crate::settings::{CheckedSettings, SchemaError, SettingsSchema, SubmittedSettings};

const PANICKED: &str = "the provider crate panicked";

/// What the author of a provider implements, on a unit struct.
///
/// The core does the rest around [`validate`](Self::validate): it validates the settings against their schema, keeps the
/// deadline, catches a panic, and runs `validate` again in the next region where a failure asks for it.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// The shape of `settings`. Its doc comments become the schema's descriptions; a field that is not an
    /// `Option` is one that a check needs.
    type Settings: DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// The provider's identity, hosts, requests, limits and documented interactions.
    const DESCRIPTOR: Descriptor;

    /// Rules that the schema cannot say, such as the shape of a key that belongs to another product.
    ///
    /// It looks at the settings alone, not at a clock, the network or the environment. The provider is not asked when it
    /// finds a problem.
    fn check(&self, _settings: &Self::Settings) -> Vec<Problem> {
        Vec::new()
    }

    /// Asks the provider, with requests that cost nothing and change nothing there, and says what its answers mean.
    async fn validate(
        &self,
        context: &Context,
        settings: &Self::Settings,
    ) -> Result<Outcome, Failure>;
}

mod sealed {
    pub trait Sealed {}

    impl<P: super::Provider> Sealed for P {}
}

/// The object-safe side of a [`Provider`], which the registry hands out. Every `Provider` has it; another type cannot
/// implement it.
#[async_trait]
pub trait ProviderValidator: sealed::Sealed + Send + Sync {
    /// The provider's identity, hosts, requests, limits and documented interactions.
    fn descriptor(&self) -> &'static Descriptor;

    /// Generates and compiles the schema of the provider's settings. This takes a while, so the registry does it once.
    fn settings_schema(&self) -> Result<SettingsSchema, SchemaError>;

    /// Checks settings without asking the provider, and names every problem at once. `schema` is this provider's
    /// [`settings_schema`](Self::settings_schema).
    fn check_settings(
        &self,
        schema: &SettingsSchema,
        settings: SubmittedSettings,
    ) -> Result<CheckedSettings, Failure>;

    /// Asks the provider. Ends by the context's deadline, whatever the provider or its crate does.
    async fn validate_settings(
        &self,
        context: &Context,
        settings: CheckedSettings,
    ) -> Result<Outcome, Failure>;
}

#[async_trait]
impl<P: Provider> ProviderValidator for P {
    fn descriptor(&self) -> &'static Descriptor {
        const { &P::DESCRIPTOR }
    }

    fn settings_schema(&self) -> Result<SettingsSchema, SchemaError> {
        SettingsSchema::of::<P::Settings>(self.descriptor())
    }

    fn check_settings(
        &self,
        schema: &SettingsSchema,
        settings: SubmittedSettings,
    ) -> Result<CheckedSettings, Failure> {
        let title = P::DESCRIPTOR.title;
        let check = || {
            let settings: P::Settings = schema.parse(&settings)?;
            let problems = self.check(&settings);
            if problems.is_empty() { Ok(CheckedSettings::new(settings)) } else { Err(problems) }
        };
        match catch_unwind(AssertUnwindSafe(check)) {
            Ok(Ok(settings)) => Ok(settings),
            Ok(Err(problems)) => Err(Failure::of_problems(problems).complete(title)),
            Err(_panic) => Err(Failure::internal(PANICKED).complete(title)),
        }
    }

    async fn validate_settings(
        &self,
        context: &Context,
        settings: CheckedSettings,
    ) -> Result<Outcome, Failure> {
        let title = P::DESCRIPTOR.title;
        let Some(settings) = settings.downcast::<P::Settings>() else {
            return Err(Failure::internal("settings of another provider").complete(title));
        };
        let check = AssertUnwindSafe(in_each_region(self, context, &settings)).catch_unwind();
        let result = match timeout_at(context.deadline(), check).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(Failure::internal(PANICKED)),
            Err(_elapsed) => Err(Failure::new(Cause::ProviderTimeout)),
        };
        result.map(|outcome| outcome.complete(title)).map_err(|failure| {
            match (failure.provider_status(), context.last_status()) {
                (None, Some(status)) => failure.with_provider_status(status),
                _ => failure,
            }
            .complete(title)
        })
    }
}

async fn in_each_region<P: Provider>(
    provider: &P,
    context: &Context,
    settings: &P::Settings,
) -> Result<Outcome, Failure> {
    let mut settled = provider.validate(context, settings).await;
    let mut region = context.next_region();
    while let (Err(failure), Some(next)) = (&settled, &region) {
        if !failure.asks_other_region() {
            break;
        }
        let failure = failure.clone();
        settled = provider.validate(next, settings).await.map_err(|other| failure.settle(other));
        region = next.next_region();
    }
    settled
}
