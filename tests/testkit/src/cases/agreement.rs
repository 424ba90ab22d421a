//! The schema that tools read and the code that judges requests are one rule.

use std::collections::BTreeSet;

use bonafide_core::host::pointer::escape;
use bonafide_core::host::{SettingsSchema, SubmittedSettings};
use bonafide_core::{Cause, ProviderValidator};
use bonafide_samples::Sampler;
use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use super::Findings;

/// How many generated settings are judged, a quarter of them meant to be good.
const SAMPLES: usize = 10_000;
/// Of each kind, good and refused, there must be this many at least, or the case would prove little.
const FEWEST: usize = SAMPLES / 10;
const SEED: u64 = 0x626f_6e61_6669_6465;

/// Thousands of generated settings, good and broken, are refused by the published schema exactly where the provider's
/// own code refuses them as `invalid_settings`, with the same pointers; and the schema's examples are taken by both.
pub fn schema_and_code_agree_on_generated_settings(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let schema = validator.settings_schema().map_err(|error| error.to_string())?;
    let judge = Judge::new(validator, &schema)?;
    let mut sampler = Sampler::new(schema.document(), SEED);
    let mut findings = Findings::default();
    let (mut taken, mut refused) = (0, 0);
    for number in 0..SAMPLES {
        let settings = if number % 4 == 0 { sampler.good() } else { sampler.broken() };
        let by_schema = judge.by_schema(&settings);
        if by_schema.is_empty() {
            taken += 1;
        } else {
            refused += 1;
        }
        findings.absorb(judge.compare(&by_schema, settings));
        if findings.0.len() >= 5 {
            break;
        }
    }
    findings.require(taken >= FEWEST && refused >= FEWEST || !findings.0.is_empty(), || {
        format!(
            "of {SAMPLES} generated settings the schema takes {taken} and refuses {refused}, which proves little: give the \
             fields patterns without look-around, or examples"
        )
    });
    findings.absorb(the_example_is_taken(&judge, schema.document()));
    findings.into_result()
}

fn the_example_is_taken(judge: &Judge<'_>, document: &Value) -> Result<(), String> {
    let examples = document.get("examples").and_then(Value::as_array);
    let Some(Value::Object(example)) = examples.and_then(|examples| examples.first()) else {
        return Err(
            "the schema shows no whole settings: give every required field an example that its schema takes, with \
             `#[schemars(example = &\"…\")]`"
                .to_owned(),
        );
    };
    judge.compare(&judge.by_schema(example), example.clone())
}

struct Judge<'a> {
    validator: &'static dyn ProviderValidator,
    schema: &'a SettingsSchema,
    published: Validator,
}

impl<'a> Judge<'a> {
    fn new(
        validator: &'static dyn ProviderValidator,
        schema: &'a SettingsSchema,
    ) -> Result<Self, String> {
        // What is published is judged by, and nothing that the core keeps beside it.
        let published = jsonschema::draft202012::new(&schema.published("0.0.0"))
            .map_err(|error| error.to_string())?;
        Ok(Self { validator, schema, published })
    }

    /// The places that the published schema refuses, as pointers into a request.
    fn by_schema(&self, settings: &Map<String, Value>) -> BTreeSet<String> {
        let settings = Value::Object(settings.clone());
        let mut pointers = BTreeSet::new();
        for error in self.published.iter_errors(&settings) {
            let place = format!("/settings{}", error.instance_path().as_str());
            match error.kind() {
                ValidationErrorKind::Required { property } => {
                    let name = property.as_str().unwrap_or_default();
                    pointers.insert(format!("{place}/{}", escape(name)));
                }
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    pointers.extend(unexpected.iter().map(|name| self.pointer_to_unknown(name)));
                }
                _ => {
                    pointers.insert(place);
                }
            }
        }
        pointers
    }

    /// An unknown name is pointed at if it is an identifier. Another one could be a secret in the wrong place.
    fn pointer_to_unknown(&self, name: &str) -> String {
        let is_identifier = !name.is_empty()
            && name.len() <= 64
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_known = self.schema.fields().any(|(known, _)| known == name);
        if is_identifier || is_known {
            format!("/settings/{}", escape(name))
        } else {
            "/settings".to_owned()
        }
    }

    /// The places that the code refuses as `invalid_settings`. Other causes are rules that no schema can say.
    fn by_code(&self, settings: Map<String, Value>) -> Result<BTreeSet<String>, String> {
        let settings = SubmittedSettings::new(settings);
        let Err(failure) = self.validator.check_settings(self.schema, settings) else {
            return Ok(BTreeSet::new());
        };
        if failure.cause() == Cause::Internal {
            return Err("the provider's code panics, or its schema does not compile".to_owned());
        }
        Ok(failure
            .problems()
            .iter()
            .filter(|problem| problem.code() == Cause::InvalidSettings)
            .map(|problem| problem.pointer().unwrap_or("no place").to_owned())
            .collect())
    }

    fn compare(
        &self,
        by_schema: &BTreeSet<String>,
        settings: Map<String, Value>,
    ) -> Result<(), String> {
        let shown = shortened(&settings);
        let by_code = self.by_code(settings).map_err(|what| format!("with {shown} {what}"))?;
        if *by_schema == by_code {
            return Ok(());
        }
        Err(format!(
            "the schema and the code disagree on the generated settings {shown}: the published schema refuses {}, the code \
             refuses {}; make the field's type and its schema one rule, or use a type of `bonafide_core::field`, and give \
             what no schema can say another cause than `invalid_settings`",
            listed(by_schema),
            listed(&by_code),
        ))
    }
}

fn listed(pointers: &BTreeSet<String>) -> String {
    if pointers.is_empty() {
        return "nothing".to_owned();
    }
    pointers.iter().map(|pointer| format!("`{pointer}`")).collect::<Vec<_>>().join(", ")
}

/// The settings on one line, without the middle of what is long.
fn shortened(settings: &Map<String, Value>) -> String {
    let shorten = |value: &Value| match value {
        Value::String(text) if text.chars().count() > 60 => {
            let start: String = text.chars().take(20).collect();
            format!("{start:?} and so on, {} characters", text.chars().count())
        }
        // Invisible characters are what such settings often differ in.
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    let members: Vec<String> =
        settings.iter().map(|(name, value)| format!("{name:?}: {}", shorten(value))).collect();
    format!("{{{}}}", members.join(", "))
}
