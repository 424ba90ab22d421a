use bonafide_core::{Cause, Environment, Failure, ProviderValidator, SubmittedSettings};
use serde_json::{Map, Value, json};

use super::Findings;
use crate::play::valid_settings;
use crate::{Secrets, texts_of};

/// What stands where it should not, and must not be repeated.
const MARKER: &str = "marker-that-nobody-may-repeat";
const UNKNOWN: &str = "unknown_to_every_provider";

/// An unknown field, a missing one and one of the wrong type are each `invalid_settings`, at the right place, without
/// a word of what was submitted.
pub fn unknown_missing_and_mistyped_fields_are_named(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let valid = valid_settings(validator)?;
    let schema = validator.settings_schema().map_err(|error| error.to_string())?;
    let environment = Environment::builder().build().map_err(|error| error.to_string())?;
    let mut findings = Findings::default();
    let mut expect = |what: String, settings: Map<String, Value>, field: &str| {
        let mut secrets = Secrets::of(validator, &valid)?;
        secrets.add("something submitted", MARKER);
        let failure =
            validator.check_settings(&environment, SubmittedSettings::new(settings)).err();
        let pointer = format!("/settings/{field}");
        match failure {
            None => findings.add(format!("{what} is let through: leave judging to the schema")),
            Some(failure) => {
                findings.require(names(&failure, &pointer), || {
                    format!("{what} must be `invalid_settings` at `{pointer}`, but the problems are {:?}", failure.problems())
                });
                for (place, text) in texts_of(&Err(failure)) {
                    findings.absorb(secrets.absent_from(&format!("{place} for {what}"), &text));
                }
            }
        }
        Ok::<_, String>(())
    };

    let mut settings = valid.clone();
    settings.insert(UNKNOWN.to_owned(), MARKER.into());
    expect(format!("the unknown field `{UNKNOWN}`"), settings, UNKNOWN)?;
    for (field, _) in schema.fields() {
        if schema.is_required(field) {
            let mut settings = valid.clone();
            settings.remove(field);
            expect(format!("a missing `{field}`"), settings, field)?;
        }
        for (value, kind) in [
            (json!([MARKER]), "an array"),
            (json!({MARKER: MARKER}), "an object"),
            (json!(7), "a number"),
            (json!(null), "null"),
        ] {
            let mut settings = valid.clone();
            settings.insert(field.to_owned(), value);
            expect(format!("`{field}` with {kind} in it"), settings, field)?;
        }
    }
    findings.into_result()
}

fn names(failure: &Failure, pointer: &str) -> bool {
    failure.problems().iter().any(|problem| {
        problem.code() == Cause::InvalidSettings && problem.pointer() == Some(pointer)
    })
}
