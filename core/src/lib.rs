#![doc = include_str!("../README.md")]

mod allowed_request;
mod base_url;
mod cause;
mod context;
mod descriptor;
pub mod egress;
mod environment;
mod failure;
pub mod field;
mod finding;
pub mod host;
mod http;
pub mod interaction;
mod json;
mod outcome;
pub mod prelude;
mod provider;
mod registration;
mod sanitize;
mod settings;
mod tcp;
mod tls_error;
mod wiped;

pub use crate::allowed_request::{AllowedRequest, Segment};
pub use crate::base_url::BaseUrl;
pub use crate::cause::{Cause, Verdict, WarningCode};
pub use crate::context::Context;
pub use crate::descriptor::{Descriptor, Destination, ProviderLimits, ProviderType};
pub use crate::failure::Failure;
pub use crate::finding::{Finding, Problem, Warning};
pub use crate::http::{Request, Response};
pub use crate::json::JsonStr;
pub use crate::outcome::Outcome;
pub use crate::provider::{Provider, ProviderValidator};
pub use crate::tcp::TlsStream;

/// The attribute that lets `impl Provider` hold an `async fn`.
pub use async_trait::async_trait;
/// Used by [`register_provider!`]; a provider crate does not depend on it by itself.
#[doc(hidden)]
pub use inventory;
/// Reads a secret's text, in the one place where it is sent.
pub use secrecy::ExposeSecret;
