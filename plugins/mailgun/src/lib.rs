#![doc = include_str!("../README.md")]

use bonafide_core::prelude::*;
use serde::de::IgnoredAny;

/// Mailgun, by Sinch.
#[derive(Clone, Copy, Debug)]
pub struct Mailgun;

register_provider!(Mailgun);

/// What a Mailgun integration is made of.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Settings {
    /// A private API key of the account, or a sending key of the domain.
    #[schemars(title = "API key")]
    pub api_key: ApiKey,
    /// The sending domain, as it stands in Mailgun.
    #[schemars(title = "Domain", example = &"mg.example.com")]
    pub domain: DomainName,
    /// The address that mail is sent from, in the sending domain.
    #[schemars(title = "Sender email", example = &"news@mg.example.com")]
    pub sender_email: Option<EmailAddress>,
    /// The name that recipients see.
    #[schemars(title = "Sender name", example = &"Example News")]
    pub sender_name: Option<Text>,
}

#[async_trait]
impl Provider for Mailgun {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor::new("1005", "mailgun", ProviderType::Email, "Mailgun")
        .with_base_urls(&[
            BaseUrl::main("https://api.mailgun.net"),
            BaseUrl::region("eu_base_url", "https://api.eu.mailgun.net"),
        ])
        .with_requests(&[
            AllowedRequest::get(
                "/v4/domains/*",
                "reads a domain: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/domains",
            ),
            AllowedRequest::post(
                "/v3/*/messages",
                "an empty form, which cannot be queued: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages",
            ),
        ])
        // The domains API takes 300 requests a minute of one account: `source/api-domains.rst` of
        // https://github.com/mailgun/documentation.
        .with_limits(ProviderLimits::CAUTIOUS.with_max_per_second(5))
        .with_interactions(include_str!("../interactions.json"));

    fn check(&self, settings: &Settings) -> Vec<Problem> {
        let public = || {
            Problem::new(Cause::WrongCredentialKind)
                .with_field("api_key")
                .with_message("This is Mailgun's public validation key, which cannot send.")
                .with_hint("Use a private API key, or a sending key of the domain.")
        };
        let is_public = settings.api_key.expose_secret().starts_with("pubkey-");
        is_public.then(public).into_iter().collect()
    }

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let path = ["v4", "domains", settings.domain.as_str()];
        let response = context.get(path).basic_auth("api", &settings.api_key).send().await?;
        let outcome = match (response.status(), response.at::<Value>("/domain")) {
            (200, Some(domain)) => classify_domain(&response, &domain)?,
            // A sending key may do nothing but send, so every other request calls it invalid.
            (401, _) if is_refusal_of_key(&message(&response)) => {
                ask_to_send_nothing(context, settings).await?
            }
            _ => return Err(classify(&response)),
        };
        Ok(with_sender(outcome, settings))
    }
}

fn classify_domain(response: &Response, domain: &Value) -> Result<Outcome, Failure> {
    if is_disabled(domain) {
        return Err(Failure::account_suspended("domain")
            .with_message("The key is real, but Mailgun has disabled the domain.")
            .with_hint("Ask Mailgun's support why the domain is disabled."));
    }
    let outcome = match domain["state"].as_str() {
        Some("active") => Outcome::valid(),
        Some("unverified") => Outcome::valid().with_warning(unverified()),
        _ => return Err(response.inconclusive()),
    };
    Ok(if domain["type"] == "sandbox" { outcome.with_warning(limited()) } else { outcome })
}

/// Why a domain is disabled is left out, null or empty for one that is not.
fn is_disabled(domain: &Value) -> bool {
    let why = &domain["disabled"];
    let says = |member: &str| why[member].as_str().is_some_and(|text| !text.is_empty());
    let stated = domain["state"] == "disabled" || domain["is_disabled"] == true;
    stated || why["permanently"] == true || says("code") || says("reason")
}

