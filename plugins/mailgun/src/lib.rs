#![doc = include_str!("../README.md")]

use bonafide_core::field::{ApiKey, DomainName, EmailAddress, Text};
use bonafide_core::{
    AllowedRequest, Answer, BaseUrl, Cause, Context, Descriptor, Destination, ExposeSecret,
    Failure, Outcome, Problem, Provider, ProviderType, Warning, WarningCode, async_trait,
    register_provider,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::time::Duration;

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

#[derive(Deserialize)]
struct DomainPage {
    domain: Domain,
}

#[derive(Deserialize)]
struct Domain {
    state: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    is_disabled: Option<bool>,
    disabled: Option<Disablement>,
}

impl Domain {
    fn is_disabled(&self) -> bool {
        self.state == "disabled"
            || self.is_disabled == Some(true)
            || self.disabled.as_ref().is_some_and(Disablement::holds)
    }
}

/// Why a domain is disabled. Mailgun leaves it out, or null, for one that is not.
#[derive(Deserialize)]
struct Disablement {
    code: Option<String>,
    reason: Option<String>,
    permanently: Option<bool>,
}

impl Disablement {
    fn holds(&self) -> bool {
        let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        says(&self.code) || says(&self.reason) || self.permanently == Some(true)
    }
}

/// Mailgun's own form of an error, and of a limit.
#[derive(Deserialize)]
struct Refusal {
    message: Option<String>,
    #[serde(rename = "retry-seconds")]
    retry_seconds: Option<u64>,
}

#[async_trait]
impl Provider for Mailgun {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor {
        id: "1005",
        name: "mailgun",
        provider_type: ProviderType::Email,
        title: "Mailgun",
        destination: Destination::BuiltIn(&[
            BaseUrl { key: "base_url", url: "https://api.mailgun.net" },
            BaseUrl { key: "eu_base_url", url: "https://api.eu.mailgun.net" },
        ]),
        requests: &[
            AllowedRequest::get(
                "/v4/domains/*",
                "reads a domain: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/domains",
            ),
            AllowedRequest::post(
                "/v3/*/messages",
                "an empty form, which cannot be queued: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages",
            ),
        ],
        exchanges: include_str!("../exchanges.json"),
    };

    fn check(&self, settings: &Settings) -> Vec<Problem> {
        if settings.api_key.expose_secret().starts_with("pubkey-") {
            vec![
                Problem::new(Cause::WrongCredentialKind)
                    .at("api_key")
                    .message("This is Mailgun's public validation key, which cannot send.")
                    .hint("Use a private API key, or a sending key of the domain."),
            ]
        } else {
            Vec::new()
        }
    }

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let path = ["v4", "domains", settings.domain.as_str()];
        let answer = context.get(&path).basic("api", &settings.api_key).send().await?;
        match (answer.status(), answer.json::<DomainPage>()) {
            (200, Some(page)) => conclude_from_domain(&answer, settings, &page.domain),
            // A sending key may do nothing but send, so every other request calls it invalid.
            (401, _) if message(&answer).is_some_and(|text| is_refusal_of_key(&text)) => {
                ask_to_send_nothing(context, settings).await
            }
            _ => Err(conclude(&answer)),
        }
    }
}

fn conclude_from_domain(
    answer: &Answer,
    settings: &Settings,
    domain: &Domain,
) -> Result<Outcome, Failure> {
    if domain.is_disabled() {
        let failure = Failure::account_suspended("domain")
            .message("The key is real, but Mailgun has disabled the domain.")
            .hint("Ask Mailgun's support why the domain is disabled.");
        return Err(answer.failure(failure));
    }
    let outcome = match domain.state.as_str() {
        "active" => Outcome::valid(),
        "unverified" => Outcome::valid().with_warning(unverified()),
        _ => return Err(answer.no_verdict()),
    };
    Ok(match domain.kind.as_deref() {
        Some("sandbox") => with_sender(outcome.with_warning(limited()), settings),
        _ => with_sender(outcome, settings),
    })
}

