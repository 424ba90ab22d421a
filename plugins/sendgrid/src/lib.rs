#![doc = include_str!("../README.md")]

use bonafide_core::prelude::*;

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
    /// Whom mail comes from.
    #[serde(flatten)]
    pub sender: DefaultSender,
}

/// A domain, or the address of a single sender, and whether SendGrid has verified it.
#[derive(Deserialize)]
struct Identity {
    #[serde(alias = "from_email")]
    domain: String,
    #[serde(alias = "verified")]
    valid: bool,
}

#[async_trait]
impl Provider for SendGrid {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor::new("1003", "sendgrid", ProviderType::Email, "SendGrid")
        .with_base_urls(&[
            BaseUrl::main("https://api.sendgrid.com"),
            BaseUrl::region("eu_base_url", "https://api.eu.sendgrid.com"),
        ])
        .with_requests(&[
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
        ])
        .with_interactions(include_str!("../interactions.json"));

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let response = context.get(["v3", "scopes"]).bearer_auth(&settings.api_key).send().await?;
        if response.status() == 200 {
            return if response
                .list::<JsonStr<'_>>("/scopes")?
                .iter()
                .any(|scope| scope == "mail.send")
            {
                Ok(outcome(context, settings).await)
            } else {
                Err(Failure::insufficient_permission("api_key").with_hint(
                    "Give the key the scope `mail.send`: Mail Send, Full Access, in its permissions.",
                ))
            };
        }
        let (status, message) = response.error_code::<String>("/errors/0/message");
        Err(match (status, message.as_deref()) {
            (401, Some("Maximum credits exceeded")) => Failure::insufficient_permission("api_key")
                .with_hint("The account has no credits left to send with: see its plan."),
            (401, Some("Authenticated user is not authorized to send mail")) => {
                Failure::insufficient_permission("api_key").with_hint("Ask SendGrid why the account may not send.")
            }
            (401, Some(_)) => Failure::invalid_credentials("api_key")
                .with_hint("Create a new key in Settings, API Keys: SendGrid shows a key only once.")
                .or_other_region(),
            (403, Some(_)) => Failure::insufficient_permission("api_key").with_hint(
                "Either the key lacks a scope, or IP Access Management does not know our address, or SendGrid blocks for a while after bad requests.",
            ),
            (451, Some(_)) => Failure::invalid_settings("api_key")
                .with_message("SendGrid does not serve this key in this region.")
                .with_hint("Use a key of the region that the account belongs to.")
                .or_other_region(),
            (404 | 406, Some(_)) => Failure::internal("SendGrid does not know the request"),
            _ => response.inconclusive(),
        })
    }
}

/// A pass, with a warning where SendGrid has verified neither the sender's domain nor its address.
async fn outcome(context: &Context, settings: &Settings) -> Outcome {
    let Some(sender) = &settings.sender.default_sender_email else { return Outcome::valid() };
    let warning = Warning::sender_unverified("default_sender_email").with_hint(
        "Authenticate its domain or verify the address: Settings, Sender Authentication.",
    );
    context.warn_unless(is_verified(context, &settings.api_key, sender), warning).await
}

/// Asks for the domain first, which settles it for most; fails where the key may not know.
async fn is_verified(
    context: &Context,
    key: &ApiKey,
    sender: &EmailAddress,
) -> Result<bool, Failure> {
    let verified = |identity: &Identity, name: &str| {
        identity.valid && identity.domain.eq_ignore_ascii_case(name)
    };
    let domains = context.get(["v3", "whitelabel", "domains"]).query("domain", sender.domain());
    let domains: Vec<Identity> = domains.bearer_auth(key).send().await?.list("")?;
    if domains.iter().any(|domain| verified(domain, sender.domain())) {
        return Ok(true);
    }
    let senders = context.get(["v3", "verified_senders"]).query("limit", "1000");
    let senders: Vec<Identity> = senders.bearer_auth(key).send().await?.list("/results")?;
    // A full page may go on, so it proves nothing about a sender that it lacks.
    Ok(senders.len() >= 1000 || senders.iter().any(|known| verified(known, sender.as_str())))
}
