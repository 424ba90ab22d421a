use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bonafide_core::{ProviderValidator, SettingsSchema};
use serde_json::{Value, json};

use super::Findings;

/// A field whose name holds one of these is taken for a secret.
const SECRET_NAMES: [&str; 4] = ["key", "token", "password", "secret"];

fn schema_of(validator: &dyn ProviderValidator) -> Result<SettingsSchema, String> {
    validator.settings_schema().map_err(|error| error.to_string())
}

/// The schema is one of draft 2020-12, closed and without `$ref`; each field is titled and described, and each secret
/// is marked as one.
pub fn the_schema_is_well_formed(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    let schema = schema_of(validator)?;
    let document = schema.document();
    let mut findings = Findings::default();
    if let Err(error) = jsonschema::draft202012::meta::validate(document) {
        findings.add(format!("the schema is none of draft 2020-12: {error}"));
    }
    findings.require(document["type"] == "object", || {
        "the schema is not that of an object: make `Settings` a struct with named fields".to_owned()
    });
    findings.require(document["additionalProperties"] == json!(false), || {
        "the schema lets unknown fields pass: leave `additionalProperties` to the core".to_owned()
    });
    findings.require(!holds_reference(document), || {
        "the schema holds a `$ref`, which forms cannot read: use types that are written out in place".to_owned()
    });
    findings.require(schema.fields().next().is_some(), || "the settings have no field".to_owned());
    for (name, field) in schema.fields() {
        judge_field(name, field, &mut findings);
    }
    findings.into_result()
}

fn judge_field(name: &str, field: &Value, findings: &mut Findings) {
    let says = |keyword: &str| field[keyword].as_str().is_some_and(|text| !text.trim().is_empty());
    findings.require(says("title"), || {
        format!("the field `{name}` has no title: add `#[schemars(title = \"…\")]`")
    });
    findings.require(says("description"), || {
        format!(
            "the field `{name}` has no description: add a doc comment that says where it is found"
        )
    });
    findings.require(field["type"] == "string", || {
        format!("the field `{name}` is no string: settings are JSON strings, use a type of `bonafide_core::field`")
    });
    let write_only = field["writeOnly"] == true;
    let masked = field["format"] == "password";
    if SECRET_NAMES.iter().any(|secret| name.to_ascii_lowercase().contains(secret)) {
        findings.require(write_only && masked, || {
            format!("the field `{name}` is a secret by its name: make it a `field::ApiKey` or a `field::Password`")
        });
    } else {
        findings.require(write_only == masked, || {
            format!("the field `{name}` has one of `writeOnly` and `\"format\": \"password\"` without the other")
        });
    }
}

fn holds_reference(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.contains_key("$ref") || members.values().any(holds_reference)
        }
        Value::Array(items) => items.iter().any(holds_reference),
        _ => false,
    }
}

/// The schema is the one that was committed, in `tests/snapshots` of the crate, under the provider's name.
///
/// `manifest_dir` is the `CARGO_MANIFEST_DIR` of the crate.
pub fn the_schema_is_the_one_in_the_snapshot(
    validator: &'static dyn ProviderValidator,
    manifest_dir: &str,
) -> Result<(), String> {
    let schema = schema_of(validator)?;
    let name = validator.descriptor().name;
    let directory = Path::new(manifest_dir).join("tests/snapshots");
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(&directory);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
        .set_description("The schema of the provider's settings. Stored settings depend on it.");
    let compared = catch_unwind(AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_json_snapshot!(name, schema.document()));
    }));
    compared.map_err(|_| {
        format!(
            "the schema is not the one in {}: where the change is wanted, and the first time, run this test with \
             `INSTA_UPDATE=always` and commit the file; where it is not, mind that stored settings depend on the schema",
            directory.join(format!("{name}.snap")).display()
        )
    })
}
