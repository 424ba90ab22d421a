//! Settings on their way in: as they were submitted, as the schema wants them, and as the provider's own type.

use std::any::Any;
use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{JsonType, ValidationError, Validator};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use zeroize::Zeroize;

use crate::descriptor::Descriptor;
use crate::failure::{Cause, Problem, settings_pointer};
use crate::field::EXPECTED;

/// The annotation that lists what saving an integration needs, beside `required`, which is what a check needs.
pub(crate) const REQUIRED_TO_SAVE: &str = "x-required-to-save";
/// The annotation of a field that not even saving needs.
const OPTIONAL_TO_SAVE: &str = "x-optional-to-save";

/// The `settings` of a request, as they were submitted: a JSON object of anything.
///
/// It holds secrets, so it can be neither printed nor serialised, and it is wiped when it is dropped.
pub struct SubmittedSettings {
    members: Value,
    repeated: Vec<String>,
}

impl SubmittedSettings {
    /// Takes an object that is already parsed.
    pub fn new(members: Map<String, Value>) -> Self {
        Self { members: Value::Object(members), repeated: Vec::new() }
    }
}

impl fmt::Debug for SubmittedSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SubmittedSettings([withheld])")
    }
}

impl Drop for SubmittedSettings {
    fn drop(&mut self) {
        wipe(&mut self.members);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl<'de> Deserialize<'de> for SubmittedSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = SubmittedSettings;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut settings = SubmittedSettings::new(Map::new());
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    let Value::Object(members) = &mut settings.members else { continue };
                    if let Some(mut earlier) = members.insert(name.clone(), value) {
                        wipe(&mut earlier);
                        settings.repeated.push(name);
                    }
                }
                Ok(settings)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// Settings that the schema and the provider's own rules found nothing wrong with.
pub struct CheckedSettings(Box<dyn Any + Send + Sync>);

impl CheckedSettings {
    pub(crate) fn new<T: Send + Sync + 'static>(settings: T) -> Self {
        Self(Box::new(settings))
    }

    pub(crate) fn downcast<T: 'static>(self) -> Option<T> {
        self.0.downcast().ok().map(|settings| *settings)
    }
}

impl fmt::Debug for CheckedSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CheckedSettings([withheld])")
    }
}

/// The JSON Schema of a provider's settings, ready to judge by.
pub struct SettingsSchema {
    document: Value,
    validator: Validator,
    title: &'static str,
}

impl fmt::Debug for SettingsSchema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SettingsSchema").field(&self.document).finish()
    }
}

/// A provider's settings type gives a schema that is none, which only a hand-written `JsonSchema` can do.
#[derive(Debug, thiserror::Error)]
#[error("the settings schema of provider `{provider}` is not a JSON Schema: {reason}")]
pub struct SchemaError {
    provider: &'static str,
    reason: String,
}

impl SettingsSchema {
    /// Generates the schema of `T`, closed, without `$ref`, and with what the catalogue needs.
    pub fn of<T: JsonSchema>(descriptor: &'static Descriptor) -> Result<Self, SchemaError> {
        let document = generate::<T>(descriptor);
        let validator = jsonschema::draft202012::new(&document).map_err(|error| SchemaError {
            provider: descriptor.name,
            reason: error.masked().to_string(),
        })?;
        Ok(Self { document, validator, title: descriptor.title })
    }

    /// The schema as a document: draft 2020-12, `required` being what a check needs.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The fields by name, in the order of declaration, each with its part of the schema.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        let properties = self.document.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    /// Whether a check cannot do without this field.
    pub fn is_required(&self, field: &str) -> bool {
        self.lists("required", field)
    }

    /// Whether an integration cannot be saved without this field.
    pub fn is_required_to_save(&self, field: &str) -> bool {
        self.lists(REQUIRED_TO_SAVE, field)
    }

