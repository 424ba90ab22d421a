//! The routes: what each takes, and every status that it can answer.

use bonafide_core::{Descriptor, Verdict, interaction};
use bonafide_registry::{Entry, Registry};
use serde_json::{Map, Value, json};

use super::{EVERY, RATE, headers, reference, schema};
use crate::api::catalogue::Catalogue;

pub(super) const VALIDATION: &str = "Validation";
pub(super) const CATALOGUE: &str = "Catalogue";
pub(super) const SERVICE: &str = "Service";

pub(super) fn paths(registry: &Registry) -> Value {
    json!({
        "/v1/hood/integrations/validate": {"post": validate(registry)},
        "/v1/hood/providers": {"get": list(registry)},
        "/v1/hood/providers/{id}": {"get": one(registry)},
        "/v1/hood/providers/{id}/schema": {"get": settings_schema(registry)},
        "/openapi.json": {"get": {
            "operationId": "getOpenApi",
            "tags": [SERVICE],
            "summary": "This document",
            "description": "It describes every route of the service, with the providers that the service knows.",
            "responses": guarded(json!({
                "200": json_answer(
                    "The document.",
                    &json!({"type": "object", "additionalProperties": true}),
                    &json!({"openapi": "3.1.0", "info": {"title": "Bonafide", "version": env!("CARGO_PKG_VERSION")}}),
                ),
            })),
        }},
        "/metrics": {"get": {
            "operationId": "getMetrics",
            "tags": [SERVICE],
            "summary": "What Prometheus scrapes",
            "description": "Counters, gauges and latencies of the process in the text format of Prometheus. It does not count for the rate.",
            "responses": guarded(json!({
                "200": {
                    "description": "The metrics.",
                    "headers": headers(&EVERY),
                    "content": {"text/plain; version=0.0.4; charset=utf-8": {
                        "schema": {"type": "string"},
                        "example": "# HELP bonafide_connections Connections of clients that are open.\n# TYPE bonafide_connections gauge\nbonafide_connections 1\n",
                    }},
                },
            })),
        }},
        "/healthz": {"get": alive("getHealth", "Whether the process lives")},
        "/readyz": {"get": alive("getReadiness", "Whether the process takes requests")},
    })
}

fn validate(registry: &Registry) -> Value {
    let passed = [&EVERY[..], &RATE, &["X-Bonafide-Warnings"]].concat();
    json!({
        "operationId": "validateIntegration",
        "tags": [VALIDATION],
        "summary": "Check whether the settings of an integration work",
        "description": "Judged in this order: token, rate, size and type, body, provider. Of the answers, 429 and 500 alone are worth asking again for.",
        "requestBody": {
            "required": true,
            "content": {"application/json": {
                "schema": schema("ValidationRequest"),
                "examples": requests(registry),
            }},
        },
        "responses": {
            "200": {
                "description": "The check passed and the provider has something to tell, such as the numbers of the account.",
                "headers": headers(&passed),
                "content": {"application/json": {
                    "schema": {"type": "array", "items": {"type": "object", "additionalProperties": true}},
                    "examples": data(registry),
                }},
            },
            "204": {"description": "The check passed.", "headers": headers(&passed)},
            "400": response("Rejected"),
            "401": response("Unauthorized"),
            "405": response("MethodNotAllowed"),
            "413": response("PayloadTooLarge"),
            "415": response("UnsupportedMediaType"),
            "429": response("TooManyRequests"),
            "500": response("NoVerdict"),
        },
    })
}

fn list(registry: &Registry) -> Value {
    json!({
        "operationId": "listProviders",
        "tags": [CATALOGUE],
        "summary": "The catalogue of providers",
        "description": "Every provider with its settings, in the order of the ids. It does not count for the rate.",
        "parameters": [{
            "name": "type", "in": "query", "required": false,
            "description": "Only providers of this type; of several types where it is given more than once.",
            "schema": {"type": "array", "items": schema("ProviderType")},
            "style": "form", "explode": true,
            "example": ["sms"],
        }],
        "responses": guarded(json!({
            "200": json_answer("The providers, by id.", &schema("Catalogue"), &json!(Catalogue::of(registry, &[]))),
            "400": response("BadQuery"),
        })),
    })
}

