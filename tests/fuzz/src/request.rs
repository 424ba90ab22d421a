//! The body of a request.

use std::fmt::Write as _;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use bonafide_core::ProviderValidator;
use bonafide_core::host::{SettingsSchema, SubmittedSettings};
use bonafide_testkit::{Secrets, interactions};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use crate::harness::Harness;
use crate::{CANARY, MANIFEST, canary, lines, provider, providers, settings_with_canary};

const TOKEN: &str = "token-of-fuzzing";
/// `sha256sum` of it.
const TOKEN_SHA256: &str = "119d63e81c35451ee885050f6f8fc4036006ca187b70c91ef9a7a926d7972a1b";

/// What a request can be refused for before anybody is asked.
const BEFORE_ASKING: [&str; 4] =
    ["malformed_request", "unknown_provider", "invalid_settings", "wrong_credential_kind"];

pub(crate) struct Requests {
    router: Router,
    smtp: &'static dyn ProviderValidator,
    schema: SettingsSchema,
    secrets: Secrets,
    /// Stands for every provider: it is down.
    _harness: Harness,
}

impl Requests {
    pub(crate) async fn new() -> Self {
        let harness = Harness::start().await;
        harness.answers(vec![b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n".to_vec()]);
        let mut config = format!(
            "[[accounts]]\nid = \"a\"\ntoken_sha256 = \"{TOKEN_SHA256}\"\n[rate_limit]\nper_second = 0\nper_minute = 0\n\
             [egress]\nallow = [\"127.0.0.0/8\"]\n"
        );
        for descriptor in providers().iter().map(|provider| provider.descriptor()) {
            writeln!(config, "[providers.{}]", descriptor.name).unwrap();
            for url in descriptor.base_urls() {
                writeln!(config, "{} = \"http://{}\"", url.key, harness.address).unwrap();
            }
        }
        let router = bonafide::router(MANIFEST, &config).await.unwrap();
        let smtp = provider("smtp");
        let schema = smtp.settings_schema().unwrap();
        Self { router, smtp, schema, secrets: canary(), _harness: harness }
    }

    pub(crate) async fn hold(&self, input: &[u8]) -> Result<(), String> {
        if let Ok(outline) = serde_json::from_slice::<Outline>(input) {
            // An unknown setting whose name is an identifier is named, so whoever puts a secret there is shown it.
            if self.secrets.absent_from("a name", &outline.names()).is_err() {
                return Ok(());
            }
            // What names a host would be looked up and dialled, so its settings are judged alone.
            if outline.provider_id == self.smtp.descriptor().id {
                let settings = SubmittedSettings::new(outline.settings);
                return match self.smtp.check_settings(&self.schema, settings) {
                    Ok(_) => Ok(()),
                    Err(failure) => self.secrets.absent_from("a failure", &format!("{failure:?}")),
                };
            }
        }
        let request = Request::post("/v1/hood/integrations/validate")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Body::from(input.to_vec()))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        self.secrets.absent_from("the headers", &format!("{:?}", answer.headers()))?;
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        self.secrets.absent_from("the answer", &String::from_utf8_lossy(&body))?;
        let body: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let errors = body["errors"].as_array().into_iter().flatten();
        let codes: Vec<&str> = errors.filter_map(|error| error["code"].as_str()).collect();
        // Every provider is down, so nothing can pass, and nothing that was asked can be refused.
        let holds = match status {
            StatusCode::PAYLOAD_TOO_LARGE => input.len() > 64 * 1024,
            StatusCode::BAD_REQUEST => {
                !codes.is_empty() && codes.iter().all(|code| BEFORE_ASKING.contains(code))
            }
            StatusCode::INTERNAL_SERVER_ERROR => {
                codes == ["provider_unavailable"] || codes == ["provider_timeout"]
            }
            _ => false,
        };
        if holds { Ok(()) } else { Err(format!("{status}: {codes:?}")) }
    }
}

/// What decides where a request leads. Read like the product reads it: what stands beside is of no account.
#[derive(Deserialize)]
struct Outline {
    provider_id: Value,
    settings: Map<String, Value>,
}

impl Outline {
    fn names(&self) -> String {
        self.settings.keys().flat_map(|name| [name, "\n"]).collect()
    }
}

/// A request for every interaction of every provider, and some that are beside it.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> =
        lines(include_str!("../corpus/requests.txt")).map(<[u8]>::to_vec).collect();
    for provider in providers() {
        let id = provider.descriptor().id;
        let documented = interactions(provider).unwrap().into_iter();
        let with_canary = settings_with_canary(provider).0;
        for settings in documented.map(|interaction| interaction.settings).chain([with_canary]) {
            let request = json!({"name": CANARY, "provider_id": id, "settings": settings, "status": "active"});
            seeds.push(request.to_string().into_bytes());
        }
    }
    seeds
}
