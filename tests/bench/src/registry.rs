//! What finding a provider costs when many are registered.

use std::hint::black_box;
use std::time::Instant;

use bonafide_core::prelude::*;
use bonafide_core::{
    CheckedSettings, Environment, ProviderLimits, ProviderValidator, Registration, SchemaError,
    SettingsSchema, SubmittedSettings,
};
use bonafide_registry::Registry;

use crate::Result;

const LOOK_UPS: u32 = 200_000;

/// One of many providers that nobody asks.
struct Nobody(Descriptor);

#[derive(JsonSchema)]
struct NoSettings {}

#[async_trait]
impl ProviderValidator for Nobody {
    fn descriptor(&self) -> &'static Descriptor {
        // Every provider lives as long as the program, here too.
        Box::leak(Box::new(self.0))
    }

    fn settings_schema(&self) -> Result<SettingsSchema, SchemaError> {
        SettingsSchema::of::<NoSettings>(self.descriptor())
    }

    fn check_settings(
        &self,
        _environment: &Environment,
        _settings: SubmittedSettings,
    ) -> Result<CheckedSettings, Failure> {
        Err(Failure::internal("nobody is asked"))
    }

    fn limits(&self) -> ProviderLimits {
        ProviderLimits::NONE
    }

    async fn validate_settings(
        &self,
        _context: &Context,
        _settings: CheckedSettings,
    ) -> Result<Outcome, Failure> {
        Err(Failure::internal("nobody is asked"))
    }
}

/// Finds providers among this many.
pub(crate) struct LookUp {
    registry: Registry,
    ids: Vec<&'static str>,
}

impl LookUp {
    pub(crate) fn among(count: usize) -> Result<Self> {
        let mut ids = Vec::new();
        let mut registrations = Vec::new();
        for number in 0..count {
            let id: &str = Box::leak((5000 + number).to_string().into_boxed_str());
            let name: &str = Box::leak(format!("provider-{number}").into_boxed_str());
            let validator: &Nobody = Box::leak(Box::new(Nobody(Descriptor {
                id,
                name,
                provider_type: ProviderType::Sms,
                title: "Nobody",
                destination: Destination::NamedBySettings,
                requests: &[],
                interactions: "[]",
            })));
            ids.push(id);
            registrations.push(Registration::new(validator, "bonafide-bench", "0.0.0"));
        }
        Ok(Self { registry: Registry::from_registrations(&registrations)?, ids })
    }

    /// Nanoseconds for one, on average over many.
    pub(crate) fn nanoseconds(&self) -> f64 {
        let start = Instant::now();
        // A stride that meets every one of them in no order that a cache could guess.
        let mut place = 0;
        let mut found = 0_u32;
        for _ in 0..LOOK_UPS {
            place = (place + 7919) % self.ids.len();
            let id = self.ids.get(place).copied().unwrap_or_default();
            found += u32::from(self.registry.get(black_box(id)).is_some());
        }
        assert_eq!(black_box(found), LOOK_UPS, "every one of them is registered");
        start.elapsed().as_nanos() as f64 / f64::from(LOOK_UPS)
    }
}
