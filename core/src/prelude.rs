//! What a provider crate is written with: `use bonafide_core::prelude::*;`.
//!
//! The derives come with it, but what they write names `serde` and `schemars`, so a crate depends on both.

pub use schemars::JsonSchema;
pub use serde::{Deserialize, Serialize};
pub use serde_json::{Value, json};

pub use crate::field::{
    ApiKey, DefaultSender, DomainName, EmailAddress, Field, HostName, Password, PhoneNumber, Port,
    Text,
};
pub use crate::{
    AllowedRequest, BaseUrl, Cause, Context, Descriptor, ExposeSecret, Failure, JsonStr, Outcome,
    Problem, Provider, ProviderLimits, ProviderType, Response, Segment, Warning, WarningCode,
    async_trait, register_provider,
};
