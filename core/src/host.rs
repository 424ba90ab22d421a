//! What a host needs: a program that collects providers, runs their checks and reports what comes of them.
//!
//! Authors of providers need none of this; the rest of the crate is theirs.

pub use crate::egress::NameResolver;
pub use crate::environment::{
    ConfiguredBaseUrl, Environment, EnvironmentBuilder, EnvironmentError, ProviderConfig, Route,
};
use crate::failure::Failure;
pub use crate::finding::FindingExt;
pub use crate::json::pointer;
pub use crate::registration::Registration;
pub use crate::settings::{CheckedSettings, SchemaError, SettingsSchema, SubmittedSettings};

/// Whether this machine or its configuration failed, which says nothing about the provider.
pub fn is_local_fault(failure: &Failure) -> bool {
    failure.is_local_fault()
}
