//! The OpenAPI 3.1 document, written by hand around the schemas of the linked providers.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bonafide_core::{Cause, ProviderType, ProviderValidator, Verdict, WarningCode, exchange};
use serde_json::{Map, Value, json};

use crate::api::error::{ApiError, TITLES};
use crate::api::{Api, json_as};
use crate::check::Checks;
use crate::request::LONGEST_NAME;

const TRACE_ID_EXAMPLE: &str = "99a84211-f73d-4ff8-acdf-eb3e06bb9d62";

pub(crate) async fn show(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiError> {
    api.0.accounts.authenticate(&headers)?;
    Ok(json_as("application/json", &api.0.openapi))
}

/// The document. The same providers make the same document, byte by byte.
pub(crate) fn document(checks: &Checks) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bonafide",
            "summary": "Do these integration settings work?",
            "description": "Sends the given credentials to the provider's own service, with a request that costs nothing and changes nothing, and reports the cause when the answer is no.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": paths(checks),
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The token of an account."},
            },
            "headers": headers(),
            "parameters": {
                "ProviderId": {
                    "name": "id", "in": "path", "required": true,
                    "description": "The provider's id, as the catalogue lists it.",
                    "schema": {"type": "string", "enum": ids(checks)},
                },
            },
            "responses": responses(),
            "schemas": schemas(checks),
        },
    })
}

fn ids(checks: &Checks) -> Vec<&'static str> {
    checks.registry().iter().map(|validator| validator.descriptor().id).collect()
}

fn response(name: &str) -> Value {
    json!({"$ref": format!("#/components/responses/{name}")})
}

fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn paths(checks: &Checks) -> Value {
    let json_answer = |description: &str, schema: Value| {
        json!({
            "description": description,
            "headers": {"X-Trace-Id": header("X-Trace-Id")},
            "content": {"application/json": {"schema": schema}},
        })
    };
    let alive = |summary: &str, id: &str| {
        json!({"get": {
            "operationId": id,
            "summary": summary,
            "security": [],
            "responses": {
                "200": json_answer("It is.", json!({
                    "type": "object",
                    "properties": {"status": {"const": "ok"}},
                    "required": ["status"],
                })),
                "405": response("MethodNotAllowed"),
            },
        }})
    };
    let guarded = |mut own: Value| {
        if let Some(responses) = own.as_object_mut() {
            for (status, name) in
                [("401", "Unauthorized"), ("405", "MethodNotAllowed"), ("500", "NoVerdict")]
            {
                responses.insert(status.to_owned(), response(name));
            }
        }
        own
    };
    json!({
        "/v1/hood/integrations/validate": {"post": validate(checks)},
        "/v1/hood/providers": {"get": {
            "operationId": "listProviders",
            "summary": "The catalogue of providers",
            "parameters": [{
                "name": "type", "in": "query", "required": false,
                "description": "Only providers of this type.",
                "schema": schema("ProviderType"),
            }],
            "responses": guarded(json!({
                "200": json_answer("The providers, by id.", schema("Catalogue")),
                "400": response("BadRequest"),
            })),
        }},
        "/v1/hood/providers/{id}": {"get": {
            "operationId": "getProvider",
            "summary": "One provider of the catalogue",
            "parameters": [{"$ref": "#/components/parameters/ProviderId"}],
            "responses": guarded(json!({
                "200": json_answer("The provider.", schema("Provider")),
                "404": response("NotFound"),
            })),
        }},
        "/v1/hood/providers/{id}/schema": {"get": {
            "operationId": "getSettingsSchema",
            "summary": "The JSON Schema of a provider's settings",
            "description": "Draft 2020-12. `required` lists what a validation needs, that of `$defs/save` what saving an integration needs.",
            "parameters": [{"$ref": "#/components/parameters/ProviderId"}],
            "responses": guarded(json!({
                "200": {
                    "description": "The schema.",
                    "headers": {"X-Trace-Id": header("X-Trace-Id")},
                    "content": {"application/schema+json": {"schema": {"type": "object"}}},
                },
                "404": response("NotFound"),
            })),
        }},
        "/openapi.json": {"get": {
            "operationId": "getOpenApi",
            "summary": "This document",
            "responses": guarded(json!({
                "200": json_answer("The document.", json!({"type": "object"})),
            })),
        }},
        "/healthz": alive("Whether the process lives", "getHealth"),
        "/readyz": alive("Whether the process takes requests", "getReadiness"),
    })
}

