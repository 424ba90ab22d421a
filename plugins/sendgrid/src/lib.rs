#![doc = include_str!("../README.md")]

use bonafide_core::field::{ApiKey, EmailAddress, Text};
use bonafide_core::{
    AllowedRequest, BaseUrl, Context, Descriptor, Destination, Failure, Outcome, Provider,
    ProviderType, Warning, WarningCode, async_trait, register_provider,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// SendGrid, by Twilio.
#[derive(Clone, Copy, Debug)]
pub struct SendGrid;

register_provider!(SendGrid);

/// What a SendGrid integration is made of.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Settings {
    /// A key that may send mail, from Settings, API Keys.
    #[schemars(title = "API key")]
    pub api_key: ApiKey,
    /// The name that recipients see.
    #[schemars(title = "Default sender name", example = &"Example News")]
    pub default_sender_name: Option<Text>,
    /// The address that mail is sent from. SendGrid sends only from verified senders and domains.
    #[schemars(title = "Default sender email", example = &"news@example.com")]
    pub default_sender_email: Option<EmailAddress>,
    /// The address that answers go to.
    #[schemars(title = "Default reply-to email", example = &"help@example.com")]
    pub default_reply_to_email: Option<EmailAddress>,
}

/// The scopes of the key that asks.
#[derive(Deserialize)]
struct Granted {
    scopes: Vec<String>,
}

/// SendGrid's own form of an error.
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    message: String,
}

#[async_trait]
impl Provider for SendGrid {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor {
        id: "1003",
        name: "sendgrid",
        provider_type: ProviderType::Email,
        title: "SendGrid",
        destination: Destination::BuiltIn(&[
            BaseUrl { key: "base_url", url: "https://api.sendgrid.com" },
            BaseUrl { key: "eu_base_url", url: "https://api.eu.sendgrid.com" },
        ]),
        requests: &[
            AllowedRequest::get(
                "/v3/scopes",
                "lists the scopes of the key that asks: https://www.twilio.com/docs/sendgrid/api-reference/api-key-permissions",
            ),
            AllowedRequest::get(
                "/v3/whitelabel/domains",
                "lists domains: https://www.twilio.com/docs/sendgrid/api-reference/domain-authentication/list-all-authenticated-domains",
            ),
            AllowedRequest::get(
                "/v3/verified_senders",
                "lists senders: https://www.twilio.com/docs/sendgrid/api-reference/sender-verification/get-all-verified-senders",
            ),
        ],
        exchanges: include_str!("../exchanges.json"),
    };

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let answer = context.get(&["v3", "scopes"]).bearer(&settings.api_key).send().await?;
        if let (200, Some(granted)) = (answer.status(), answer.json::<Granted>()) {
            return if granted.scopes.iter().any(|scope| scope == "mail.send") {
                Ok(outcome(context, settings).await)
            } else {
                Err(answer.failure(Failure::insufficient_permission("api_key")).hint(
                    "Give the key the scope `mail.send`: Mail Send, Full Access, in its permissions.",
                ))
            };
        }
        let refusal = answer.json::<Refusal>().unwrap_or(Refusal { errors: Vec::new() });
        let Some(Reason { message }) = refusal.errors.into_iter().next() else {
            return Err(answer.no_verdict());
        };
        Err(answer.failure(match (answer.status(), message.as_str()) {
            (401, "Maximum credits exceeded") => Failure::insufficient_permission("api_key")
                .hint("The account has no credits left to send with: see its plan."),
            (401, "Authenticated user is not authorized to send mail") => {
                Failure::insufficient_permission("api_key").hint("Ask SendGrid why the account may not send.")
            }
            (401, _) => Failure::invalid_credentials("api_key")
                .hint("Create a new key in Settings, API Keys: SendGrid shows a key only once.")
                .or_other_region(),
            (403, _) => Failure::insufficient_permission("api_key").hint(
                "Either the key lacks a scope, or IP Access Management does not know our address, or SendGrid blocks for a while after bad requests.",
            ),
            (451, _) => Failure::invalid_settings("api_key")
                .message("SendGrid does not serve this key in this region.")
                .hint("Use a key of the region that the account belongs to.")
                .or_other_region(),
            (404 | 406, _) => Failure::internal("SendGrid does not know the request"),
            _ => return Err(answer.no_verdict()),
        }))
    }
}

#[derive(Deserialize)]
struct Domain {
    domain: String,
    valid: bool,
}

#[derive(Deserialize)]
struct Senders {
    results: Vec<Sender>,
}

#[derive(Deserialize)]
struct Sender {
    from_email: String,
    verified: bool,
}

/// More senders than this are not looked through.
const MOST_SENDERS: usize = 1000;

/// A pass, with a warning where SendGrid has verified neither the sender's domain nor its address.
async fn outcome(context: &Context, settings: &Settings) -> Outcome {
    let Some(sender) = &settings.default_sender_email else { return Outcome::valid() };
    let warning = Warning::new(WarningCode::SenderUnverified)
        .at("default_sender_email")
        .hint("Authenticate its domain or verify the address: Settings, Sender Authentication.");
    context.warn_unless(is_verified(context, &settings.api_key, sender), warning).await
}

/// Asks for the domain first, which settles it for most; fails where the key may not know.
async fn is_verified(
    context: &Context,
    key: &ApiKey,
    sender: &EmailAddress,
) -> Result<bool, Failure> {
    let domains = context.get(&["v3", "whitelabel", "domains"]).query("domain", sender.domain());
    let answer = domains.bearer(key).send().await?;
    let (200, Some(domains)) = (answer.status(), answer.json::<Vec<Domain>>()) else {
        return Err(answer.no_verdict());
    };
    if domains.iter().any(|known| known.valid && known.domain.eq_ignore_ascii_case(sender.domain()))
    {
        return Ok(true);
    }
    let senders =
        context.get(&["v3", "verified_senders"]).query("limit", &MOST_SENDERS.to_string());
    let answer = senders.bearer(key).send().await?;
    match (answer.status(), answer.json::<Senders>()) {
        (200, Some(Senders { results })) if results.len() < MOST_SENDERS => Ok(results
            .iter()
            .any(|known| known.verified && known.from_email.eq_ignore_ascii_case(sender.as_str()))),
        _ => Err(answer.no_verdict()),
    }
}
