//! Sentences for people about settings that the schema refuses. None of them holds a value that was submitted.

use std::collections::BTreeMap;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::generate::fields;
use crate::cause::Cause;
use crate::finding::{FindingExt as _, Problem, settings_pointer};
use crate::json::pointer;

/// What the sentences are made of.
pub(super) struct Explainer<'a> {
    /// The schema.
    pub(super) document: &'a Value,
    /// By field, the end of the sentence "This must be …".
    pub(super) expected: &'a BTreeMap<String, String>,
    /// The provider's title.
    pub(super) title: &'a str,
}

impl Explainer<'_> {
    pub(super) fn repeated(&self, names: &[String]) -> Vec<Problem> {
        let explain = |name: &String| {
            self.at_member(name)
                .with_message("This field is given more than once.")
                .with_hint("Keep one of them; which one was meant cannot be told.")
        };
        names.iter().map(explain).collect()
    }

    pub(super) fn malformed(&self, field: &str) -> Problem {
        self.at_member(field).with_message("This does not have the form that is needed.")
    }

    pub(super) fn explain(
        &self,
        error: &ValidationError<'_>,
        settings: &Value,
        problems: &mut Vec<Problem>,
    ) {
        let path: Vec<String> = pointer::steps(error.instance_path().as_str());
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        let inside = |name: &str| settings_pointer(&[&steps[..], &[name]].concat());
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                problems.push(
                    Problem::new(Cause::InvalidSettings)
                        .with_pointer(Some(inside(name)))
                        .with_formatted_message(format!("`{name}` is required and missing."))
                        .with_formatted_hint(self.what_is(name)),
                );
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for name in unexpected {
                    let problem = self.at_member(name);
                    problems.push(
                        problem
                            .with_formatted_message(format!(
                                "{} has no setting of this name.",
                                self.title
                            ))
                            .with_formatted_hint(self.nearest(name)),
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
                problem = problem.with_formatted_message(requirement(kind, expected, value));
                if let Some(hint) = hint_for(kind, value) {
                    problem = problem.with_hint(hint);
                }
                problems.push(problem);
            }
        }
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.document.get("properties")?.get(name)
    }

    /// A problem at a member of the settings. A name that is not an identifier may be a misplaced secret.
    fn at_member(&self, name: &str) -> Problem {
        let problem = Problem::new(Cause::InvalidSettings);
        if self.field(name).is_some() || is_identifier(name) {
            problem.with_pointer(Some(settings_pointer(&[name])))
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
        let near = fields(self.document)
            .map(|(known, _)| (strsim::jaro_winkler(known, name), known))
            .filter(|(likeness, _)| *likeness > 0.75)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, known)) = near {
            return format!("Did you mean `{known}`?");
        }
        let known: Vec<String> =
            fields(self.document).map(|(name, _)| format!("`{name}`")).collect();
        format!("Known settings: {}.", known.join(", "))
    }

    /// Sorts the problems as the fields are declared, what belongs to no field last.
    pub(super) fn in_order(&self, mut problems: Vec<Problem>) -> Vec<Problem> {
        let pointers: Vec<String> =
            fields(self.document).map(|(name, _)| settings_pointer(&[name])).collect();
        problems.sort_by_key(|problem| {
            let pointer = problem.pointer().unwrap_or_default();
            pointers.iter().position(|known| known == pointer).unwrap_or(usize::MAX)
        });
        problems
    }
}

fn requirement(
    kind: &ValidationErrorKind,
    expected: Option<&String>,
    value: Option<&Value>,
) -> String {
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
        (
            ValidationErrorKind::Type { kind: TypeKind::Single(JsonType::String) },
            Some(Value::Number(_) | Value::Bool(_)),
        ) => Some("Put it between quotes."),
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

fn type_names(kind: &TypeKind) -> String {
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
        TypeKind::Single(kind) => name(*kind).to_owned(),
        TypeKind::Multiple(kinds) => kinds.iter().map(name).collect::<Vec<_>>().join(" or "),
    }
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_')
        && name.len() <= 64
}
