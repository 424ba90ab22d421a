#![doc = include_str!("../README.md")]

mod client;
mod context;
mod descriptor;
mod dial;
pub mod egress;
mod environment;
mod failure;
pub mod field;
mod http;
pub mod interaction;
mod json_str;
mod outcome;
pub mod pointer;
pub mod prelude;
mod provider;
mod resolver;
mod schema;
mod settings;

pub use crate::context::Context;
pub use crate::descriptor::{
    AllowedRequest, BaseUrl, Descriptor, Destination, ProviderLimits, ProviderType,
};
pub use crate::dial::Field;
pub use crate::environment::{
    Environment, EnvironmentBuilder, EnvironmentError, ProviderConfig, Route,
};
pub use crate::failure::{Cause, Failure, Finding, Problem, Verdict};
pub use crate::http::{Answer, Request};
pub use crate::json_str::JsonStr;
pub use crate::outcome::{Outcome, Warning, WarningCode};
pub use crate::provider::{Provider, ProviderValidator, Registration};
pub use crate::resolver::NameResolver;
pub use crate::settings::{CheckedSettings, SchemaError, SettingsSchema, SubmittedSettings};

/// The attribute that lets `impl Provider` hold an `async fn`.
pub use async_trait::async_trait;
/// Used by [`register_provider!`]; a provider crate does not depend on it by itself.
#[doc(hidden)]
pub use inventory;
/// What reads a secret's text, in the one place where it is sent.
pub use secrecy::ExposeSecret;
