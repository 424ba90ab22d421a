//! The two traits: the one that an author implements, and the one that the registry hands out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::time::timeout_at;

use crate::async_trait;
use crate::context::Context;
use crate::descriptor::{Descriptor, Destination, ProviderLimits};
use crate::environment::Environment;
use crate::failure::{Cause, Failure, Problem};
use crate::outcome::Outcome;
use crate::settings::{CheckedSettings, SchemaError, SettingsSchema, SubmittedSettings};

const PANICKED: &str = "the provider crate panicked";

/// What the author of a provider implements, on a unit struct.
///
/// Everything that providers have in common is done around [`validate`](Self::validate): the settings are judged
/// by their schema, the deadline is kept, a panic is caught, the second region is asked.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// The shape of `settings`. Its doc comments become the schema's descriptions; a field that is no `Option` is
    /// one that a check cannot do without.
    type Settings: DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// Who the provider is.
    const DESCRIPTOR: Descriptor;

    /// How much the provider documents that it may be asked. Of no account where the settings name the host.
    const LIMITS: ProviderLimits = ProviderLimits::CAUTIOUS;

    /// Rules that the schema cannot say, such as the shape of a key that belongs to another product.
    ///
    /// Pure: no clock, no network, no environment. The provider is not asked when this finds a problem.
    fn check(&self, _settings: &Self::Settings) -> Vec<Problem> {
        Vec::new()
    }

    /// Asks the provider, with requests that cost nothing and change nothing there.
    async fn validate(
        &self,
        context: &Context,
        settings: &Self::Settings,
    ) -> Result<Outcome, Failure>;
}

/// The trait object that the registry hands out. Every [`Provider`] is one; nobody implements it by hand.
#[async_trait]
pub trait ProviderValidator: Send + Sync {
    /// Who the provider is.
    fn descriptor(&self) -> &'static Descriptor;

    /// How much the provider's own hosts may be asked.
    fn limits(&self) -> ProviderLimits;

    /// The schema of the provider's settings. Generating it takes a while; an [`Environment`] keeps it.
    fn settings_schema(&self) -> Result<SettingsSchema, SchemaError>;

    /// Judges settings without asking the provider, and names every problem at once.
    fn check_settings(
        &self,
        environment: &Environment,
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

    fn limits(&self) -> ProviderLimits {
        match P::DESCRIPTOR.destination {
            Destination::BuiltIn(_) => P::LIMITS,
            Destination::NamedBySettings => ProviderLimits::NONE,
        }
    }

    fn settings_schema(&self) -> Result<SettingsSchema, SchemaError> {
        SettingsSchema::of::<P::Settings>(self.descriptor())
    }

    fn check_settings(
        &self,
        environment: &Environment,
        settings: SubmittedSettings,
    ) -> Result<CheckedSettings, Failure> {
        let title = P::DESCRIPTOR.title;
        let schema = environment.schema_of(self).map_err(|_| {
            Failure::internal("the settings schema does not compile").complete(title)
        })?;
        let judge = || {
            let settings: P::Settings = schema.read(&settings)?;
            let problems = self.check(&settings);
            if problems.is_empty() { Ok(CheckedSettings::new(settings)) } else { Err(problems) }
        };
        match catch_unwind(AssertUnwindSafe(judge)) {
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
            match (failure.status(), context.last_status()) {
                (None, Some(status)) => failure.provider_status(status),
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

/// A provider as `inventory` collects it. Made by [`register_provider!`](crate::register_provider).
pub struct Registration {
    validator: &'static dyn ProviderValidator,
    crate_name: &'static str,
    version: &'static str,
}

impl Registration {
    /// A registration of `validator`, made in the crate `crate_name` of this version.
    pub const fn new(
        validator: &'static dyn ProviderValidator,
        crate_name: &'static str,
        version: &'static str,
    ) -> Self {
        Self { validator, crate_name, version }
    }

    /// The provider.
    pub fn validator(&self) -> &'static dyn ProviderValidator {
        self.validator
    }

    /// The crate that registered it, for messages.
    pub fn crate_name(&self) -> &'static str {
        self.crate_name
    }

    /// The version of that crate, which is the version of what it publishes.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// Every registration in this program, in no order. The registry sorts them and judges them.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        inventory::iter::<Self>.into_iter()
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Registration")
            .field("descriptor", self.validator.descriptor())
            .field("crate_name", &self.crate_name)
            .field("version", &self.version)
            .finish()
    }
}

inventory::collect!(Registration);

/// Registers a provider with every program that its crate is linked into.
///
/// One line in the crate, with the provider's unit struct: `register_provider!(SendGrid);`. The program still has
/// to name the crate once, `use bonafide_sendgrid as _;`, or the linker leaves it out.
#[macro_export]
macro_rules! register_provider {
    ($provider:expr) => {
        $crate::inventory::submit! {
            $crate::Registration::new(
                &$provider,
                env!("CARGO_PKG_NAME"),
                env!("CARGO_PKG_VERSION"),
            )
        }
    };
}
