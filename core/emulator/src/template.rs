//! `{field}` in what a request must hold.

use serde_json::{Map, Value};

/// The text of a scalar, as it stands in a query or a header.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Puts the values of the settings where their names stand between braces. Other names in braces stay.
pub(crate) fn fill(template: &str, settings: &Map<String, Value>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let field =
            after.split_once('}').and_then(|(name, after)| Some((settings.get(name)?, after)));
        if let Some((value, after)) = field {
            filled.push_str(&text_of(value));
            rest = after;
        } else {
            filled.push('{');
            rest = after;
        }
    }
    filled.push_str(rest);
    filled
}

/// As [`fill`], in every string of a JSON value.
pub(crate) fn fill_value(template: &Value, settings: &Map<String, Value>) -> Value {
    match template {
        Value::String(text) => Value::String(fill(text, settings)),
        Value::Array(items) => items.iter().map(|item| fill_value(item, settings)).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), fill_value(value, settings)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Whether `actual` holds what `expected` says: objects may hold more members, arrays may not hold more items.
pub(crate) fn holds(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => expected
            .iter()
            .all(|(name, value)| actual.get(name).is_some_and(|actual| holds(actual, value))),
        (Value::Array(actual), Value::Array(expected)) => {
            actual.len() == expected.len()
                && actual.iter().zip(expected).all(|(actual, expected)| holds(actual, expected))
        }
        (actual, expected) => actual == expected,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_filled_once_and_what_is_no_field_stays() {
        let settings = json!({"key": "a{b}", "b": "no", "port": 587});
        let settings = settings.as_object().unwrap();
        assert_eq!(fill("x{key}y{port}{other}{", settings), "xa{b}y587{other}{");
    }

    #[test]
    fn a_body_may_hold_more_than_is_asked_for() {
        let actual = json!({"a": {"b": 1, "c": [{"d": 1, "e": 2}]}});
        assert!(holds(&actual, &json!({"a": {"c": [{"d": 1}]}})));
        assert!(!holds(&actual, &json!({"a": {"c": []}})));
        assert!(!holds(&actual, &json!({"a": {"b": "1"}})));
    }
}
