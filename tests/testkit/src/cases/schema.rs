use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bonafide_core::ProviderValidator;
use bonafide_core::host::SubmittedSettings;
use serde_json::{Map, Value, json};

use super::Findings;
use crate::replay::schema_of;
use crate::replay::{settings_pointer, valid_settings};

/// A field whose name holds one of these is taken for a secret.
const SECRET_NAMES: [&str; 4] = ["key", "token", "password", "secret"];

/// The schema is one of draft 2020-12, by the meta-schema.
pub fn the_schema_is_one_of_draft_2020_12(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let judged = schema_of(validator).and_then(|schema| {
        jsonschema::draft202012::meta::validate(schema.document())
            .map_err(|error| error.to_string())
    });
    judged.map_err(|error| {
        format!(
            "the schema is none of draft 2020-12: {error}: leave it to `#[derive(JsonSchema)]`, and mend what `extend` adds"
        )
    })
}

/// The schema is that of an object, with at least one field, and lets no other field pass.
pub fn the_schema_is_closed(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    let schema = schema_of(validator)?;
    let document = schema.document();
    let mut findings = Findings::default();
    findings.require(document["type"] == "object", || {
        "the schema is not that of an object: make `Settings` a struct with named fields".to_owned()
    });
    findings.require(document["additionalProperties"] == json!(false), || {
        "the schema lets unknown fields pass: leave `additionalProperties` to the core".to_owned()
    });
    findings.require(document.get("patternProperties").is_none(), || {
        "the schema lets fields pass by a pattern: name each field in `Settings`".to_owned()
    });
    findings.require(schema.fields().next().is_some(), || {
        "the settings have no field: name in `Settings` what an integration is made of".to_owned()
    });
    findings.into_result()
}

/// The schema is written out in place, so that every form generator can read it.
pub fn the_schema_holds_no_reference(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    if holds_reference(schema_of(validator)?.document()) {
        return Err(
            "the schema holds a `$ref`, which forms cannot read: use types that are written out in place".to_owned(),
        );
    }
    Ok(())
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

/// Each field has a title: it is what people read above the input.
pub fn each_field_is_titled(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    for_each_field(validator, |name, field, findings| {
        findings.require(says(field, "title"), || {
            format!("the field `{name}` has no title: add `#[schemars(title = \"…\")]`")
        });
    })
}

/// Each field has a description: it is what people read below the input.
pub fn each_field_is_described(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    for_each_field(validator, |name, field, findings| {
        findings.require(says(field, "description"), || {
            format!("the field `{name}` has no description: add a doc comment that says where it is found")
        });
    })
}

/// Each field is a string, as all settings are.
pub fn each_field_is_a_string(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    for_each_field(validator, |name, field, findings| {
        findings.require(field["type"] == "string", || {
            format!("the field `{name}` is no string: settings are JSON strings, use a type of `bonafide_core::field`")
        });
    })
}

/// Each secret is marked as one, so that forms mask it and nothing shows it again.
pub fn each_secret_is_marked(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    for_each_field(validator, |name, field, findings| {
        let write_only = field["writeOnly"] == true;
        let masked = field["format"] == "password";
        if SECRET_NAMES.iter().any(|secret| name.to_ascii_lowercase().contains(secret)) {
            findings.require(write_only && masked, || {
                format!("the field `{name}` is a secret by its name: make it a `field::ApiKey` or a `field::Password`")
            });
        } else {
            findings.require(write_only == masked, || {
                format!(
                    "the field `{name}` has one of `writeOnly` and `\"format\": \"password\"` without the other: make it a \
                     `field::ApiKey` or a `field::Password`, which have both"
                )
            });
        }
    })
}

fn for_each_field(
    validator: &dyn ProviderValidator,
    judge: impl Fn(&str, &Value, &mut Findings),
) -> Result<(), String> {
    let schema = schema_of(validator)?;
    let mut findings = Findings::default();
    for (name, field) in schema.fields() {
        judge(name, field, &mut findings);
    }
    findings.into_result()
}

fn says(field: &Value, keyword: &str) -> bool {
    field[keyword].as_str().is_some_and(|text| !text.trim().is_empty())
}

/// Each example of the schema is valid: of a field, by the field's own part of the schema and by what reads it; of the
/// whole, by all of it.
pub fn each_example_is_valid(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    let schema = schema_of(validator)?;
    let mut findings = Findings::default();
    let valid = valid_settings(validator).unwrap_or_default();
    let refused = |settings: Map<String, Value>, at: Option<&str>| {
        let judged = validator.check_settings(&schema, SubmittedSettings::new(settings));
        judged.err().is_some_and(|failure| {
            let problems = failure.problems();
            at.map_or(!problems.is_empty(), |at| {
                problems.iter().any(|problem| problem.pointer() == Some(at))
            })
        })
    };
    for (name, field) in schema.fields() {
        for (index, example) in examples(field) {
            let by_itself = jsonschema::draft202012::is_valid(field, example);
            let mut settings = valid.clone();
            settings.insert(name.to_owned(), example.clone());
            let taken = by_itself && !refused(settings, Some(&settings_pointer(name)));
            findings.require(taken, || {
                format!(
                    "example {index} of the field `{name}` is none that the field takes: give \
                     `#[schemars(example = …)]` a value that works"
                )
            });
        }
    }
    for (index, example) in examples(schema.document()) {
        let settings = example.as_object().cloned().unwrap_or_default();
        findings.require(example.is_object() && !refused(settings, None), || {
            format!("example {index} of the settings is refused: give `#[schemars(example = …)]` whole settings that work")
        });
    }
    findings.into_result()
}

/// The examples of a schema, counted from one.
fn examples(schema: &Value) -> impl Iterator<Item = (usize, &Value)> {
    (1..).zip(schema["examples"].as_array().into_iter().flatten())
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
