//! A linked provider.

use std::fmt;
use std::sync::Arc;

use bonafide_core::host::{CheckedSettings, SettingsSchema, SubmittedSettings};
use bonafide_core::{Descriptor, Failure, ProviderValidator};
use serde_json::Value;

/// A linked provider, with the compiled schema of its settings.
#[derive(Clone)]
pub struct Entry {
    pub(crate) provider: &'static dyn ProviderValidator,
    pub(crate) schema: Arc<SettingsSchema>,
    pub(crate) version: &'static str,
}

impl Entry {
    /// The provider.
    pub fn provider(&self) -> &'static dyn ProviderValidator {
        self.provider
    }

    /// The provider's identity, hosts, requests, limits and documented interactions.
    pub fn descriptor(&self) -> &'static Descriptor {
        self.provider.descriptor()
    }

    /// The compiled schema of the provider's settings.
    pub fn schema(&self) -> &SettingsSchema {
        &self.schema
    }

    /// The version of the crate that brings the provider.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// The schema as it is published, with the provider and the version in its `$id`.
    pub fn published_schema(&self) -> Value {
        self.schema.published(self.version)
    }

    /// Checks settings without asking the provider, and names every problem at once.
    pub fn check_settings(&self, settings: SubmittedSettings) -> Result<CheckedSettings, Failure> {
        self.provider.check_settings(&self.schema, settings)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Entry")
            .field("descriptor", self.descriptor())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
