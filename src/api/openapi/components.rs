//! The headers, parameters and errors that routes share.

use bonafide_core::{Cause, WarningCode};
use serde_json::{Map, Value, json};

use super::{EVERY, RATE, headers as references, ids, schema};
use crate::api::catalogue::Catalogue;
use crate::api::error::TITLES;
use crate::check::NOT_VALID;
use bonafide_registry::Registry;

const TRACE_ID_EXAMPLE: &str = "99a84211-f73d-4ff8-acdf-eb3e06bb9d62";

pub(super) fn headers() -> Value {
    let number = |description: &str| json!({"description": description, "schema": {"type": "integer", "minimum": 0}});
    let warnings: Vec<String> = WarningCode::ALL
        .iter()
        .map(|code| format!("- `{}`: {}", code.code(), code.meaning()))
        .collect();
    json!({
        "X-Trace-Id": {
            "description": "The id of this request, in the log too.",
            "schema": {"type": "string", "format": "uuid"},
        },
        "X-Bonafide-Sandbox": {
            "description": "Stands in every answer of a service that asks emulators, and in no other.",
            "schema": {"type": "string", "const": "true"},
        },
        "Cache-Control": {
            "description": "An answer is for the one who asked, and no cache keeps it.",
            "schema": {"type": "string", "const": "no-store"},
        },
        "X-Content-Type-Options": {
            "description": "An answer is never taken for anything but what its type says.",
            "schema": {"type": "string", "const": "nosniff"},
        },
        "X-RateLimit-Limit": number("How many requests the window with the fewest left takes. Absent where nothing is limited."),
        "X-RateLimit-Remaining": number("How many requests are left in it."),
        "X-RateLimit-Reset": number("In how many seconds it begins anew."),
        "Retry-After": {
            "description": "In how many seconds it is worth asking again.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "X-Bonafide-Warnings": {
            "description": format!(
                "Codes of what is worth knowing although the check passed, between commas; absent if there is nothing.\n\n{}",
                warnings.join("\n"),
            ),
            "schema": {"type": "string"},
        },
        "Allow": {"description": "The methods that the route takes.", "schema": {"type": "string"}},
        "WWW-Authenticate": {
            "description": "The kind of token that is needed.",
            "schema": {"type": "string", "const": "Bearer"},
        },
    })
}

pub(super) fn parameters(registry: &Registry) -> Value {
    let ids = ids(registry);
    json!({
        "ProviderId": {
            "name": "id", "in": "path", "required": true,
            "description": "The provider's id, as the catalogue lists it.",
            "schema": {"type": "string", "enum": ids},
            "example": ids.first(),
        },
    })
}

/// An error as it is described: its status, when it comes, and the headers that no other answer has.
struct Answer {
    code: u16,
    description: &'static str,
    headers: Vec<&'static str>,
    /// By name, what the examples hold besides status, title and trace id.
    examples: Vec<(&'static str, Value)>,
}

impl Answer {
    fn new(code: u16, description: &'static str, headers: &[&'static str]) -> Self {
        let examples = vec![("error", json!({"message": description}))];
        Self { code, description, headers: [&EVERY[..], headers].concat(), examples }
    }

