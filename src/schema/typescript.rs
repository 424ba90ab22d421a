//! The types of TypeScript: settings, requests, reports and errors.

use std::fmt::Write as _;

use bonafide_core::{Cause, ProviderType, Verdict, WarningCode};
use bonafide_registry::Registry;
use serde_json::Value;

use super::Named;
use crate::api::TITLES;

const HEAD: &str = "// Made by `bonafide schema export --format typescript`. Export it again instead of editing it.\n\n";
const INTEGRATION: &str = include_str!("typescript/integration.ts.template");
const ANSWERS: &str = include_str!("typescript/answers.ts.template");

/// The whole file. The same providers make the same text, byte by byte.
pub(crate) fn document(registry: &Registry) -> String {
    let providers = Named::all(registry);
    let mut file = String::from(HEAD);
    for provider in &providers {
        file.push_str(&settings(provider));
    }
    file.push_str(&unions(&providers));
    file.push_str(&answers());
    file
}

fn settings(provider: &Named<'_>) -> String {
    let name = &provider.type_name;
    let (descriptor, schema) = (provider.entry.descriptor(), provider.entry.schema());
    let title = descriptor.title;
    let mut text = comment(
        "",
        &[format!("What an integration with {title} is made of, as a validation needs it.")],
    );
    let _ = writeln!(text, "export interface {name}Settings {{");
    for (field, property) in schema.fields() {
        text.push_str(&comment("  ", &remarks(property)));
        let optional = if schema.is_required(field) { "" } else { "?" };
        let _ = writeln!(text, "  {}{optional}: {};", key(field), type_of(property));
    }
    text.push_str("}\n\n");
    let to_save: Vec<String> = schema
        .fields()
        .filter(|(field, _)| schema.is_required_to_save(field))
        .map(|(field, _)| literal(field))
        .collect();
    text.push_str(&comment("", &[format!("What saving an integration with {title} needs.")]));
    let _ = writeln!(
        text,
        "export type {name}SettingsToSave = {name}Settings & Required<Pick<{name}Settings, {}>>;\n",
        if to_save.is_empty() { "never".to_owned() } else { to_save.join(" | ") },
    );
    text.push_str(&comment("", &[format!("A request to validate an integration with {title}.")]));
    let id = literal(descriptor.id);
    let _ = writeln!(
        text,
        "export interface {name}ValidateRequest extends Integration {{\n  provider_id: {id};\n  settings: {name}Settings;\n}}\n",
    );
    text
}

