#![doc = include_str!("../README.md")]

use bonafide_core::field::{ApiKey, EmailAddress, Text};
use bonafide_core::{
    AllowedRequest, BaseUrl, Cause, Context, Descriptor, Destination, ExposeSecret, Failure,
    Outcome, Problem, Provider, ProviderType, async_trait, register_provider,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Mailchimp Transactional, formerly Mandrill.
#[derive(Clone, Copy, Debug)]
pub struct Mandrill;

register_provider!(Mandrill);

/// What a Mailchimp Transactional integration is made of.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Settings {
    /// A key from Mailchimp Transactional's Settings, SMTP & API Info; not a key of Mailchimp Marketing.
    #[schemars(title = "API key")]
    pub api_key: ApiKey,
    /// The name that recipients see.
    #[schemars(title = "Default sender name", example = &"Example News")]
    pub default_sender_name: Option<Text>,
    /// The address that mail is sent from, in a verified domain.
    #[schemars(title = "Default sender email", example = &"news@example.com")]
    pub default_sender_email: Option<EmailAddress>,
    /// The address that answers go to.
    #[schemars(title = "Default reply-to email", example = &"help@example.com")]
    pub default_reply_to_email: Option<EmailAddress>,
}

#[derive(Deserialize)]
struct Pong {
    #[serde(rename = "PING")]
    _ping: String,
}

/// Mandrill's own form of an error. The name decides: a bad key is answered with status 401 or 500, as the version
/// goes.
#[derive(Deserialize)]
struct Refusal {
    status: String,
    name: String,
}

#[async_trait]
impl Provider for Mandrill {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor {
        id: "1002",
        name: "mandrill",
        provider_type: ProviderType::Email,
        title: "Mailchimp Transactional",
        destination: Destination::BuiltIn(&[BaseUrl {
            key: "base_url",
            url: "https://mandrillapp.com/api/1.3",
        }]),
        requests: &[AllowedRequest::post(
            "/users/ping2",
            "answers PONG and is marked read-only: https://mailchimp.com/developer/transactional/api/users/ping-2/",
        )],
        exchanges: include_str!("../exchanges.json"),
    };

    fn check(&self, settings: &Settings) -> Vec<Problem> {
        if is_marketing_key(settings.api_key.expose_secret()) {
            vec![
                Problem::new(Cause::WrongCredentialKind)
                    .at("api_key")
                    .message(
                        "This is a key of Mailchimp Marketing, not of Mailchimp Transactional.",
                    )
                    .hint("Create a key in Mailchimp Transactional: Settings, SMTP & API Info."),
            ]
        } else {
            Vec::new()
        }
    }

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let question = json!({"key": settings.api_key.expose_secret()});
        let answer = context.post(&["users", "ping2"]).json(&question).send().await?;
        if answer.status() == 200 && answer.json::<Pong>().is_some() {
            return Ok(Outcome::valid());
        }
        let name = match answer.json::<Refusal>() {
            Some(refusal) if refusal.status == "error" => refusal.name,
            _ => return Err(answer.no_verdict()),
        };
        Err(answer.failure(match name.as_str() {
            "Invalid_Key" => Failure::invalid_credentials("api_key")
                .hint("Check that the key is active in Settings, SMTP & API Info."),
            "PaymentRequired" => Failure::insufficient_permission("api_key")
                .hint("The account must be paid for before it can send."),
            "RequestLimitExceeded" => {
                Failure::new(Cause::ProviderRateLimited).retry_after(answer.no_verdict().wait())
            }
            "ServiceUnavailable" | "GeneralError" => Failure::provider_unavailable(),
            "ValidationError" => Failure::internal("Mandrill does not understand the request"),
            _ => Failure::unexpected_response()
                .note("an error name that is not documented for this request"),
        }))
    }
}

/// The form of Mailchimp Marketing's keys, 32 hexadecimal digits and the data centre:
/// <https://mailchimp.com/developer/marketing/guides/quick-start/>.
fn is_marketing_key(key: &str) -> bool {
    key.split_once("-us").is_some_and(|(digits, data_centre)| {
        digits.len() == 32
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            && (1..=3).contains(&data_centre.len())
            && data_centre.bytes().all(|byte| byte.is_ascii_digit())
    })
}