fn validate(checks: &Checks) -> Value {
    let rate = || {
        json!({
            "X-Trace-Id": header("X-Trace-Id"),
            "X-RateLimit-Limit": header("X-RateLimit-Limit"),
            "X-RateLimit-Remaining": header("X-RateLimit-Remaining"),
            "X-RateLimit-Reset": header("X-RateLimit-Reset"),
            "X-Bonafide-Warnings": header("X-Bonafide-Warnings"),
        })
    };
    json!({
        "operationId": "validateIntegration",
        "summary": "Check whether the settings of an integration work",
        "description": "Judged in this order: token, rate, size and type, body, provider.",
        "requestBody": {
            "required": true,
            "content": {"application/json": {
                "schema": schema("ValidationRequest"),
                "examples": examples(checks),
            }},
        },
        "responses": {
            "200": {
                "description": "The check passed and the provider has something to tell.",
                "headers": rate(),
                "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
            },
            "204": {"description": "The check passed.", "headers": rate()},
            "400": response("BadRequest"),
            "401": response("Unauthorized"),
            "405": response("MethodNotAllowed"),
            "413": response("PayloadTooLarge"),
            "415": response("UnsupportedMediaType"),
            "429": response("TooManyRequests"),
            "500": response("NoVerdict"),
        },
    })
}

/// Each provider's first documented exchange that passes.
fn examples(checks: &Checks) -> Value {
    let mut examples = Map::new();
    for descriptor in checks.registry().iter().map(ProviderValidator::descriptor) {
        let exchanges = exchange::parse(descriptor.exchanges).unwrap_or_default();
        let passes =
            exchanges.into_iter().find(|exchange| exchange.verdict.verdict() == Verdict::Valid);
        if let Some(exchange) = passes {
            let example = json!({
                "summary": exchange.title,
                "value": {
                    "name": format!("Example {}", descriptor.title),
                    "provider_id": descriptor.id,
                    "settings": exchange.settings,
                    "status": "active",
                },
            });
            examples.insert(descriptor.name.to_owned(), example);
        }
    }
    Value::Object(examples)
}

fn headers() -> Value {
    let number = |description: &str| json!({"description": description, "schema": {"type": "integer", "minimum": 0}});
    json!({
        "X-Trace-Id": {
            "description": "The id of this request, in the log too.",
            "schema": {"type": "string", "format": "uuid"},
        },
        "X-RateLimit-Limit": number("How many requests the window with the fewest left takes."),
        "X-RateLimit-Remaining": number("How many requests are left in it."),
        "X-RateLimit-Reset": number("In how many seconds it begins anew."),
        "Retry-After": {
            "description": "In how many seconds it is worth asking again.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "X-Bonafide-Warnings": {
            "description": "Codes of what is worth knowing although the check passed, between commas; absent if there is nothing.",
            "schema": {"type": "string"},
        },
        "Allow": {"description": "The methods that the route takes.", "schema": {"type": "string"}},
        "WWW-Authenticate": {"description": "Always `Bearer`.", "schema": {"const": "Bearer"}},
    })
}

fn responses() -> Value {
    let answer = |code: u16, description: &str, own_headers: &[&str]| {
        let title =
            TITLES.iter().find(|(status, _)| *status == code).map_or("", |(_, title)| title);
        let mut headers = Map::new();
        for name in [&["X-Trace-Id"], own_headers].concat() {
            headers.insert(name.to_owned(), header(name));
        }
        let errors = matches!(code, 400 | 500);
        let mut example = json!({"code": code, "title": title});
        if code != 500 {
            example["message"] = description.into();
        }
        example["trace_id"] = TRACE_ID_EXAMPLE.into();
        if errors {
            let cause =
                if code == 400 { Cause::InvalidCredentials } else { Cause::ProviderUnavailable };
            example["errors"] = json!([{"code": cause, "message": cause.meaning()}]);
        }
        json!({
            "description": description,
            "headers": headers,
            "content": {"application/json": {
                "schema": {
                    "allOf": [schema("Error")],
                    "properties": {"code": {"const": code}, "title": {"const": title}},
                    "required": if errors { json!(["errors"]) } else { json!(["message"]) },
                },
                "example": example,
            }},
        })
    };
    let rate = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
    json!({
        "BadRequest": answer(400, "The request or its settings are refused, by Bonafide or by the provider.", &rate),
        "Unauthorized": answer(401, "There is no token, or no account has it.", &["WWW-Authenticate"]),
        "NotFound": answer(404, "There is no such route or provider.", &[]),
        "MethodNotAllowed": answer(405, "The route does not take this method.", &["Allow"]),
        "PayloadTooLarge": answer(413, "The body is larger than 64 KiB.", &rate),
        "UnsupportedMediaType": answer(415, "The body is not JSON.", &rate),
        "TooManyRequests": answer(429, "The account has used up its requests for now.", &["Retry-After"]),
        "NoVerdict": answer(
            500,
            "There is no verdict: the provider is down, slow, limiting or answers nonsense, or Bonafide failed.",
            &[&rate[..], &["Retry-After"]].concat(),
        ),
    })
}

