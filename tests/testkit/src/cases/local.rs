use bonafide_core::host::SubmittedSettings;
use bonafide_core::{Cause, Failure, ProviderValidator};
use serde_json::{Map, Value, json};

use super::Findings;
use crate::replay::schema_of;
use crate::replay::{settings_pointer, valid_settings};
use crate::{Secrets, texts_of};

/// What stands where it should not, and must not be repeated.
const MARKER: &str = "marker-that-nobody-may-repeat";
const UNKNOWN: &str = "unknown_to_every_provider";

/// Settings with one thing wrong about them.
struct Broken {
    /// What is wrong, to go on after "with".
    what: String,
    settings: Map<String, Value>,
    field: String,
}

impl Broken {
    fn new(valid: &Map<String, Value>, what: String, field: &str, value: Option<Value>) -> Self {
        let mut settings = valid.clone();
        match value {
            Some(value) => settings.insert(field.to_owned(), value),
            None => settings.remove(field),
        };
        Self { what, settings, field: field.to_owned() }
    }

    /// What is said of them, if anything is.
    fn check(&self, validator: &dyn ProviderValidator) -> Result<Option<Failure>, String> {
        let schema = schema_of(validator)?;
        let settings = SubmittedSettings::new(self.settings.clone());
        Ok(validator.check_settings(&schema, settings).err())
    }

    /// They must be refused, with a problem at the field.
    fn must_be_named(
        &self,
        validator: &dyn ProviderValidator,
        findings: &mut Findings,
    ) -> Result<(), String> {
        let what = &self.what;
        match self.check(validator)? {
            None => findings.add(format!(
                "settings with {what} are let through: give `Settings` a field of a type of `bonafide_core::field` for \
                 each setting, and leave judging to the schema"
            )),
            Some(failure) => findings.require(names(&failure, &self.field), || {
                format!(
                    "settings with {what} must be `invalid_settings` at `{}`, but the problems are {:?}: let the schema \
                     say of each field what the type that reads it needs",
                    settings_pointer(&self.field),
                    failure.problems()
                )
            }),
        }
        Ok(())
    }
}

fn names(failure: &Failure, field: &str) -> bool {
    let pointer = settings_pointer(field);
    failure.problems().iter().any(|problem| {
        problem.code() == Cause::InvalidSettings && problem.pointer() == Some(&pointer)
    })
}

fn fields(validator: &dyn ProviderValidator) -> Result<Vec<String>, String> {
    let schema = validator.settings_schema().map_err(|error| error.to_string())?;
    Ok(schema.fields().map(|(name, _)| name.to_owned()).collect())
}

fn unknown(valid: &Map<String, Value>) -> Broken {
    Broken::new(valid, format!("the unknown field `{UNKNOWN}`"), UNKNOWN, Some(MARKER.into()))
}

fn missing(valid: &Map<String, Value>, field: &str) -> Broken {
    Broken::new(valid, format!("`{field}` missing"), field, None)
}

fn mistyped(valid: &Map<String, Value>, field: &str) -> [Broken; 4] {
    [
        (json!([MARKER]), "an array"),
        (json!({MARKER: MARKER}), "an object"),
        (json!(7), "a number"),
        (json!(null), "null"),
    ]
    .map(|(value, kind)| Broken::new(valid, format!("{kind} in `{field}`"), field, Some(value)))
}

/// A field that the provider does not know is `invalid_settings`, at that field.
pub fn an_unknown_field_is_named(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    let mut findings = Findings::default();
    unknown(&valid_settings(validator)?).must_be_named(validator, &mut findings)?;
    findings.into_result()
}

/// A field that is missing and needed is `invalid_settings`, at that field.
pub fn a_missing_field_is_named(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    let valid = valid_settings(validator)?;
    let mut findings = Findings::default();
    for field in fields(validator)? {
        let missing = missing(&valid, &field);
        if missing.check(validator)?.is_some() {
            missing.must_be_named(validator, &mut findings)?;
        }
    }
    findings.into_result()
}

/// A field of the wrong JSON type is `invalid_settings`, at that field.
pub fn a_mistyped_field_is_named(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    let valid = valid_settings(validator)?;
    let mut findings = Findings::default();
    for field in fields(validator)? {
        for mistyped in mistyped(&valid, &field) {
            mistyped.must_be_named(validator, &mut findings)?;
        }
    }
    findings.into_result()
}

/// What is said of settings that are refused repeats nothing of what was submitted.
pub fn no_refusal_repeats_what_was_submitted(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let valid = valid_settings(validator)?;
    let mut broken = vec![unknown(&valid)];
    for field in fields(validator)? {
        broken.push(missing(&valid, &field));
        broken.extend(mistyped(&valid, &field));
        let what = format!("another value in `{field}`");
        broken.push(Broken::new(&valid, what, &field, Some(MARKER.into())));
    }
    let mut secrets = Secrets::of(validator, &valid)?;
    secrets.add("something submitted", MARKER);
    let mut findings = Findings::default();
    for broken in broken {
        let Some(failure) = broken.check(validator)? else { continue };
        for (place, text) in texts_of(&Err(failure)) {
            let place = format!("{place} for settings with {}", broken.what);
            findings.absorb(secrets.absent_from(&place, &text));
        }
    }
    findings.into_result()
}
