//! What the cases find wrong with settings and their schema.

use bonafide_core::field::{ApiKey, Text};
use bonafide_core::{
    Cause, Context, Descriptor, ExposeSecret as _, Failure, Outcome, Problem, Provider, async_trait,
};
use bonafide_testkit::cases::*;
use serde_json::Value;

use super::{Careless, Open, Settings, fails};

/// A provider that never asks, with these settings.
macro_rules! with_settings {
    ($name:ident, $settings:ty) => {
        with_settings!($name, $settings, |_| Vec::new());
    };
    ($name:ident, $settings:ty, $check:expr) => {
        struct $name;

        #[async_trait]
        impl Provider for $name {
            type Settings = $settings;

            const DESCRIPTOR: Descriptor = Careless::DESCRIPTOR;

            fn check(&self, settings: &$settings) -> Vec<Problem> {
                let check: fn(&$settings) -> Vec<Problem> = $check;
                check(settings)
            }

            async fn validate(&self, _: &Context, _: &$settings) -> Result<Outcome, Failure> {
                Ok(Outcome::valid())
            }
        }
    };
}

/// A rule that is no rule of JSON Schema.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct BrokenRule {
    #[schemars(extend("minLength" = "long"))]
    #[expect(dead_code, reason = "only its schema is looked at")]
    api_key: ApiKey,
}
with_settings!(RuleBreaker, BrokenRule);

/// Anything that is called so may be there, too.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[schemars(extend("patternProperties" = {"^unknown": true}))]
struct ByPattern {
    #[expect(dead_code, reason = "only its schema is looked at")]
    api_key: ApiKey,
}
with_settings!(Patterned, ByPattern);

/// A text, not an object.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct OneText(#[expect(dead_code, reason = "only its schema is looked at")] Text);
with_settings!(Plain, OneText);

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Referring {
    #[expect(dead_code, reason = "only its schema is looked at")]
    api_key: ApiKey,
    #[schemars(extend("$ref" = "#/properties/api_key"))]
    #[expect(dead_code, reason = "only its schema is looked at")]
    other: Text,
}
with_settings!(Referred, Referring);

/// A secret that only machines are told of, and a field that is no string.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct HalfMarked {
    #[schemars(extend("writeOnly" = true))]
    #[expect(dead_code, reason = "only its schema is looked at")]
    signature: Text,
    #[expect(dead_code, reason = "only its schema is looked at")]
    attempts: u8,
}
with_settings!(Marking, HalfMarked);

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[schemars(extend("examples" = [{"sender": "no key"}, 7]))]
struct Exemplary {
    #[schemars(example = &"two words")]
    #[expect(dead_code, reason = "only its schema is looked at")]
    api_key: ApiKey,
    #[schemars(example = &"Example", example = &7)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    sender: Option<Text>,
}
with_settings!(Example, Exemplary);

/// Whatever stands there is taken.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Anything {
    #[expect(dead_code, reason = "only what its schema lets through is looked at")]
    api_key: Value,
}
with_settings!(Taking, Anything);

/// The schema says that it can be left out, and what reads it does not.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Undecided {
    #[schemars(default = "nothing", with = "Text")]
    #[expect(dead_code, reason = "only what its schema lets through is looked at")]
    api_key: ApiKey,
}

fn nothing() -> &'static str {
    "nothing"
}
with_settings!(Undeciding, Undecided);

with_settings!(Repeating, Settings, |settings| {
    let message = format!("`{}` is no key of ours.", settings.api_key.expose_secret());
    vec![Problem::new(Cause::InvalidSettings).with_field("api_key").with_message(message.leak())]
});

#[test]
fn the_schema_as_a_whole() {
    assert_eq!(the_schema_is_one_of_draft_2020_12(&Careless), Ok(()));
    fails(
        the_schema_is_one_of_draft_2020_12(&RuleBreaker),
        &["the schema is none of draft 2020-12", "mend what `extend` adds"],
    );
    assert_eq!(the_schema_is_closed(&Careless), Ok(()));
    fails(the_schema_is_closed(&Patterned), &["name each field in `Settings`"]);
    fails(
        the_schema_is_closed(&Plain),
        &["make `Settings` a struct with named fields", "the settings have no field"],
    );
    assert_eq!(the_schema_holds_no_reference(&Careless), Ok(()));
    fails(the_schema_holds_no_reference(&Referred), &["use types that are written out in place"]);
    // Inside of a file there is no directory, so nothing can be written whatever insta is told.
    let nowhere = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    fails(
        the_schema_is_the_one_in_the_snapshot(&Careless, nowhere),
        &["careless.snap", "INSTA_UPDATE=always"],
    );
}

#[test]
fn each_field_of_the_schema() {
    assert_eq!(each_field_is_titled(&Careless), Ok(()));
    fails(each_field_is_titled(&Open), &["the field `api_key` has no title: add"]);
    assert_eq!(each_field_is_described(&Careless), Ok(()));
    fails(each_field_is_described(&Open), &["the field `api_key` has no description: add"]);
    assert_eq!(each_field_is_a_string(&Careless), Ok(()));
    fails(each_field_is_a_string(&Marking), &["the field `attempts` is no string"]);
    assert_eq!(each_secret_is_marked(&Careless), Ok(()));
    fails(each_secret_is_marked(&Open), &["the field `api_key` is a secret by its name"]);
    fails(each_secret_is_marked(&Marking), &["the field `signature` has one of `writeOnly` and"]);
    assert_eq!(each_example_is_valid(&Careless), Ok(()), "it has none");
    let result = each_example_is_valid(&Example);
    fails(
        result.clone(),
        &[
            "example 1 of the field `api_key` is none that the field takes",
            "example 2 of the field `sender`",
            "example 1 of the settings is refused",
            "example 2 of the settings is refused",
        ],
    );
    assert!(!result.unwrap_err().contains("example 1 of the field `sender`"));
}

#[test]
fn settings_that_are_refused() {
    assert_eq!(an_unknown_field_is_named(&Careless), Ok(()));
    fails(
        an_unknown_field_is_named(&Patterned),
        &[
            "the unknown field `unknown_to_every_provider` are let through",
            "leave judging to the schema",
        ],
    );
    assert_eq!(a_missing_field_is_named(&Careless), Ok(()));
    fails(
        a_missing_field_is_named(&Undeciding),
        &["`api_key` missing must be `invalid_settings` at `/settings/api_key`"],
    );
    assert_eq!(a_mistyped_field_is_named(&Careless), Ok(()));
    fails(
        a_mistyped_field_is_named(&Taking),
        &["an array in `api_key` are let through", "null in `api_key` are let through"],
    );
    assert_eq!(no_refusal_repeats_what_was_submitted(&Careless), Ok(()));
    fails(
        no_refusal_repeats_what_was_submitted(&Repeating),
        &["`something submitted` stands as it is in the problems for settings with another value"],
    );
}
