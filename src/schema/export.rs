//! The schemas as files: one for each provider, and an index of them.

use bonafide_core::Descriptor;
use bonafide_registry::Registry;
use serde_json::{Value, json};

/// The name of the index.
pub(crate) const INDEX: &str = "index.json";
/// How the names of the other files end.
pub(crate) const SUFFIX: &str = ".schema.json";

/// The name of a provider's file.
pub(crate) fn file_name(descriptor: &Descriptor) -> String {
    format!("{}{SUFFIX}", descriptor.name)
}

/// The files by name, the index last, so that it never lists what is not there yet.
pub(crate) fn json_schemas(registry: &Registry) -> Vec<(String, Value)> {
    let mut files = Vec::new();
    let mut index = Vec::new();
    for entry in registry.iter() {
        let descriptor = entry.descriptor();
        let name = file_name(descriptor);
        index.push(json!({
            "id": descriptor.id,
            "type": descriptor.provider_type,
            "name": descriptor.name,
            "title": descriptor.title,
            "version": entry.version(),
            "schema": name,
        }));
        files.push((name, entry.published_schema()));
    }
    files.push((INDEX.to_owned(), json!({"total": index.len(), "items": index})));
    files
}
