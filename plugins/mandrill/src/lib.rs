#![doc = include_str!("../README.md")]

use bonafide_core::prelude::*;

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
    /// Whom mail comes from.
    #[serde(flatten)]
    pub sender: DefaultSender,
}

/// The body of every request. It borrows the key, so that no copy of it is left unwiped.
#[derive(Serialize)]
struct Question<'a> {
    key: &'a str,
}

impl<'a> Question<'a> {
    fn of(settings: &'a Settings) -> Self {
        Self { key: settings.api_key.expose_secret() }
    }
}

/// A domain of the account. Mail may be sent from it when it is verified and signs.
#[derive(Deserialize)]
struct SenderDomain {
    domain: String,
    verified_at: Option<String>,
    valid_signing: bool,
}

#[async_trait]
impl Provider for Mandrill {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor::new("1002", "mandrill", ProviderType::Email, "Mailchimp Transactional")
        .with_base_urls(&[BaseUrl::main("https://mandrillapp.com/api/1.3")])
        .with_requests(&[
            AllowedRequest::post(
                "/users/ping2",
                "answers PONG and is marked read-only: https://mailchimp.com/developer/transactional/api/users/ping-2/",
            ),
            AllowedRequest::post(
                "/senders/domains",
                "lists domains and is marked read-only: https://mailchimp.com/developer/transactional/api/senders/list-sender-domains/",
            ),
        ])
        .with_interactions(include_str!("../interactions.json"));

    fn check(&self, settings: &Settings) -> Vec<Problem> {
        let marketing = || {
            Problem::new(Cause::WrongCredentialKind)
                .with_field("api_key")
                .with_message(
                    "This is a key of Mailchimp Marketing, not of Mailchimp Transactional.",
                )
                .with_hint("Create a key in Mailchimp Transactional: Settings, SMTP & API Info.")
        };
        let is_marketing = is_marketing_key(settings.api_key.expose_secret());
        is_marketing.then(marketing).into_iter().collect()
    }

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let question = Question::of(settings);
        let response = context.post(["users", "ping2"]).json(&question).send().await?;
        if response.status() == 200 && response.at::<String>("/PING").is_some() {
            return Ok(outcome(context, settings).await);
        }
        // The name decides, not the status: a bad key is answered with 401 or 500, as the version goes.
        let (_, name) = response.error_code::<String>("/name");
        let is_error = response.at("/status") == Some("error".to_owned());
        let Some(name) = name.filter(|_| is_error) else { return Err(response.inconclusive()) };
        Err(match name.as_str() {
            "Invalid_Key" => Failure::invalid_credentials("api_key")
                .with_hint("Check that the key is active in Settings, SMTP & API Info."),
            "PaymentRequired" => Failure::insufficient_permission("api_key")
                .with_hint("The account must be paid for before it can send."),
            "RequestLimitExceeded" => response.rate_limited(),
            "ServiceUnavailable" | "GeneralError" => response.unavailable(),
            "ValidationError" => Failure::internal("Mandrill does not understand the request"),
            _ => Failure::unexpected_response()
                .with_note("an error name that is not documented for this request"),
        })
    }
}

/// A pass, with a warning where the sender's domain may not be sent from.
async fn outcome(context: &Context, settings: &Settings) -> Outcome {
    let Some(sender) = &settings.sender.default_sender_email else { return Outcome::valid() };
    let warning = Warning::sender_unverified("default_sender_email")
        .with_hint("Verify the domain and its DKIM record: Settings, Domains.");
    let is_verified = async {
        let question = Question::of(settings);
        let response = context.post(["senders", "domains"]).json(&question).send().await?;
        Ok(response.list::<SenderDomain>("")?.iter().any(|known| {
            known.domain.eq_ignore_ascii_case(sender.domain())
                && known.verified_at.is_some()
                && known.valid_signing
        }))
    };
    context.warn_unless(is_verified, warning).await
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
