//! The generator of settings schemas: from a Rust type to standard keywords in one order.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::descriptor::Descriptor;
use crate::field::EXPECTED;

/// The annotation of a field that not even saving needs. It is published in `$defs`.
const OPTIONAL_TO_SAVE: &str = "x-optional-to-save";

/// The keywords that are published, in this order. Strict tools refuse a schema with a keyword that the standard does not
/// know, so Bonafide's own annotations are not among them.
const PUBLISHED: &[&str] = &[
    "$schema",
    "$id",
    "$anchor",
    "$ref",
    "title",
    "description",
    "type",
    "format",
    "const",
    "enum",
    "oneOf",
    "anyOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "minLength",
    "maxLength",
    "pattern",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "prefixItems",
    "items",
    "contains",
    "minContains",
    "maxContains",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "required",
    "dependentRequired",
    "dependentSchemas",
    "additionalProperties",
    "unevaluatedProperties",
    "default",
    "readOnly",
    "writeOnly",
    "deprecated",
    "$defs",
    "examples",
    "$comment",
];

/// A settings type as a schema, and what is known of its fields beside it.
pub(super) struct Generated {
    pub(super) document: Value,
    /// By field, what finishes the sentence "This must be …".
    pub(super) expected: BTreeMap<String, String>,
}

/// Generates the schema of `T`: closed, without `$ref`, and with what saving needs.
pub(super) fn generate<T: JsonSchema>(descriptor: &Descriptor) -> Generated {
    let generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let mut document = generator.into_root_schema_for::<T>().to_value();
    let required: Vec<String> = texts(document.get("required")).map(str::to_owned).collect();
    let mut expected = BTreeMap::new();
    let mut required_to_save = Vec::new();
    if let Some(fields) = document.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, field) in fields.iter_mut() {
            let Some(field) = field.as_object_mut() else { continue };
            if !required.contains(name) {
                refuse_null(field);
            }
            if field.get(OPTIONAL_TO_SAVE) != Some(&Value::Bool(true)) {
                required_to_save.push(name.clone());
            }
            if let Some(Value::String(text)) = field.get(EXPECTED) {
                expected.insert(name.clone(), text.clone());
            }
            publish(field);
        }
    }
    if let Some(root) = document.as_object_mut() {
        let description = format!("What an integration with {} is made of.", descriptor.title);
        root.insert("title".to_owned(), descriptor.title.into());
        root.insert("description".to_owned(), description.into());
        root.insert("additionalProperties".to_owned(), json!(false));
        root.insert("$defs".to_owned(), json!({"save": save(&required_to_save)}));
        publish(root);
    }
    Generated { document, expected }
}

/// What saving needs, as a schema of its own. Its properties are named because strict tools want them so.
fn save(required: &[String]) -> Value {
    let properties: Map<String, Value> =
        required.iter().map(|name| (name.clone(), Value::Bool(true))).collect();
    json!({
        "title": "What saving needs",
        "description": "The fields that an integration cannot be saved without; the schema's own `required` lists those that a validation cannot do without.",
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

/// Whole settings, made of the examples of their fields; none where a field that is needed has no example.
pub(super) fn example(document: &Value) -> Option<Value> {
    let fields = document.get("properties")?.as_object()?;
    let required: Vec<&str> = texts(document.get("required")).collect();
    let mut settings = Map::new();
    for (name, field) in fields {
        let is_required = required.contains(&name.as_str());
        if field.get("deprecated") == Some(&Value::Bool(true)) && !is_required {
            continue;
        }
        match example_of(field) {
            Some(value) => {
                settings.insert(name.clone(), value.clone());
            }
            None if is_required => return None,
            None => {}
        }
    }
    Some(Value::Object(settings))
}

fn example_of(field: &Value) -> Option<&Value> {
    let first =
        |keyword| field.get(keyword).and_then(Value::as_array).and_then(|list| list.first());
    first("examples")
        .or_else(|| field.get("const"))
        .or_else(|| field.get("default"))
        .or_else(|| first("enum"))
        .or_else(|| first("oneOf").and_then(|choice| choice.get("const")))
}

/// The fields of a schema by name, in the order of declaration.
pub(super) fn fields(document: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = document.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
}

/// The strings of a list.
pub(super) fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Leaves out what the standard does not know, and puts the other keywords into their places.
pub(super) fn publish(schema: &mut Map<String, Value>) {
    let mut given = std::mem::take(schema);
    let keywords = PUBLISHED.iter().filter_map(|keyword| given.shift_remove_entry(*keyword));
    schema.extend(keywords);
}

/// Refuses `null` for an optional field, which may only be left out. Rust's `Option` would accept it.
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
