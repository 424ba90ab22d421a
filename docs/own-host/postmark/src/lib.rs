#![doc = include_str!("../README.md")]

use bonafide_core::prelude::*;

/// Postmark.
#[derive(Clone, Copy, Debug)]
pub struct Postmark;

register_provider!(Postmark);

/// What a Postmark integration is made of.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Settings {
    /// The token of the server that sends, from its API Tokens page.
    #[schemars(title = "Server token")]
    pub server_token: ApiKey,
    /// The address that mail is sent from, with a confirmed sender signature.
    #[schemars(title = "Sender email", example = &"news@example.com")]
    pub sender_email: Option<EmailAddress>,
}

#[async_trait]
impl Provider for Postmark {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor =
        Descriptor::new("2000", "postmark", ProviderType::Email, "Postmark")
            .with_base_urls(&[BaseUrl::main("https://api.postmarkapp.com")])
            .with_requests(&[AllowedRequest::get(
                "/server",
                "reads: https://postmarkapp.com/developer/api/server-api",
            )])
            .with_interactions(include_str!("../interactions.json"));

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let request = context.get(["server"]);
        let request = request.secret_header("X-Postmark-Server-Token", &settings.server_token);
        let response = request.send().await?;
        if let (200, Some(delivers)) = (response.status(), response.at::<String>("/DeliveryType")) {
            let keeps = Warning::new(WarningCode::AccountLimited)
                .with_hint("This server keeps what is sent and delivers nothing.");
            let outcome = Outcome::valid();
            return Ok(if delivers == "Sandbox" { outcome.with_warning(keeps) } else { outcome });
        }
        Err(match response.error_code("/ErrorCode") {
            (401, Some(10)) => Failure::invalid_credentials("server_token")
                .with_hint("Copy a server token, not an account token, from its API Tokens page."),
            _ => response.inconclusive(),
        })
    }
}
