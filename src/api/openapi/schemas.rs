//! The shapes of bodies: the request as a union of the linked providers', the catalogue, errors.

use bonafide_core::{Cause, ProviderType};
use bonafide_registry::Registry;
use serde_json::{Map, Value, json};

use super::{ids, schema};
use crate::api::error::TITLES;
use crate::request::MAX_NAME;
use crate::schema::Named;

pub(super) fn schemas(registry: &Registry) -> Value {
    let mut schemas = Map::new();
    let mut requests = Vec::new();
    let mut mapping = Map::new();
    for Named { entry, type_name } in Named::all(registry) {
        let descriptor = entry.descriptor();
        let request_name = format!("{type_name}ValidationRequest");
        let settings_name = format!("{type_name}Settings");
        let request = schema(&request_name);
        mapping.insert(descriptor.id.to_owned(), request["$ref"].clone());
        requests.push(request);
        schemas
            .insert(request_name, request_schema(descriptor.title, descriptor.id, &settings_name));
        schemas.insert(settings_name, inside_a_document(entry.schema().document()));
    }
    schemas.insert(
        "ValidationRequest".to_owned(),
        json!({
            "description": "An integration whose settings are to be checked. `provider_id` says whose settings they are. Members beside these are ignored.",
            "oneOf": requests,
            "discriminator": {"propertyName": "provider_id", "mapping": mapping},
        }),
    );
    schemas.extend(catalogue(registry));
    schemas.extend(errors());
    Value::Object(schemas)
}

/// A provider's schema as a part of another document, where what concerns a document of its own means nothing.
fn inside_a_document(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.retain(|keyword, _| !keyword.starts_with('$'));
    }
    schema
}

fn request_schema(title: &str, provider_id: &str, settings: &str) -> Value {
    json!({
        "title": title,
        "type": "object",
        "properties": {
            "name": {
                "type": "string", "minLength": 1, "maxLength": MAX_NAME,
                "description": "What the integration is called.",
            },
            "provider_id": {"type": "string", "const": provider_id},
            "settings": schema(settings),
            "status": {
                "type": "string", "enum": ["active", "inactive"],
                "description": "Whether the integration is in use, `active` when left out; the check is the same.",
            },
        },
        "required": ["name", "provider_id", "settings"],
    })
}

fn catalogue(registry: &Registry) -> [(String, Value); 4] {
    let provider_types = json!({
        "type": "string", "enum": ProviderType::ALL,
        "description": "What a provider carries.",
    });
    let catalogue = json!({
        "type": "object",
        "properties": {
            "total": {"type": "integer", "minimum": 0},
            "items": {"type": "array", "items": schema("Provider")},
        },
        "required": ["total", "items"],
    });
    let provider = json!({
        "type": "object",
        "properties": {
            "id": {"type": "string", "enum": ids(registry)},
            "type": schema("ProviderType"),
            "name": {"type": "string"},
            "title": {"type": "string"},
            "settings": {"type": "array", "items": schema("Setting")},
        },
        "required": ["id", "type", "name", "title", "settings"],
    });
    let setting = json!({
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "name": {"type": "string"},
            "type": {"type": "string"},
            "required": {"type": "boolean", "description": "Whether an integration cannot be saved without it."},
            "secret": {"type": "boolean"},
            "deprecated": {"type": "boolean"},
        },
        "required": ["title", "name", "type", "required", "secret", "deprecated"],
    });
    [
        ("ProviderType", provider_types),
        ("Catalogue", catalogue),
        ("Provider", provider),
        ("Setting", setting),
    ]
    .map(|(name, schema)| (name.to_owned(), schema))
}

fn errors() -> [(String, Value); 3] {
    let error = json!({
        "type": "object",
        "properties": {
            "code": {"type": "integer", "description": "The HTTP status."},
            "title": {"type": "string", "enum": TITLES.map(|(_, title)| title)},
            "message": {"type": "string", "description": "One sentence; absent from a 500."},
            "trace_id": {"type": "string", "format": "uuid"},
            "errors": {
                "type": "array", "minItems": 1, "items": schema("Problem"),
                "description": "Every problem that was found; in every 400 and 500, and in no other.",
            },
        },
        "required": ["code", "title", "trace_id"],
    });
    let problem = json!({
        "type": "object",
        "properties": {
            "code": schema("Cause"),
            "pointer": {"type": "string", "format": "json-pointer", "description": "The place in the request body that is at fault."},
            "message": {"type": "string"},
            "hint": {"type": "string", "description": "What to do about it."},
        },
        "required": ["code", "message"],
    });
    let meanings: Vec<String> =
        Cause::ALL.iter().map(|cause| format!("- `{cause}`: {}", cause.meaning())).collect();
    let cause = json!({
        "type": "string",
        "enum": Cause::ALL,
        "description": format!("Why there is no pass.\n\n{}", meanings.join("\n")),
    });
    [("Error", error), ("Problem", problem), ("Cause", cause)]
        .map(|(name, schema)| (name.to_owned(), schema))
}