fn schemas(checks: &Checks) -> Value {
    let mut schemas = Map::new();
    let mut requests = Vec::new();
    for validator in checks.registry().iter() {
        let descriptor = validator.descriptor();
        // Every schema was compiled at the start.
        let Ok(settings) = checks.environment().schema_of(validator) else { continue };
        let name = format!("Settings.{}", descriptor.name);
        let mut settings = settings.document().clone();
        if let Some(settings) = settings.as_object_mut() {
            // What concerns a document of its own means nothing inside of another.
            settings.retain(|keyword, _| !keyword.starts_with('$'));
        }
        requests.push(json!({
            "title": descriptor.title,
            "properties": {
                "provider_id": {"const": descriptor.id},
                "settings": schema(&name),
            },
        }));
        schemas.insert(name, settings);
    }
    schemas.insert(
        "ValidationRequest".to_owned(),
        json!({
            "type": "object",
            "properties": {
                "name": {
                    "type": "string", "minLength": 1, "maxLength": LONGEST_NAME,
                    "description": "What the integration is called.",
                },
                "provider_id": {
                    "type": "string", "enum": ids(checks),
                    "description": "Whose settings these are, as the catalogue lists it.",
                },
                "settings": {"type": "object", "description": "The provider's settings."},
                "status": {"type": "string", "enum": ["active", "inactive"], "default": "active"},
            },
            "required": ["name", "provider_id", "settings"],
            "oneOf": requests,
        }),
    );
    schemas.insert("ProviderType".to_owned(), json!({"type": "string", "enum": ProviderType::ALL}));
    schemas.insert(
        "Catalogue".to_owned(),
        json!({
            "type": "object",
            "properties": {
                "total": {"type": "integer", "minimum": 0},
                "items": {"type": "array", "items": schema("Provider")},
            },
            "required": ["total", "items"],
        }),
    );
    schemas.insert(
        "Provider".to_owned(),
        json!({
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "type": schema("ProviderType"),
                "name": {"type": "string"},
                "title": {"type": "string"},
                "settings": {"type": "array", "items": schema("Setting")},
            },
            "required": ["id", "type", "name", "title", "settings"],
        }),
    );
    schemas.insert("Setting".to_owned(), json!({
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
    }));
    schemas.insert("Error".to_owned(), error_schema());
    schemas.insert("Problem".to_owned(), json!({
        "type": "object",
        "properties": {
            "code": schema("Cause"),
            "pointer": {"type": "string", "format": "json-pointer", "description": "The place in the request body that is at fault."},
            "message": {"type": "string"},
            "hint": {"type": "string", "description": "What to do about it."},
        },
        "required": ["code", "message"],
    }));
    schemas.insert("Cause".to_owned(), json!({
        "description": "Why there is no pass.",
        "oneOf": Cause::ALL.map(|cause| json!({"const": cause, "description": cause.meaning()})),
    }));
    schemas.insert("WarningCode".to_owned(), json!({
        "description": "What is worth knowing although the check passed.",
        "oneOf": WarningCode::ALL.map(|code| json!({"const": code, "description": code.meaning()})),
    }));
    Value::Object(schemas)
}

fn error_schema() -> Value {
    json!({
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
    })
}

#[cfg(test)]
mod tests {
    use bonafide_core::Environment;
    use bonafide_registry::Registry;

    use super::*;
    use crate::api::ROUTES;

    fn built() -> Value {
        let environment = Environment::builder().build().unwrap();
        document(&Checks::new(Registry::collect().unwrap(), environment))
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
}
