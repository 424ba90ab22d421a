//! What is wrong with settings is found before the provider is asked, all of it at once, and never repeated.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::LazyLock;

use bonafide_core::field::{
    ApiKey, DomainName, EmailAddress, HostName, Password, PhoneNumber, Port, Text,
};
use bonafide_core::host::{Environment, ProviderConfig, SettingsSchema, SubmittedSettings};
use bonafide_core::{
    Cause, Context, Descriptor, Failure, Outcome, Problem, Provider, ProviderType,
    ProviderValidator, async_trait,
};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "the fields are there to be read, not used")]
struct Settings {
    /// The key of the account.
    #[schemars(title = "API key")]
    api_key: ApiKey,
    /// Five capital letters.
    #[schemars(title = "Region", regex(pattern = "^[A-Z]{5}$"), extend("x-expected" = "five capital letters"))]
    region: String,
    /// A password.
    password: Option<Password>,
    /// An address.
    sender_email: Option<EmailAddress>,
    /// A number.
    number: Option<PhoneNumber>,
    /// A host.
    host: Option<HostName>,
    /// A domain.
    domain: Option<DomainName>,
    /// A port.
    port: Option<Port>,
    /// A name.
    #[schemars(extend("x-optional-to-save" = true, "widget" = "large"))]
    name: Option<Text>,
}

struct Example;

#[async_trait]
impl Provider for Example {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor =
        Descriptor::new("1", "example", ProviderType::Sms, "Example").with_user_supplied_host();

    fn check(&self, settings: &Settings) -> Vec<Problem> {
        assert!(settings.region != "BREAK", "{:?}", settings.api_key);
        if settings.region == "WRONG" {
            vec![Problem::new(Cause::WrongCredentialKind).with_field("region")]
        } else {
            Vec::new()
        }
    }

    async fn validate(&self, _: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        match settings.region.as_str() {
            "PANIC" => panic!("{:?}", settings.api_key),
            "SLEEP" => std::future::pending().await,
            _ => Ok(Outcome::valid()),
        }
    }
}

static SCHEMA: LazyLock<SettingsSchema> = LazyLock::new(|| Example.settings_schema().unwrap());

fn environment() -> Environment {
    let mut config = ProviderConfig::of(&Example::DESCRIPTOR).unwrap();
    config.timeout = std::time::Duration::from_millis(20);
    let descriptor: &'static Descriptor = const { &Example::DESCRIPTOR };
    Environment::builder().with_provider(descriptor, config).build().unwrap()
}

fn problems(settings: &str) -> Vec<String> {
    let submitted: SubmittedSettings = serde_json::from_str(settings).unwrap();
    match Example.check_settings(&SCHEMA, submitted) {
        Ok(_) => Vec::new(),
        Err(failure) => failure
            .problems()
            .iter()
            .map(|problem| {
                let pointer = problem.pointer().unwrap_or("-");
                let hint = problem.hint().map(|hint| format!(" [{hint}]")).unwrap_or_default();
                format!("{} {pointer}: {}{hint}", problem.code(), problem.message())
            })
            .collect(),
    }
}

#[test]
fn a_secret_is_withheld_by_debug_and_shown_by_nothing_else() {
    let key = ApiKey::parse("hunter2-hunter2").unwrap();
    let password = Password::parse("hunter2 hunter2").unwrap();
    let submitted = SubmittedSettings::new(
        serde_json::from_value(serde_json::json!({"hunter2": "hunter2"})).unwrap(),
    );
    let said = format!("{key:?} {key:#?} {password:?} {password:#?} {submitted:?} {submitted:#?}");
    assert!(!said.contains("hunter2"), "{said}");
    assert!(said.contains("ApiKey([withheld])") && said.contains("Password([withheld])"));
}