    fn examples(self, examples: Vec<(&'static str, Value)>) -> Self {
        Self { examples, ..self }
    }

    fn document(self) -> Value {
        let Self { code, description, headers, examples } = self;
        let title =
            TITLES.iter().find(|(status, _)| *status == code).map_or("", |(_, title)| title);
        let mut shown = Map::new();
        for (name, own) in examples {
            let mut value = json!({"code": code, "title": title});
            for member in ["message", "trace_id", "errors"] {
                match (member, own.get(member)) {
                    ("trace_id", _) => value[member] = TRACE_ID_EXAMPLE.into(),
                    (_, Some(given)) => value[member] = given.clone(),
                    (_, None) => {}
                }
            }
            shown.insert(name.to_owned(), json!({"value": value}));
        }
        let required = match code {
            400 => json!(["message", "errors"]),
            500 => json!(["errors"]),
            _ => json!(["message"]),
        };
        json!({
            "description": description,
            "headers": references(&headers),
            "content": {"application/json": {
                "schema": {
                    "allOf": [schema("Error"), {
                        "type": "object",
                        "properties": {
                            "code": {"type": "integer", "const": code},
                            "title": {"type": "string", "const": title},
                        },
                        "required": required,
                    }],
                },
                "examples": shown,
            }},
        })
    }
}

pub(super) fn responses(registry: &Registry) -> Value {
    let no_verdict = [&RATE[..], &["Retry-After"]].concat();
    let answers = [
        (
            "Rejected",
            Answer::new(400, "The request or its settings are refused, by Bonafide or by the provider.", &RATE)
                .examples(rejections(registry)),
        ),
        (
            "BadQuery",
            Answer::new(400, "The query is not valid.", &[]).examples(vec![(
                "unknown_type",
                json!({
                    "message": "The query is not valid.",
                    "errors": [{"code": Cause::MalformedRequest, "message": "There is no provider type of this name."}],
                }),
            )]),
        ),
        (
            "Unauthorized",
            Answer::new(401, "There is no token, or no account has it.", &["WWW-Authenticate"]),
        ),
        ("NotFound", Answer::new(404, "No provider has this id.", &[])),
        ("MethodNotAllowed", Answer::new(405, "The route does not take this method.", &["Allow"])),
        ("PayloadTooLarge", Answer::new(413, "The body is larger than 64 KiB.", &RATE)),
        ("UnsupportedMediaType", Answer::new(415, "The body is not JSON, or it is compressed.", &RATE)),
        (
            "TooManyRequests",
            Answer::new(429, "The account has used up its requests for now.", &["Retry-After"]),
        ),
        (
            "NoVerdict",
            Answer::new(
                500,
                "There is no verdict: the provider is down, slow, limiting or answers nonsense, or Bonafide failed.",
                &no_verdict,
            )
            .examples(
                [Cause::ProviderUnavailable, Cause::ProviderTimeout, Cause::ProviderRateLimited]
                    .map(|cause| (cause.code(), json!({"errors": [{"code": cause, "message": cause.meaning()}]})))
                    .into(),
            ),
        ),
        (
            "Failed",
            Answer::new(500, "Bonafide failed.", &[]).examples(vec![(
                Cause::Internal.code(),
                json!({"errors": [{
                    "code": Cause::Internal,
                    "message": "The request failed for a reason of ours.",
                    "hint": "Report it with the trace id.",
                }]}),
            )]),
        ),
    ];
    answers.into_iter().map(|(name, answer)| (name.to_owned(), answer.document())).collect()
}

/// What a refusal by the first provider looks like, and one by us.
fn rejections(registry: &Registry) -> Vec<(&'static str, Value)> {
    let first = Catalogue::of(registry, &[]).items.into_iter().next();
    let title = first.as_ref().map_or("The provider", |item| item.title);
    let secret = first.and_then(|item| item.settings.into_iter().find(|setting| setting.secret));
    let pointer = secret
        .map_or_else(|| "/settings".to_owned(), |setting| format!("/settings/{}", setting.name));
    let refused = format!("{title} refuses these credentials.");
    vec![
        (
            Cause::InvalidCredentials.code(),
            json!({
                "message": refused,
                "errors": [{
                    "code": Cause::InvalidCredentials,
                    "pointer": pointer,
                    "message": refused,
                    "hint": "Check it.",
                }],
            }),
        ),
        (
            Cause::InvalidSettings.code(),
            json!({
                "message": NOT_VALID,
                "errors": [
                    {
                        "code": Cause::MalformedRequest,
                        "pointer": "/name",
                        "message": "`name` is required and missing.",
                        "hint": "Give the integration a name of 1 to 100 characters.",
                    },
                    {
                        "code": Cause::InvalidSettings,
                        "pointer": pointer,
                        "message": "This must be a string.",
                        "hint": "Put it between quotes.",
                    },
                ],
            }),
        ),
    ]
}
