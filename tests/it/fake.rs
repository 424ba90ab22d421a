//! A provider of the tests' own: this binary is a host that links it beside the bundled ones.

use std::time::Duration;

use bonafide_core::field::ApiKey;
use bonafide_core::{
    BaseUrl, Cause, Context, Descriptor, ExposeSecret as _, Failure, Outcome, Provider,
    ProviderType, Warning, WarningCode, async_trait, register_provider,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Answers as its key says.
struct Fake;

register_provider!(Fake);

#[derive(Deserialize, JsonSchema)]
struct Settings {
    /// What happens: a cause, or one of a few other words.
    #[schemars(title = "API key")]
    api_key: ApiKey,
    /// Who it is from.
    #[schemars(title = "Sender")]
    #[expect(dead_code, reason = "only its presence in the schema matters")]
    sender: Option<String>,
}

#[async_trait]
impl Provider for Fake {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor::new("9000", "fake", ProviderType::Push, "Fake")
        .with_base_urls(&[BaseUrl::main("https://fake.example.com")]);

    async fn validate(&self, _context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let key = settings.api_key.expose_secret();
        match key {
            "valid" => Ok(Outcome::valid()),
            "data" => Ok(Outcome::valid().with_data(json!([{"number": "+12185550100"}]))),
            "nothing" => Ok(Outcome::valid().with_data(json!([]))),
            "warns" => {
                Ok(Outcome::valid().with_warning(Warning::new(WarningCode::SenderUnverified)))
            }
            "panics-with-secret" => panic!("the payload holds {key}"),
            "never-answers" => std::future::pending().await,
            "limited" => Err(Failure::new(Cause::ProviderRateLimited)
                .with_retry_after(Some(Duration::from_millis(1500)))
                .with_provider_status(429)
                .with_note("a remark")),
            code => Err(Failure::new(Cause::from_code(code).unwrap_or(Cause::InvalidCredentials))
                .with_field("api_key")),
        }
    }
}