#[test]
fn every_problem_is_named_at_once_in_the_order_of_the_fields() {
    assert_eq!(problems(r#"{"api_key": "k", "region": "NORTH"}"#), [""; 0]);
    assert_eq!(
        problems(
            r#"{"number": "12345", "regin": "NORTH", "api_key": 7, "sender_email": null, "no good": 1}"#
        ),
        [
            "invalid_settings /settings/api_key: This must be a string. [Put it between quotes.]",
            "invalid_settings /settings/region: `region` is required and missing. [Region: Five capital letters.]",
            "invalid_settings /settings/sender_email: This must be a string. [Leave the field out, or give it a value.]",
            "invalid_settings /settings/number: This must be a phone number in E.164 form: `+` and 7 to 15 digits, such as `+12185550100`.",
            "invalid_settings /settings/regin: Example has no setting of this name. [Did you mean `region`?]",
            "invalid_settings /settings: Example has no setting of this name. [Known settings: `api_key`, `region`, `password`, `sender_email`, `number`, `host`, `domain`, `port`, `name`.]",
        ]
    );
}

#[test]
fn white_space_in_a_key_is_refused_and_said() {
    let expected = "invalid_settings /settings/api_key: This must be free of white space, control characters and invisible characters.";
    let trimmed =
        " [It begins or ends with white space, which is not removed here: submit it without.]";
    assert_eq!(problems(r#"{"region": "NORTH", "api_key": "a b"}"#), [expected]);
    assert_eq!(
        problems(r#"{"region": "NORTH", "api_key": "ab\n"}"#),
        [format!("{expected}{trimmed}")]
    );
    for key in ["a\\u0000b", "a\\u00a0b", "a\\u200bb", "\\ufeffab", "a\\u0085b"] {
        assert_eq!(
            problems(&format!(r#"{{"region": "NORTH", "api_key": "{key}"}}"#)).len(),
            1,
            "{key}"
        );
    }
    assert_eq!(
        problems(r#"{"region": "NORTH", "api_key": ""}"#),
        ["invalid_settings /settings/api_key: This must not be empty."]
    );
    assert_eq!(problems(r#"{"region": "NORTH", "api_key": "k", "password": " a b "}"#), [""; 0]);
    assert_eq!(problems(r#"{"region": "NORTH", "api_key": "k", "password": "a\tb"}"#).len(), 1);
}

#[test]
fn a_field_that_is_given_twice_is_refused() {
    assert_eq!(
        problems(r#"{"api_key": "k", "region": "NORTH", "api_key": "l"}"#),
        [
            "invalid_settings /settings/api_key: This field is given more than once. [Keep one of them; which one was meant cannot be told.]"
        ]
    );
}

#[test]
fn the_authors_own_rules_come_after_the_schema() {
    assert_eq!(
        problems(r#"{"api_key": "k", "region": "WRONG"}"#),
        [
            "wrong_credential_kind /settings/region: These credentials are of a kind that cannot be used to send with Example."
        ]
    );
}

#[test]
fn the_schema_says_what_a_check_and_what_saving_needs() {
    let schema = Example.settings_schema().unwrap();
    let document = schema.document();
    assert_eq!(document["required"], serde_json::json!(["api_key", "region"]));
    assert_eq!(document["additionalProperties"], false);
    assert_eq!(document["properties"]["password"]["type"], "string");
    assert_eq!(document["properties"]["api_key"]["writeOnly"], true);
    assert!(schema.is_required_to_save("port"));
    assert!(!schema.is_required_to_save("name"));
    assert!(!document.to_string().contains("$ref"));
    let save = &document["$defs"]["save"]["required"];
    assert_eq!(
        save.as_array().unwrap().len(),
        document["properties"].as_object().unwrap().len() - 1
    );
}

#[test]
fn what_is_published_holds_standard_keywords_alone_and_in_one_order() {
    let schema = Example.settings_schema().unwrap();
    assert!(schema.document().get("$id").is_none());
    let published = schema.published("1.2.3");
    assert_eq!(published["$id"], "urn:bonafide:provider:1:example:1.2.3");
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(
        keys(&published),
        [
            "$schema",
            "$id",
            "title",
            "description",
            "type",
            "properties",
            "required",
            "additionalProperties",
            "$defs",
        ]
    );
    assert_eq!(
        keys(&published["properties"]["region"]),
        ["title", "description", "type", "pattern"]
    );
    assert!(!published.to_string().contains("x-"));
    assert_eq!(published["properties"]["name"].get("widget"), None);
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "the fields are there to be described, not used")]
struct WithExamples {
    /// A key.
    key: ApiKey,
    /// A password.
    password: Option<Password>,
    /// A text of any form.
    #[schemars(example = &"as you like")]
    note: Option<String>,
    /// A text that nobody has an example for.
    other: Option<String>,
    /// What `note` was called before.
    #[deprecated]
    #[schemars(example = &"as you liked")]
    remark: Option<String>,
}

#[test]
fn whole_settings_are_given_as_an_example_where_the_fields_have_one() {
    let of = |document: &serde_json::Value| document.get("examples").cloned();
    let schema = SettingsSchema::of::<WithExamples>(const { &Example::DESCRIPTOR }).unwrap();
    assert_eq!(
        of(schema.document()),
        Some(serde_json::json!([{
            "key": "this-is-no-real-key",
            "password": "this is no real password",
            "note": "as you like",
        }]))
    );
    // Nothing supplies a region, which is required.
    assert_eq!(of(Example.settings_schema().unwrap().document()), None);
}

#[test]
fn a_panic_in_the_authors_own_rules_is_a_failure_of_ours() {
    std::panic::set_hook(Box::new(|_| {}));
    let settings = r#"{"api_key": "canary-1234", "region": "BREAK"}"#;
    let submitted: SubmittedSettings = serde_json::from_str(settings).unwrap();
    let failure = Example.check_settings(&SCHEMA, submitted).unwrap_err();
    assert_eq!(failure.cause(), Cause::Internal);
}

#[tokio::test]
async fn a_panic_and_a_silence_end_without_a_verdict_and_without_the_secret() {
    // The default hook prints the payload, which here is a secret's stand-in.
    std::panic::set_hook(Box::new(|_| {}));
    let environment = environment();
    for (region, cause) in [("PANIC", Cause::Internal), ("SLEEP", Cause::ProviderTimeout)] {
        let settings = format!(r#"{{"api_key": "canary-1234", "region": "{region}"}}"#);
        let submitted: SubmittedSettings = serde_json::from_str(&settings).unwrap();
        let checked = Example.check_settings(&SCHEMA, submitted).unwrap();
        assert_eq!(format!("{checked:?}"), "CheckedSettings([withheld])");
        let context = environment.context(&Example::DESCRIPTOR, Uuid::nil());
        let failure = Example.validate_settings(&context, checked).await.unwrap_err();
        assert_eq!(failure.cause(), cause);
        assert!(!format!("{failure:?} {failure}").contains("canary"));
    }
}

/// The schema's pattern and the deserializer are one rule.
fn agrees<T: JsonSchema + serde::de::DeserializeOwned>(text: &str) -> Result<(), TestCaseError> {
    let schema = schemars::schema_for!(T).to_value();
    let by_schema = jsonschema::is_valid(&schema, &text.into());
    let by_type = serde_json::from_value::<T>(text.into()).is_ok();
    prop_assert_eq!(by_schema, by_type, "{:?}", text);
    Ok(())
}

proptest! {
    #[test]
    fn schema_and_type_agree(
        text in prop_oneof![
            any::<String>(),
            "[ -~]{0,20}",
            "\\+?[0-9]{0,18}",
            "[a-z0-9._%+-]{1,8}@[a-z0-9.-]{1,12}",
            "[0-9]{1,6}",
            "[a-z0-9_.-]{1,30}",
            "\\PC{0,5}[\\u{0}-\\u{20}\\u{7f}-\\u{a0}\\u{200b}\\u{feff}]\\PC{0,5}",
        ]
    ) {
        agrees::<ApiKey>(&text)?;
        agrees::<Password>(&text)?;
        agrees::<EmailAddress>(&text)?;
        agrees::<PhoneNumber>(&text)?;
        agrees::<HostName>(&text)?;
        agrees::<DomainName>(&text)?;
        agrees::<Port>(&text)?;
        agrees::<Text>(&text)?;
    }

    #[test]
    fn an_address_is_one_for_tools_that_judge_the_format(
        text in "[a-z.!{|~+-]{1,5}@[a-zA-Z0-9.-]{1,12}",
        form in EmailAddress::PATTERN.trim_matches(['^', '$']),
    ) {
        // What the most widely used of them, ajv-formats 3, takes for an e-mail address.
        let format = regex::Regex::new(
            r"(?i)^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"
        ).unwrap();
        prop_assert!(format.is_match(&form), "{}", form);
        prop_assert!(EmailAddress::parse(&text).is_none() || format.is_match(&text), "{}", text);
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535(number in 0_u32..100_000) {
        let port = Port::parse(&number.to_string());
        prop_assert_eq!(port.map(|port| u32::from(port.number())), (1..65_536).contains(&number).then_some(number));
    }

    #[test]
    fn nothing_that_was_submitted_is_repeated(value in "[!-~]{6,40}", field in 0_usize..9) {
        let names = ["api_key", "region", "password", "sender_email", "number", "host", "domain", "port", "name"];
        let (canary, stray) = (format!("§§{value}"), format!("§!{value}"));
        let mut settings = serde_json::Map::new();
        settings.insert(names[field].to_owned(), canary.clone().into());
        settings.insert(stray.clone(), 1.into());
        let failure = Example.check_settings(&SCHEMA, SubmittedSettings::new(settings)).unwrap_err();
        let shown = format!("{failure:?} {}", serde_json::to_string(failure.problems()).unwrap());
        // A value may by chance be part of a message; with the mark before it, it cannot.
        prop_assert!(!shown.contains('§'), "{} or {} in {}", canary, stray, shown);
    }
}