    fn lists(&self, keyword: &str, field: &str) -> bool {
        let names = self.document.get(keyword).and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|name| name == field))
    }

    /// Judges the settings by the schema and makes them the provider's own type, or names every problem.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        settings: &SubmittedSettings,
    ) -> Result<T, Vec<Problem>> {
        let mut problems = Vec::new();
        for name in &settings.repeated {
            problems.push(
                self.at_member(name)
                    .message("This field is given more than once.")
                    .hint("Keep one of them; which one was meant cannot be told."),
            );
        }
        for error in self.validator.iter_errors(&settings.members) {
            self.explain(&error, &settings.members, &mut problems);
        }
        if !problems.is_empty() {
            return Err(self.in_order(problems));
        }
        serde_path_to_error::deserialize(&settings.members).map_err(|error| {
            // The text of the error may hold the value, so only its place is kept.
            let path = error.path().to_string();
            let field = path.split(['.', '[']).next().unwrap_or_default();
            vec![self.at_member(field).message("This does not have the form that is needed.")]
        })
    }

    fn explain(&self, error: &ValidationError<'_>, settings: &Value, problems: &mut Vec<Problem>) {
        let path: Vec<String> = pointer_steps(error.instance_path().as_str());
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        let inside = |name: &str| settings_pointer(&[&steps[..], &[name]].concat());
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                problems.push(
                    Problem::new(Cause::InvalidSettings)
                        .with_pointer(Some(inside(name)))
                        .with_message(format!("`{name}` is required and missing."))
                        .with_hint(self.what_is(name)),
                );
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for name in unexpected {
                    let problem = self.at_member(name);
                    problems.push(
                        problem
                            .with_message(format!("{} has no setting of this name.", self.title))
                            .with_hint(self.nearest(name)),
                    );
                }
            }
            kind => {
                let pointer = settings_pointer(&steps);
                if problems.iter().any(|problem| problem.pointer() == Some(&pointer)) {
                    return;
                }
                let value = settings.pointer(error.instance_path().as_str());
                let schema = steps.first().and_then(|name| self.field(name));
                let mut problem = Problem::new(Cause::InvalidSettings).with_pointer(Some(pointer));
                problem = problem.with_message(refusal(kind, schema, value));
                if let Some(hint) = hint_for(kind, value) {
                    problem = problem.hint(hint);
                }
                problems.push(problem);
            }
        }
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.document.get("properties")?.get(name)
    }

    /// A problem at a member of the settings. A name that is no identifier could be a secret in the wrong place.
    fn at_member(&self, name: &str) -> Problem {
        let problem = Problem::new(Cause::InvalidSettings);
        if self.field(name).is_some() || is_identifier(name) {
            problem.at(name)
        } else {
            problem.with_pointer(Some(settings_pointer(&[])))
        }
    }

    fn what_is(&self, name: &str) -> String {
        let text = |key| self.field(name).and_then(|field| field.get(key)).and_then(Value::as_str);
        match (text("title"), text("description")) {
            (Some(title), Some(description)) => format!("{title}: {description}"),
            (Some(text), None) | (None, Some(text)) => text.to_owned(),
            (None, None) => format!("Add `{name}` to the settings."),
        }
    }

    fn nearest(&self, name: &str) -> String {
        let near = self
            .fields()
            .map(|(known, _)| (strsim::jaro_winkler(known, name), known))
            .filter(|(likeness, _)| *likeness > 0.75)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, known)) = near {
            return format!("Did you mean `{known}`?");
        }
        let known: Vec<String> = self.fields().map(|(name, _)| format!("`{name}`")).collect();
        format!("Known settings: {}.", known.join(", "))
    }

    /// Sorts the problems as the fields are declared, what belongs to no field last.
    fn in_order(&self, mut problems: Vec<Problem>) -> Vec<Problem> {
        let pointers: Vec<String> =
            self.fields().map(|(name, _)| settings_pointer(&[name])).collect();
        problems.sort_by_key(|problem| {
            let pointer = problem.pointer().unwrap_or_default();
            pointers.iter().position(|known| known == pointer).unwrap_or(usize::MAX)
        });
        problems
    }
}

