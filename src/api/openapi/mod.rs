//! The OpenAPI 3.1 document, written by hand around the schemas of the linked providers.

mod components;
mod paths;
mod schemas;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bonafide_registry::Registry;
use serde_json::{Value, json};

use crate::api::error::ApiError;
use crate::api::{Api, json_as};

pub(crate) async fn show(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiError> {
    api.0.accounts.authenticate(&headers)?;
    let document = api.0.openapi.get_or_init(|| document(api.0.checks.registry()));
    Ok(json_as("application/json", document))
}

/// The document. The same providers make the same document, byte by byte.
pub(crate) fn document(registry: &Registry) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bonafide",
            "summary": "Do these integration settings work?",
            "description": "Sends the given credentials to the provider's own service, with a request that costs nothing and changes nothing, and reports the cause when the answer is no.",
            "version": env!("CARGO_PKG_VERSION"),
            "contact": {"name": "The developers of Bonafide"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The service that this document was asked of."}],
        "security": [{"token": []}],
        "tags": [
            {"name": paths::VALIDATION, "description": "Whether settings work."},
            {"name": paths::CATALOGUE, "description": "Which providers there are, and what their settings look like."},
            {"name": paths::SERVICE, "description": "The service itself."},
        ],
        "paths": paths::paths(registry),
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The token of an account."},
            },
            "headers": components::headers(),
            "parameters": components::parameters(registry),
            "responses": components::responses(registry),
            "schemas": schemas::schemas(registry),
        },
    })
}

fn ids(registry: &Registry) -> Vec<&'static str> {
    registry.descriptors().map(|descriptor| descriptor.id).collect()
}

/// A reference to something under `components`.
fn reference(section: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{section}/{name}")})
}

fn schema(name: &str) -> Value {
    reference("schemas", name)
}

/// References to these headers, by name.
fn headers(names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), reference("headers", name))).collect()
}

/// What every answer has.
const EVERY: [&str; 4] =
    ["X-Trace-Id", "X-Bonafide-Sandbox", "Cache-Control", "X-Content-Type-Options"];
/// What an answer has besides that when its request counted for the rate.
const RATE: [&str; 3] = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ROUTES;

    fn built() -> Value {
        document(&Registry::collect(include_str!("../../../Cargo.toml")).unwrap())
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let document = built();
        let described: Vec<(&str, Vec<&str>)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, methods)| {
                (path.as_str(), methods.as_object().unwrap().keys().map(String::as_str).collect())
            })
            .collect();
        let routed: Vec<(&str, Vec<&str>)> =
            ROUTES.iter().map(|(path, method, _)| (*path, vec![*method])).collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = built();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_example_is_what_its_schema_says() {
        fn judge(value: &Value, components: &Value, count: &mut usize) {
            let (Some(schema), true) = (value.get("schema"), value.is_object()) else {
                let inside: Vec<&Value> = match value {
                    Value::Object(members) => members.values().collect(),
                    Value::Array(items) => items.iter().collect(),
                    _ => Vec::new(),
                };
                return inside.into_iter().for_each(|value| judge(value, components, count));
            };
            let mut schema = schema.clone();
            schema["components"] = components.clone();
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            let named = value.get("examples").and_then(Value::as_object);
            let named = named.into_iter().flat_map(|examples| examples.values());
            for example in named.map(|example| &example["value"]).chain(value.get("example")) {
                let problems: Vec<String> =
                    validator.iter_errors(example).map(|error| error.to_string()).collect();
                assert!(problems.is_empty(), "{example}: {problems:?}");
                *count += 1;
            }
        }
        let document = built();
        let mut count = 0;
        judge(&document["paths"], &document["components"], &mut count);
        judge(&document["components"]["responses"], &document["components"], &mut count);
        judge(&document["components"]["parameters"], &document["components"], &mut count);
        assert!(count > 25, "{count}");
    }
}
