//! The JSON Schema of a provider's settings.

use std::collections::BTreeMap;
use std::fmt;

use jsonschema::Validator;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::explain::Explainer;
use super::generate::{self, fields, texts};
use super::submitted::SubmittedSettings;
use crate::descriptor::Descriptor;
use crate::finding::Problem;

/// The JSON Schema of a provider's settings, compiled.
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

/// The generated schema is not valid JSON Schema, for instance because a pattern is not a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the settings schema of provider `{provider}` is not a JSON Schema: {reason}")]
pub struct SchemaError {
    provider: &'static str,
    reason: String,
}

impl SettingsSchema {
    /// Generates the schema of `T`: closed, without `$ref`, of standard keywords alone, with what the catalogue needs.
    pub fn of<T: JsonSchema>(descriptor: &'static Descriptor) -> Result<Self, SchemaError> {
        let generate::Generated { mut document, expected } = generate::generate::<T>(descriptor);
        let validator = jsonschema::draft202012::new(&document).map_err(|error| SchemaError {
            provider: descriptor.name,
            reason: error.masked().to_string(),
        })?;
        let example = generate::example(&document).filter(|example| validator.is_valid(example));
        if let (Some(example), Some(root)) = (example, document.as_object_mut()) {
            root.insert("examples".to_owned(), Value::Array(vec![example]));
        }
        Ok(Self { document, expected, validator, descriptor })
    }

    /// The schema as a document: draft 2020-12, `required` being what a check needs, `$defs/save` what saving needs.
    ///
    /// Settings are validated against it. It holds only keywords of the standard.
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
            generate::publish(root);
        }
        document
    }

    /// The fields by name, in the order of declaration, each with its part of the schema.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        fields(&self.document)
    }

    /// Whether a check needs this field.
    pub fn is_required(&self, field: &str) -> bool {
        texts(self.document.get("required")).any(|name| name == field)
    }

    /// Whether saving an integration needs this field.
    pub fn is_required_to_save(&self, field: &str) -> bool {
        texts(self.document.pointer("/$defs/save/required")).any(|name| name == field)
    }

    /// Validates the settings and deserializes them, or names every problem.
    pub(crate) fn parse<T: DeserializeOwned>(
        &self,
        settings: &SubmittedSettings,
    ) -> Result<T, Vec<Problem>> {
        let explainer = Explainer {
            document: &self.document,
            expected: &self.expected,
            title: self.descriptor.title,
        };
        let mut problems = explainer.repeated(&settings.repeated);
        // Naming what is wrong costs many times as much as seeing that nothing is.
        if !self.validator.is_valid(&settings.members) {
            for error in self.validator.iter_errors(&settings.members) {
                explainer.explain(&error, &settings.members, &mut problems);
            }
        }
        if !problems.is_empty() {
            return Err(explainer.in_order(problems));
        }
        if let Ok(settings) = T::deserialize(&settings.members) {
            return Ok(settings);
        }
        serde_path_to_error::deserialize(&settings.members).map_err(|error| {
            // The text of the error may hold the value, so only its place is kept.
            let path = error.path().to_string();
            let field = path.split(['.', '[']).next().unwrap_or_default();
            vec![explainer.malformed(field)]
        })
    }
}