/// Mailgun signs for its domain, so a sender outside of it is not verified by anybody.
fn with_sender(outcome: Outcome, settings: &Settings) -> Outcome {
    let Some(sender) = &settings.sender_email else { return outcome };
    let within = |inner: &str, outer: &str| {
        let (inner, outer) = (inner.to_ascii_lowercase(), outer.to_ascii_lowercase());
        inner == outer || inner.strip_suffix(&outer).is_some_and(|rest| rest.ends_with('.'))
    };
    let domain = settings.domain.as_str();
    if within(sender.domain(), domain) || within(domain, sender.domain()) {
        return outcome;
    }
    outcome.with_warning(
        Warning::new(WarningCode::SenderUnverified)
            .at("sender_email")
            .hint("Use an address in the sending domain, or in the domain above it."),
    )
}

fn limited() -> Warning {
    Warning::new(WarningCode::AccountLimited).at("domain").hint(
        "Until the plan is changed or the domain is your own, only authorised recipients get mail.",
    )
}

fn unverified() -> Warning {
    Warning::new(WarningCode::SenderUnverified).at("domain").hint(
        "Set the DNS records that Mailgun shows for the domain; until then it refuses to send.",
    )
}

/// Tells a sending key from a wrong one by a message without sender, receiver and text, which cannot be sent:
/// a key that may send is told what is missing.
async fn ask_to_send_nothing(context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
    const EMPTY_FORM: (&str, &[u8]) = ("multipart/form-data; boundary=empty", b"--empty--\r\n");
    let path = ["v3", settings.domain.as_str(), "messages"];
    let request =
        context.post(&path).basic("api", &settings.api_key).body(EMPTY_FORM.0, EMPTY_FORM.1);
    let answer = request.send().await?;
    let (400, Some(text)) = (answer.status(), message(&answer)) else {
        return Err(conclude(&answer));
    };
    let says = |words: &str| text.to_ascii_lowercase().contains(words);
    if says("activate your mailgun account") {
        Err(answer.failure(
            Failure::account_suspended("api_key")
                .hint("Activate the account: Mailgun has sent a link by mail."),
        ))
    } else if says("domain is unverified") {
        Ok(with_sender(Outcome::valid().with_warning(unverified()), settings))
    } else if says("free accounts") || says("sandbox subdomains") {
        Ok(with_sender(Outcome::valid().with_warning(limited()), settings))
    } else if says("parameter") || says("need at least one") {
        Ok(with_sender(Outcome::valid(), settings))
    } else {
        Err(answer.no_verdict())
    }
}

/// The meaning of Mailgun's statuses where it says in its own form what is wrong:
/// <https://documentation.mailgun.com/docs/mailgun/api-reference/api-overview>.
fn conclude(answer: &Answer) -> Failure {
    let text = message(answer).unwrap_or_default();
    let failure = match answer.status() {
        401 if is_refusal_of_key(&text) => Failure::invalid_credentials("api_key")
            .hint("Check the key in Mailgun's API Security; a sending key belongs to one domain only.")
            .or_other_region(),
        402 if !text.is_empty() => Failure::insufficient_permission("api_key")
            .hint("The account's plan does not allow this: see its billing."),
        403 if is_lack_of_permission(&text) => Failure::insufficient_permission("api_key")
            .hint("The key's role may not do this, or the account's IP allow-list does not know our address."),
        404 if text.starts_with("Domain not found") => Failure::not_found("domain")
            .hint("Check the spelling, and that the domain belongs to the account of this key.")
            .or_other_region(),
        404 if !answer.is_foreign() && answer.json::<IgnoredAny>().is_none() => Failure::internal("Mailgun does not know the path"),
        429 => {
            let wait = answer.json::<Refusal>().and_then(|refusal| refusal.retry_seconds);
            answer.no_verdict().retry_after(wait.map(Duration::from_secs))
        }
        _ => return answer.no_verdict(),
    };
    answer.failure(failure)
}

/// What Mailgun says in a refusal: JSON with a `message`, a JSON string, or plain text.
fn message(answer: &Answer) -> Option<String> {
    let in_json = answer.json::<Refusal>().and_then(|refusal| refusal.message);
    // Plain text is documented for a refused key alone; any proxy says as much with a 403.
    let is_refusal = |text: &&str| answer.status() == 401 && *text == "Forbidden";
    let plain = || answer.text().filter(is_refusal).map(str::to_owned);
    in_json.or_else(|| answer.json::<String>()).or_else(plain)
}

fn is_refusal_of_key(text: &str) -> bool {
    matches!(text, "Invalid private key" | "Forbidden")
}

fn is_lack_of_permission(text: &str) -> bool {
    text == "Forbidden"
        || text.starts_with("Incompatible key")
        || text.to_ascii_lowercase().contains("permission")
}