fn unions(providers: &[Named<'_>]) -> String {
    let requests =
        providers.iter().map(|provider| format!("{}ValidateRequest", provider.type_name));
    let names = providers.iter().map(|provider| literal(provider.entry.descriptor().name));
    let mut by_id = String::new();
    for provider in providers {
        let id = literal(provider.entry.descriptor().id);
        let _ = writeln!(by_id, "  {id}: {}Settings;", provider.type_name);
    }
    let mut text = String::from(INTEGRATION);
    let declare = |text: &mut String, what: &str, name: &str, choices: Vec<String>| {
        text.push_str(&comment("", &[what.to_owned()]));
        let _ = writeln!(text, "export type {name} =\n  | {};\n", choices.join("\n  | "));
    };
    declare(
        &mut text,
        "The body of a request; `provider_id` tells whose settings it holds.",
        "ValidateRequest",
        requests.collect(),
    );
    declare(&mut text, "The names of the providers.", "ProviderName", names.collect());
    let _ = writeln!(
        text,
        "/** The settings by the id of their provider. */\nexport interface SettingsById {{\n{by_id}}}\n\n\
         /** The ids of the providers. */\nexport type ProviderId = keyof SettingsById;\n",
    );
    declare(
        &mut text,
        "What a provider carries.",
        "ProviderType",
        ProviderType::ALL.iter().map(|kind| literal(kind.as_str())).collect(),
    );
    declare(
        &mut text,
        "What a check came to: it passed, it was refused, or nobody knows.",
        "Verdict",
        [Verdict::Valid, Verdict::Rejected, Verdict::Inconclusive]
            .map(|verdict| literal(&verdict.to_string()))
            .into(),
    );
    declare(
        &mut text,
        "Why a check did not pass.",
        "Cause",
        Cause::ALL.iter().map(|cause| literal(cause.code())).collect(),
    );
    declare(
        &mut text,
        "What is worth knowing although a check passed.",
        "WarningCode",
        WarningCode::ALL.iter().map(|code| literal(code.code())).collect(),
    );
    text
}

/// What the service and the command answer.
fn answers() -> String {
    let mut text = String::from(ANSWERS);
    for (index, (status, title)) in TITLES.iter().enumerate() {
        let own = match status {
            400 => "message: string; errors: Problem[]",
            500 => "errors: Problem[]",
            _ => "message: string",
        };
        let end = if index + 1 == TITLES.len() { ";" } else { "" };
        let title = literal(title);
        let _ = writeln!(
            text,
            "  | {{ code: {status}; title: {title}; trace_id: string; {own} }}{end}",
        );
    }
    text
}

/// What a comment says of a field.
fn remarks(property: &Value) -> Vec<String> {
    let text = |keyword: &str| property.get(keyword).and_then(Value::as_str);
    let is = |keyword: &str| property.get(keyword) == Some(&Value::Bool(true));
    let mut remarks: Vec<String> = match (text("title"), text("description")) {
        (Some(title), Some(description)) => vec![format!("{title}: {description}")],
        (one, other) => one.or(other).map(str::to_owned).into_iter().collect(),
    };
    let example =
        || property.get("examples").and_then(Value::as_array).and_then(|list| list.first());
    if is("writeOnly") {
        remarks.push("A secret: show it to nobody.".to_owned());
    } else if let Some(example) = example() {
        remarks.push(format!("@example {example}"));
    }
    if is("deprecated") {
        remarks.push("@deprecated".to_owned());
    }
    remarks
}

/// A comment of these lines; nothing where there is nothing to say.
fn comment(indent: &str, lines: &[String]) -> String {
    let lines: Vec<String> =
        lines.iter().flat_map(|line| line.lines()).map(|line| line.replace("*/", "*\\/")).collect();
    match lines.as_slice() {
        [] => String::new(),
        [only] => format!("{indent}/** {only} */\n"),
        lines => {
            let mut text = format!("{indent}/**\n");
            for line in lines {
                let _ = writeln!(text, "{}", format!("{indent} * {line}").trim_end());
            }
            text + indent + " */\n"
        }
    }
}

/// The type of what a schema takes.
fn type_of(schema: &Value) -> String {
    let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    if let Some(values) = list("enum") {
        return union(values.iter().map(Value::to_string));
    }
    if let Some(choices) = list("oneOf").or_else(|| list("anyOf")) {
        return union(choices.iter().map(type_of));
    }
    match schema.get("type") {
        Some(Value::String(name)) => type_named(name, schema),
        Some(Value::Array(names)) => {
            union(names.iter().filter_map(Value::as_str).map(|name| type_named(name, schema)))
        }
        _ => "unknown".to_owned(),
    }
}

fn type_named(name: &str, schema: &Value) -> String {
    match name {
        "string" | "boolean" | "null" => name.to_owned(),
        "number" | "integer" => "number".to_owned(),
        "array" => {
            let items = schema.get("items").map_or_else(|| "unknown".to_owned(), type_of);
            format!("Array<{items}>")
        }
        "object" => "Record<string, unknown>".to_owned(),
        _ => "unknown".to_owned(),
    }
}

fn union(types: impl Iterator<Item = String>) -> String {
    let types: Vec<String> = types.collect();
    if types.is_empty() { "never".to_owned() } else { types.join(" | ") }
}

/// A string of TypeScript, which JSON's are.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// The name of a member, between quotes where it is no identifier.
fn key(name: &str) -> String {
    let mut letters = name.chars();
    let is_identifier =
        letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && letters.all(|other| other.is_ascii_alphanumeric() || other == '_');
    if is_identifier { name.to_owned() } else { literal(name) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{comment, key, remarks, type_of};

    #[test]
    fn each_schema_has_its_type() {
        for (schema, expected) in [
            (json!({"type": "string", "pattern": "x"}), "string"),
            (json!({"type": "integer"}), "number"),
            (json!({"type": ["string", "null"]}), "string | null"),
            (json!({"enum": ["a", "b\"c"]}), r#""a" | "b\"c""#),
            (
                json!({"type": "string", "oneOf": [{"const": "eu"}, {"const": "us"}]}),
                r#""eu" | "us""#,
            ),
            (json!({"const": 7}), "7"),
            (json!({"type": "array", "items": {"enum": ["a", "b"]}}), r#"Array<"a" | "b">"#),
            (json!({"type": "array"}), "Array<unknown>"),
            (json!({"type": "object"}), "Record<string, unknown>"),
            (json!({"anyOf": [{"type": "boolean"}, {"type": "number"}]}), "boolean | number"),
            (json!({}), "unknown"),
        ] {
            assert_eq!(type_of(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn names_and_texts_cannot_break_out() {
        assert_eq!(key("api_key"), "api_key");
        assert_eq!(key("api-key"), "\"api-key\"");
        assert_eq!(key("1st"), "\"1st\"");
        let field = json!({"title": "A */ B", "description": "two\nlines", "deprecated": true, "examples": ["x"]});
        assert_eq!(
            comment("  ", &remarks(&field)),
            "  /**\n   * A *\\/ B: two\n   * lines\n   * @example \"x\"\n   * @deprecated\n   */\n"
        );
        assert_eq!(comment("", &[]), "");
    }
}
