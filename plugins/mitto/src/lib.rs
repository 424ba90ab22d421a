#![doc = include_str!("../README.md")]

use bonafide_core::prelude::*;

/// Mitto's SMS API.
#[derive(Clone, Copy, Debug)]
pub struct Mitto;

register_provider!(Mitto);

/// What a Mitto integration is made of.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Settings {
    /// The key of the account's API, from the Mitto customer portal.
    #[schemars(title = "API key")]
    pub api_key: ApiKey,
    /// The name or number that recipients see: 3 to 11 letters and digits, or 3 to 14 digits.
    #[schemars(title = "Sender name", example = &"Example")]
    pub sender_name: Option<String>,
}

#[async_trait]
impl Provider for Mitto {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor::new("1004", "mitto", ProviderType::Sms, "Mitto")
        .with_base_urls(&[BaseUrl::main("https://rest.mittoapi.net")])
        .with_requests(&[AllowedRequest::post(
            "/sms",
            "a dry run, with `test`: nothing is delivered or charged: https://docs.mitto.ch/sms-use-cases",
        )])
        .with_interactions(include_str!("../interactions.json"));

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        // `test` makes it a dry run; the number is one that cannot be assigned.
        let from = settings.sender_name.as_deref().unwrap_or("Bonafide");
        let dry_run = json!({"from": from, "to": "15555550100", "text": "check", "test": true});
        let request = context.post(["sms"]).secret_header("X-Mitto-API-Key", &settings.api_key);
        let response = request.json(&dry_run).send().await?;
        Err(match response.error_code::<i64>("/responseCode") {
            (200..=299, Some(0)) if response.at("/test") == Some(true) => return Ok(Outcome::valid()),
            (200..=299 | 400, Some(5 | 6)) if settings.sender_name.is_some() => {
                Failure::invalid_settings("sender_name")
                    .with_hint("Use 3 to 11 letters and digits, or 3 to 14 digits.")
            }
            // What is refused is the dry run's own number or sender name, and the key was read before them.
            (200..=299 | 400, Some(5..=8)) => return Ok(Outcome::valid()),
            (200..=299 | 400, Some(2..=4)) => Failure::internal("Mitto does not understand the dry run"),
            (200..=299 | 400, Some(1)) => response.unavailable(),
            // Mitto documents no body for its refusals, so the status counts.
            (401, _) if !response.is_from_intermediary() => Failure::invalid_credentials("api_key")
                .with_hint("Check the key. Mitto may answer the same to an address that is not on the account's list of callers."),
            (403, _) if !response.is_from_intermediary() => Failure::insufficient_permission("api_key")
                .with_hint("Ask Mitto to add our address to the account's list of callers, or to enable SMS for the key."),
            _ => response.inconclusive(),
        })
    }
}
