//! The schemas as files: one for each provider, and an index of them.

use serde_json::{Value, json};

use crate::check::{Checks, SchemaDefect};

/// The name of the index.
pub(crate) const INDEX: &str = "index.json";
/// How the names of the other files end.
pub(crate) const SUFFIX: &str = ".schema.json";

/// The files by name, the index last, so that it never lists what is not there yet.
pub(crate) fn json_schemas(checks: &Checks) -> Result<Vec<(String, Value)>, SchemaDefect> {
    let mut files = Vec::new();
    let mut index = Vec::new();
    for validator in checks.registry().iter() {
        let descriptor = validator.descriptor();
        let name = format!("{}{SUFFIX}", descriptor.name);
        index.push(json!({
            "id": descriptor.id,
            "type": descriptor.provider_type,
            "name": descriptor.name,
            "title": descriptor.title,
            "version": checks.version(descriptor),
            "schema": name,
        }));
        files.push((name, checks.published_schema(validator)?));
    }
    files.push((INDEX.to_owned(), json!({"total": index.len(), "items": index})));
    Ok(files)
}