/// Mailgun signs for its domain, so a sender outside of it is not verified by anybody.
fn with_sender(outcome: Outcome, settings: &Settings) -> Outcome {
    let within = |inner: &str, outer: &str| {
        let (inner, outer) = (inner.to_ascii_lowercase(), outer.to_ascii_lowercase());
        inner == outer || inner.strip_suffix(&outer).is_some_and(|rest| rest.ends_with('.'))
    };
    let domain = settings.domain.as_str();
    match settings.sender_email.as_ref().map(EmailAddress::domain) {
        Some(sender) if !within(sender, domain) && !within(domain, sender) => outcome.with_warning(
            Warning::sender_unverified("sender_email")
                .with_hint("Use an address in the sending domain, or in the domain above it."),
        ),
        _ => outcome,
    }
}

fn limited() -> Warning {
    Warning::new(WarningCode::AccountLimited).with_field("domain").with_hint(
        "Until the plan is changed or the domain is your own, only authorised recipients get mail.",
    )
}

fn unverified() -> Warning {
    Warning::sender_unverified("domain").with_hint(
        "Set the DNS records that Mailgun shows for the domain; until then it refuses to send.",
    )
}

/// Tells a sending key from a wrong one by a message without sender, receiver and text, which cannot be sent:
/// a key that may send is told what is missing.
async fn ask_to_send_nothing(context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
    let path = ["v3", settings.domain.as_str(), "messages"];
    let empty_form =
        context.post(path).body("multipart/form-data; boundary=empty", b"--empty--\r\n");
    let response = empty_form.basic_auth("api", &settings.api_key).send().await?;
    let text = message(&response).to_ascii_lowercase();
    let says =
        |words: &[&str]| response.status() == 400 && words.iter().any(|words| text.contains(words));
    if says(&["activate your mailgun account"]) {
        Err(Failure::account_suspended("api_key")
            .with_hint("Activate the account: Mailgun has sent a link by mail."))
    } else if says(&["domain is unverified"]) {
        Ok(Outcome::valid().with_warning(unverified()))
    } else if says(&["free accounts", "sandbox subdomains"]) {
        Ok(Outcome::valid().with_warning(limited()))
    } else if says(&["parameter", "need at least one"]) {
        Ok(Outcome::valid())
    } else {
        Err(classify(&response))
    }
}

/// The meaning of Mailgun's statuses where it says in its own form what is wrong:
/// <https://documentation.mailgun.com/docs/mailgun/api-reference/api-overview>.
fn classify(response: &Response) -> Failure {
    let text = message(response);
    match response.status() {
        401 if is_refusal_of_key(&text) => Failure::invalid_credentials("api_key")
            .with_hint("Check the key in Mailgun's API Security; a sending key belongs to one domain only.")
            .or_other_region(),
        402 if !text.is_empty() => Failure::insufficient_permission("api_key")
            .with_hint("The account's plan does not allow this: see its billing."),
        403 if is_lack_of_permission(&text) => Failure::insufficient_permission("api_key")
            .with_hint("The key's role may not do this, or the account's IP allow-list does not know our address."),
        404 if text.starts_with("Domain not found") => Failure::not_found("domain")
            .with_hint("Check the spelling, and that the domain belongs to the account of this key.")
            .or_other_region(),
        404 if !response.is_from_intermediary() && response.json::<IgnoredAny>().is_none() => Failure::internal("Mailgun does not know the path"),
        429 => response
            .inconclusive()
            .with_retry_after(response.retry_after_at("/retry-seconds")),
        _ => response.inconclusive(),
    }
}

/// What Mailgun says in a refusal: JSON with a `message`, a JSON string, or plain text; empty where it says nothing.
fn message(response: &Response) -> String {
    // Plain text is documented for a refused key alone; any proxy says as much with a 403.
    let is_refusal = |text: &&str| response.status() == 401 && *text == "Forbidden";
    let plain = || response.text().filter(is_refusal).map(str::to_owned);
    response.at("/message").or_else(|| response.at("")).or_else(plain).unwrap_or_default()
}

fn is_refusal_of_key(text: &str) -> bool {
    matches!(text, "Invalid private key" | "Forbidden")
}

fn is_lack_of_permission(text: &str) -> bool {
    text == "Forbidden"
        || text.starts_with("Incompatible key")
        || text.to_ascii_lowercase().contains("permission")
}
