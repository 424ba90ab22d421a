//! The case that holds schema and code to one rule notices when they are two.

use bonafide_core::field::{ApiKey, Port};
use bonafide_core::{
    Cause, Context, Descriptor, ExposeSecret as _, Failure, Outcome, Problem, Provider,
    ProviderType, async_trait,
};
use bonafide_testkit::cases::schema_and_code_agree_on_generated_settings;
use schemars::JsonSchema;
use serde::Deserialize;

macro_rules! provider {
    ($name:ident, $settings:ty, $check:expr) => {
        struct $name;

        #[async_trait]
        impl Provider for $name {
            type Settings = $settings;

            const DESCRIPTOR: Descriptor =
                Descriptor::new("1", "example", ProviderType::Sms, "Example")
                    .with_user_supplied_host();

            fn check(&self, settings: &Self::Settings) -> Vec<Problem> {
                let check: fn(&Self::Settings) -> Option<Problem> = $check;
                check(settings).into_iter().collect()
            }

            async fn validate(&self, _: &Context, _: &Self::Settings) -> Result<Outcome, Failure> {
                Ok(Outcome::valid())
            }
        }
    };
}

#[derive(Deserialize, JsonSchema)]
struct Sound {
    key: ApiKey,
    #[expect(dead_code, reason = "only judged")]
    port: Option<Port>,
}

/// Its schema takes every digit, its type only ports.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "the fields are there to be judged, not used")]
struct Loose {
    key: ApiKey,
    #[schemars(with = "Option<String>")]
    port: Option<Port>,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "the field is there to be judged, not used")]
struct WithoutExample {
    #[schemars(regex(pattern = "^[A-Z]{5}$"))]
    region: String,
}

provider!(Agreeing, Sound, |_| None);
provider!(Disagreeing, Loose, |_| None);
provider!(OwnRule, Sound, |settings| {
    let is_short = settings.key.expose_secret().len() < 3;
    is_short.then(|| Problem::new(Cause::InvalidSettings).with_field("key"))
});
provider!(OtherCause, Sound, |settings| {
    let is_short = settings.key.expose_secret().len() < 3;
    is_short.then(|| Problem::new(Cause::WrongCredentialKind).with_field("key"))
});
provider!(Unshown, WithoutExample, |_| None);

#[track_caller]
fn assert_says(result: Result<(), String>, words: &[&str]) {
    let text = result.err().unwrap_or_default();
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn one_rule_is_agreement() {
    assert_eq!(schema_and_code_agree_on_generated_settings(&Agreeing), Ok(()));
}

#[test]
fn a_type_that_takes_less_than_its_schema_is_found() {
    assert_says(
        schema_and_code_agree_on_generated_settings(&Disagreeing),
        &["disagree", "the published schema refuses nothing, the code refuses `/settings/port`"],
    );
}

#[test]
fn a_rule_of_the_authors_own_needs_another_cause() {
    assert_says(
        schema_and_code_agree_on_generated_settings(&OwnRule),
        &["the code refuses `/settings/key`", "another cause than `invalid_settings`"],
    );
    assert_eq!(schema_and_code_agree_on_generated_settings(&OtherCause), Ok(()));
}

#[test]
fn a_schema_that_shows_no_whole_settings_is_found() {
    assert_says(
        schema_and_code_agree_on_generated_settings(&Unshown),
        &["give every required field an example"],
    );
}
