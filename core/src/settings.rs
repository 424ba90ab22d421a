//! Settings on their way in: as they were submitted, as the schema wants them, and as the provider's own type.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{JsonType, ValidationError, Validator};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use zeroize::Zeroize;

use crate::descriptor::Descriptor;
use crate::failure::{Cause, Problem, settings_pointer};
use crate::pointer;
use crate::schema::{self, texts};

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
                    if let Some(earlier) = members.get_mut(&name) {
                        wipe(&mut std::mem::replace(earlier, value));
                        settings.repeated.push(name);
                    } else {
                        members.insert(name, value);
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
    expected: BTreeMap<String, String>,
    validator: Validator,
    descriptor: &'static Descriptor,
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
    /// Generates the schema of `T`: closed, without `$ref`, of standard keywords alone, with what the catalogue needs.
    pub fn of<T: JsonSchema>(descriptor: &'static Descriptor) -> Result<Self, SchemaError> {
        let schema::Generated { mut document, expected } = schema::generate::<T>(descriptor);
        let validator = jsonschema::draft202012::new(&document).map_err(|error| SchemaError {
            provider: descriptor.name,
            reason: error.masked().to_string(),
        })?;
        let example = schema::example(&document).filter(|example| validator.is_valid(example));
        if let (Some(example), Some(root)) = (example, document.as_object_mut()) {
            root.insert("examples".to_owned(), Value::Array(vec![example]));
        }
        Ok(Self { document, expected, validator, descriptor })
    }

    /// The schema as a document: draft 2020-12, `required` being what a check needs, `$defs/save` what saving needs.
    ///
    /// It is what settings are judged by, and holds no keyword that the standard does not know.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The document as it is published: with the `$id` that names the provider and the version of its crate.
    pub fn published(&self, version: &str) -> Value {
        let Descriptor { id, name, .. } = self.descriptor;
        let mut document = self.document.clone();
        if let Some(root) = document.as_object_mut() {
            let urn = format!("urn:bonafide:provider:{id}:{name}:{version}");
            root.insert("$id".to_owned(), urn.into());
            schema::publish(root);
        }
        document
    }

    /// The fields by name, in the order of declaration, each with its part of the schema.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        let properties = self.document.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    /// Whether a check cannot do without this field.
    pub fn is_required(&self, field: &str) -> bool {
        texts(self.document.get("required")).any(|name| name == field)
    }

    /// Whether an integration cannot be saved without this field.
    pub fn is_required_to_save(&self, field: &str) -> bool {
        texts(self.document.pointer("/$defs/save/required")).any(|name| name == field)
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
        // Naming what is wrong costs many times as much as seeing that nothing is.
        if !self.validator.is_valid(&settings.members) {
            for error in self.validator.iter_errors(&settings.members) {
                self.explain(&error, &settings.members, &mut problems);
            }
        }
        if !problems.is_empty() {
            return Err(self.in_order(problems));
        }
        if let Ok(settings) = T::deserialize(&settings.members) {
            return Ok(settings);
        }
        serde_path_to_error::deserialize(&settings.members).map_err(|error| {
            // The text of the error may hold the value, so only its place is kept.
            let path = error.path().to_string();
            let field = path.split(['.', '[']).next().unwrap_or_default();
            vec![self.at_member(field).message("This does not have the form that is needed.")]
        })
    }

    fn explain(&self, error: &ValidationError<'_>, settings: &Value, problems: &mut Vec<Problem>) {
        let path: Vec<String> = pointer::steps(error.instance_path().as_str());
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
                            .with_message(format!(
                                "{} has no setting of this name.",
                                self.descriptor.title
                            ))
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
                let expected = steps.first().and_then(|name| self.expected.get(*name));
                let mut problem = Problem::new(Cause::InvalidSettings).with_pointer(Some(pointer));
                problem = problem.with_message(refusal(kind, expected, value));
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

fn refusal(kind: &ValidationErrorKind, expected: Option<&String>, value: Option<&Value>) -> String {
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

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_')
        && name.len() <= 64
}
