//! The kit, run on a provider that uses every word of core which the simplest providers do without.

use bonafide_core::prelude::*;

/// A chat service with a token host of its own, a bot token in the path, and problem details.
struct Words;

register_provider!(Words);

/// The region of the account, which chooses the host.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
enum Region {
    #[serde(rename = "eu-1")]
    Eu1,
    #[serde(rename = "us-1")]
    Us1,
}

impl Region {
    const HOSTS: &[&str] = &["eu-1", "us-1"];

    fn host(self) -> &'static str {
        match self {
            Self::Eu1 => "eu-1",
            Self::Us1 => "us-1",
        }
    }
}

/// Settings of the example.
#[derive(Deserialize, JsonSchema)]
struct Settings {
    /// Shown once, when the bot is made.
    #[schemars(title = "Bot token")]
    bot_token: ApiKey,
    /// Found under "Apps".
    #[schemars(title = "App secret")]
    app_secret: ApiKey,
    /// Where the account lives.
    #[schemars(title = "Region", example = &"eu-1")]
    region: Region,
}

#[derive(Deserialize)]
struct ProblemDetails<'a> {
    #[serde(borrow)]
    r#type: JsonStr<'a>,
}

#[async_trait]
impl Provider for Words {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor::new("9300", "words", ProviderType::Chat, "Words")
        .with_base_urls(&[
            BaseUrl::main("https://api.{}.example.com").with_hosts(Region::HOSTS),
            BaseUrl::service("token_base_url", "https://token.example.com"),
        ])
        .with_requests(&[
            AllowedRequest::post("/token", "mints a token that lapses by itself")
                .with_base_url("token_base_url"),
            AllowedRequest::get("/bot*/getMe/", "reads the bot"),
        ])
        .with_limits(ProviderLimits::CAUTIOUS.with_max_per_second(50))
        .with_interactions(include_str!("words.json"));

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let secret = settings.app_secret.expose_secret();
        let tokens = context.with_base_url("token_base_url");
        let form = [("grant_type", "secret"), ("assertion", secret)];
        let minted = tokens.post(["token"]).form(&form).send().await?;
        let Some(token) = minted.json_if_ok::<Token>() else {
            return Err(match minted.error_code("/error") {
                (400, Some(Word::InvalidGrant)) => Failure::invalid_credentials("app_secret"),
                _ => minted.inconclusive(),
            });
        };

        let context = context.with_host(settings.region.host());
        let bot = Segment::secret("bot", &settings.bot_token);
        let request = context.get([bot, "getMe".into(), "".into()]);
        let request = request.authorization("Bot", &token.access_token);
        let request = request.user_agent("WordsBot (https://example.com, 1)");
        let response = request.send().await?;
        if response.at("/ok") == Some(true) {
            let scopes = response.header("x-scopes").unwrap_or_default();
            return if scopes.split(',').any(|scope| scope.trim() == "chat:write") {
                Ok(Outcome::valid())
            } else {
                Err(Failure::insufficient_permission("bot_token"))
            };
        }
        // Every word comes with 200, as it does from services that answer every request so.
        match response.json_if_ok::<Refusal>().map(|refusal| refusal.error) {
            Some(Word::Limited) => {
                let wait = response.retry_after_at("/parameters/retry_after");
                return Err(response.rate_limited().with_retry_after(wait));
            }
            Some(Word::Maintenance) => {
                let wait = response.retry_after_in("x-maintenance-ends");
                return Err(response.unavailable().with_retry_after(wait));
            }
            Some(Word::MayNotLook) => {
                let warning = Warning::rights_not_checked("bot_token");
                return Ok(Outcome::valid().with_warning(warning));
            }
            Some(Word::InvalidGrant) | None => {}
        }
        Err(match response.problem::<ProblemDetails<'_>>("https://api.example.com/errors") {
            (401, Some(problem)) if problem.r#type.ends_with("#unauthorized") => {
                Failure::invalid_credentials("bot_token")
            }
            _ => response.inconclusive(),
        })
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: ApiKey,
}

#[derive(Deserialize)]
struct Refusal {
    error: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    InvalidGrant,
    Limited,
    Maintenance,
    MayNotLook,
}

bonafide_testkit::conformance!(Words);