fn one(registry: &Registry) -> Value {
    let example = Catalogue::of(registry, &[]).items.into_iter().next();
    json!({
        "operationId": "getProvider",
        "tags": [CATALOGUE],
        "summary": "One provider of the catalogue",
        "description": "The catalogue's entry of one provider. It does not count for the rate.",
        "parameters": [reference("parameters", "ProviderId")],
        "responses": guarded(json!({
            "200": json_answer("The provider.", &schema("Provider"), &json!(example)),
            "404": response("NotFound"),
        })),
    })
}

fn settings_schema(registry: &Registry) -> Value {
    let first = registry.iter().next();
    let example = first.map(Entry::published_schema);
    json!({
        "operationId": "getSettingsSchema",
        "tags": [CATALOGUE],
        "summary": "The JSON Schema of a provider's settings",
        "description": "Draft 2020-12. `required` lists what a validation needs, that of `$defs/save` what saving an integration needs.",
        "parameters": [reference("parameters", "ProviderId")],
        "responses": guarded(json!({
            "200": {
                "description": "The schema.",
                "headers": headers(&EVERY),
                "content": {"application/schema+json": {"schema": {"type": "object", "additionalProperties": true}, "example": example}},
            },
            "404": response("NotFound"),
        })),
    })
}

fn alive(operation_id: &str, summary: &str) -> Value {
    let status = json!({
        "type": "object",
        "properties": {"status": {"type": "string", "const": "ok"}},
        "required": ["status"],
    });
    json!({
        "operationId": operation_id,
        "tags": [SERVICE],
        "summary": summary,
        "description": "It needs no token.",
        "security": [],
        "responses": {
            "200": json_answer("It is.", &status, &json!({"status": "ok"})),
            "405": response("MethodNotAllowed"),
        },
    })
}

fn response(name: &str) -> Value {
    reference("responses", name)
}

fn json_answer(description: &str, schema: &Value, example: &Value) -> Value {
    json!({
        "description": description,
        "headers": headers(&EVERY),
        "content": {"application/json": {"schema": schema, "example": example}},
    })
}

/// The answers of a route that needs a token and does not count for the rate.
fn guarded(mut own: Value) -> Value {
    if let Some(responses) = own.as_object_mut() {
        for (status, name) in
            [("401", "Unauthorized"), ("405", "MethodNotAllowed"), ("500", "Failed")]
        {
            responses.insert(status.to_owned(), response(name));
        }
    }
    own
}

/// Each provider's first documented interaction that passes, as a request.
fn requests(registry: &Registry) -> Value {
    passes(registry, |descriptor, interaction| {
        Some(json!({
            "summary": interaction.title,
            "value": {
                "name": format!("Example {}", descriptor.title),
                "provider_id": descriptor.id,
                "settings": interaction.settings,
                "status": "active",
            },
        }))
    })
}

/// What providers have to tell in their first documented interaction that passes.
fn data(registry: &Registry) -> Value {
    passes(registry, |_, interaction| {
        let data = interaction.expected.data?;
        Some(json!({"summary": interaction.title, "value": data}))
    })
}

fn passes(
    registry: &Registry,
    example: impl Fn(&Descriptor, interaction::Interaction) -> Option<Value>,
) -> Value {
    let mut examples = Map::new();
    for descriptor in registry.descriptors() {
        let interactions = interaction::parse(descriptor.interactions).unwrap_or_default();
        let first = interactions
            .into_iter()
            .find(|interaction| interaction.expected.verdict() == Verdict::Valid);
        if let Some(example) = first.and_then(|interaction| example(descriptor, interaction)) {
            examples.insert(descriptor.name.to_owned(), example);
        }
    }
    Value::Object(examples)
}
