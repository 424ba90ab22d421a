//! The settings of an integration: as they were submitted, and checked by the schema of the provider.

mod explain;
mod generate;
mod schema;
mod submitted;

pub use self::schema::{SchemaError, SettingsSchema};
pub use self::submitted::{CheckedSettings, SubmittedSettings};
