//! The kit, run on a tiny provider that does everything right.

use std::collections::BTreeSet;
use std::process::Command;

use bonafide_core::field::{ApiKey, Text};
use bonafide_core::{
    BaseUrl, Context, Descriptor, ExposeSecret as _, Failure, Outcome, Problem, Provider,
    ProviderType, async_trait, register_provider,
};
use serde_json::json;

register_provider!(Example);

struct Example;

/// Settings of the example.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Settings {
    /// Found under "Keys".
    #[schemars(title = "API key")]
    api_key: ApiKey,
    /// Shown to whoever gets a message.
    #[schemars(title = "Sender")]
    #[expect(dead_code, reason = "only judged")]
    sender: Option<Text>,
}

#[derive(serde::Deserialize)]
struct Account {
    name: String,
}

#[derive(serde::Deserialize)]
struct Refusal {
    error: String,
}

#[async_trait]
impl Provider for Example {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor::new("9000", "example", ProviderType::Sms, "Example")
        .with_base_urls(&[BaseUrl::main("https://api.example.com")])
        .with_requests(&[bonafide_core::AllowedRequest::get("/v1/me", "reads the account")])
        .with_interactions(include_str!("example.json"));

    fn check(&self, settings: &Settings) -> Vec<Problem> {
        if settings.api_key.expose_secret().starts_with("other-") {
            return vec![
                Problem::new(bonafide_core::Cause::WrongCredentialKind).with_field("api_key"),
            ];
        }
        Vec::new()
    }

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let response = context.get(["v1", "me"]).bearer_auth(&settings.api_key).send().await?;
        if response.status() == 200
            && let Some(account) = response.json::<Account>()
        {
            return Ok(Outcome::valid().with_data(json!({"name_length": account.name.len()})));
        }
        if response.status() == 401
            && response.json::<Refusal>().is_some_and(|refusal| refusal.error == "unknown_key")
        {
            return Err(Failure::invalid_credentials("api_key"));
        }
        Err(response.inconclusive())
    }
}

bonafide_testkit::conformance!(Example);

#[test]
fn the_readme_lists_the_cases() {
    let listed = |text: &str, before: &str, after: &str| {
        let name = |line: &str| {
            line.strip_prefix(before)?.split_once(after).map(|(name, _)| name.to_owned())
        };
        text.lines().filter_map(name).collect::<BTreeSet<_>>()
    };
    let program = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let mut tests = listed(&String::from_utf8(program.stdout).unwrap(), "", ": test");
    assert!(tests.remove("the_readme_lists_the_cases"));
    assert_eq!(listed(include_str!("../README.md"), "| `", "` |"), tests);
    assert!(tests.len() >= 40, "{} cases", tests.len());
}
