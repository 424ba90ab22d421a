#![doc = include_str!("../README.md")]

use bonafide_core::field::{ApiKey, EmailAddress, Text};
use bonafide_core::{
    AllowedRequest, BaseUrl, Cause, Context, Descriptor, Destination, ExposeSecret, Failure,
    Outcome, Problem, Provider, ProviderType, Warning, WarningCode, async_trait, register_provider,
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
        requests: &[
            AllowedRequest::post(
                "/users/ping2",
                "answers PONG and is marked read-only: https://mailchimp.com/developer/transactional/api/users/ping-2/",
            ),
            AllowedRequest::post(
                "/senders/domains",
                "lists domains and is marked read-only: https://mailchimp.com/developer/transactional/api/senders/list-sender-domains/",
            ),
        ],
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
            return Ok(outcome(context, settings).await);
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

/// A domain of the account. Mail may be sent from it when it is verified and signs.
#[derive(Deserialize)]
struct SenderDomain {
    domain: String,
    verified_at: Option<String>,
    valid_signing: bool,
}

/// A pass, with a warning where the sender's domain may not be sent from.
async fn outcome(context: &Context, settings: &Settings) -> Outcome {
    let Some(sender) = &settings.default_sender_email else { return Outcome::valid() };
    let warning = Warning::new(WarningCode::SenderUnverified)
        .at("default_sender_email")
        .hint("Verify the domain and its DKIM record: Settings, Domains.");
    context.warn_unless(is_verified(context, &settings.api_key, sender), warning).await
}

async fn is_verified(
    context: &Context,
    key: &ApiKey,
    sender: &EmailAddress,
) -> Result<bool, Failure> {
    let question = json!({"key": key.expose_secret()});
    let answer = context.post(&["senders", "domains"]).json(&question).send().await?;
    let (200, Some(domains)) = (answer.status(), answer.json::<Vec<SenderDomain>>()) else {
        return Err(answer.no_verdict());
    };
    Ok(domains.iter().any(|known| {
        known.domain.eq_ignore_ascii_case(sender.domain())
            && known.verified_at.is_some()
            && known.valid_signing
    }))
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

#[cfg(test)]
mod tests {
    use super::is_marketing_key;

    #[test]
    fn a_marketing_key_is_32_digits_and_a_data_centre() {
        let digits = "0123456789abcdefABCDEF0123456789";
        for key in [format!("{digits}-us1"), format!("{digits}-us21"), format!("{digits}-us100")] {
            assert!(is_marketing_key(&key), "{key}");
        }
        for key in [
            "md-0123456789",
            "0123456789abcdefABCDEF",
            &format!("{digits}-us"),
            &format!("{digits}-us1000"),
            &format!("{digits}-us2x"),
            &format!("{digits}-eu1"),
            &format!("{digits}0-us1"),
            &format!("{}g-us1", &digits[1..]),
            &format!("{}-us1", &digits[1..]),
        ] {
            assert!(!is_marketing_key(key), "{key}");
        }
    }
}
