#![doc = include_str!("../README.md")]

use bonafide_core::field::{ApiKey, EmailAddress};
use bonafide_core::{
    AllowedRequest, BaseUrl, Context, Descriptor, Destination, Failure, Outcome, Provider,
    ProviderType, Warning, WarningCode, async_trait, register_provider,
};
use schemars::JsonSchema;
use serde::Deserialize;

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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    delivery_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    error_code: u32,
}

#[async_trait]
impl Provider for Postmark {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor {
        id: "2000",
        name: "postmark",
        provider_type: ProviderType::Email,
        title: "Postmark",
        destination: Destination::BuiltIn(&[BaseUrl {
            key: "base_url",
            url: "https://api.postmarkapp.com",
        }]),
        requests: &[AllowedRequest::get(
            "/server",
            "reads: https://postmarkapp.com/developer/api/server-api",
        )],
        exchanges: include_str!("../exchanges.json"),
    };

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let request = context
            .get(&["server"])
            .secret_header("X-Postmark-Server-Token", &settings.server_token);
        let answer = request.send().await?;
        if let (200, Some(server)) = (answer.status(), answer.json::<Server>()) {
            return Ok(match server.delivery_type.as_str() {
                "Sandbox" => Outcome::valid().with_warning(
                    Warning::new(WarningCode::AccountLimited)
                        .hint("This server keeps what is sent and delivers nothing."),
                ),
                _ => Outcome::valid(),
            });
        }
        match (answer.status(), answer.json::<Refusal>()) {
            (401, Some(Refusal { error_code: 10 })) => Err(Failure::invalid_credentials(
                "server_token",
            )
            .hint("Copy a server token, not an account token, from the server's API Tokens page.")),
            _ => Err(answer.no_verdict()),
        }
    }
}