fn generate<T: JsonSchema>(descriptor: &Descriptor) -> Value {
    let generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let mut document = generator.into_root_schema_for::<T>().to_value();
    let required: Vec<Value> =
        document.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut required_to_save = Vec::new();
    if let Some(properties) = document.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, field) in properties.iter_mut() {
            let Some(field) = field.as_object_mut() else { continue };
            if !required.iter().any(|known| known == name) {
                refuse_null(field);
            }
            if field.remove(OPTIONAL_TO_SAVE) != Some(Value::Bool(true)) {
                required_to_save.push(Value::from(name.as_str()));
            }
        }
    }
    if let Some(root) = document.as_object_mut() {
        let description = format!("What an integration with {} is made of.", descriptor.title);
        root.insert("title".to_owned(), descriptor.title.into());
        root.insert("description".to_owned(), description.into());
        root.insert("additionalProperties".to_owned(), json!(false));
        root.insert(REQUIRED_TO_SAVE.to_owned(), Value::Array(required_to_save));
        root.insert("x-provider-id".to_owned(), descriptor.id.into());
        root.insert("x-provider".to_owned(), descriptor.name.into());
        root.insert("x-provider-type".to_owned(), descriptor.provider_type.as_str().into());
    }
    document
}

/// An optional field may be left out, but a `null` is no value: Rust's `Option` would let it pass.
fn refuse_null(field: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = field.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            field.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = field.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    if let Some(Value::Array(choices)) = field.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&json!("null")));
    }
}

fn refusal(kind: &ValidationErrorKind, schema: Option<&Value>, value: Option<&Value>) -> String {
    let expected = schema.and_then(|schema| schema.get(EXPECTED)).and_then(Value::as_str);
    match (kind, expected, value) {
        (ValidationErrorKind::Type { kind }, _, _) => format!("This must be {}.", type_names(kind)),
        (_, _, Some(Value::String(text))) if text.is_empty() => {
            "This must not be empty.".to_owned()
        }
        (ValidationErrorKind::MaxLength { limit }, _, _) => {
            format!("This must not be longer than {limit} characters.")
        }
        (_, Some(expected), _) => format!("This must be {expected}."),
        (ValidationErrorKind::Enum { options }, None, _) => {
            format!("This must be one of {options}.")
        }
        (ValidationErrorKind::Pattern { pattern }, None, _) => {
            format!("This must match `{pattern}`.")
        }
        (kind, None, _) => {
            format!("This breaks the rule `{}` of the settings schema.", kind.keyword())
        }
    }
}

fn hint_for(kind: &ValidationErrorKind, value: Option<&Value>) -> Option<&'static str> {
    match (kind, value) {
        (ValidationErrorKind::Type { .. }, Some(Value::Number(_) | Value::Bool(_))) => {
            Some("Put it between quotes.")
        }
        (ValidationErrorKind::Type { .. }, Some(Value::Null)) => {
            Some("Leave the field out, or give it a value.")
        }
        (ValidationErrorKind::Pattern { .. }, Some(Value::String(text))) if text.trim() != text => {
            Some(
                "It begins or ends with white space, which is not removed here: submit it without.",
            )
        }
        _ => None,
    }
}

fn type_names(kind: &jsonschema::error::TypeKind) -> String {
    let name = |kind: JsonType| match kind {
        JsonType::String => "a string",
        JsonType::Number => "a number",
        JsonType::Integer => "a whole number",
        JsonType::Boolean => "`true` or `false`",
        JsonType::Array => "an array",
        JsonType::Object => "an object",
        JsonType::Null => "`null`",
    };
    match kind {
        jsonschema::error::TypeKind::Single(kind) => name(*kind).to_owned(),
        jsonschema::error::TypeKind::Multiple(kinds) => {
            kinds.iter().map(name).collect::<Vec<_>>().join(" or ")
        }
    }
}

fn pointer_steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_')
        && name.len() <= 64
}
