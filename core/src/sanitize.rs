//! Texts of providers, made safe to pass on.

use serde_json::Value;

/// The maximum length of a text that is passed on, in characters.
const MAX_TEXT: usize = 1000;

/// Removes from every text what a terminal or a log could take for a command, and cuts long texts.
pub(crate) fn sanitize(data: &mut Value) {
    match data {
        Value::String(text) => *text = sanitized(text),
        Value::Array(items) => items.iter_mut().for_each(sanitize),
        Value::Object(members) => {
            *members = std::mem::take(members)
                .into_iter()
                .map(|(name, mut value)| {
                    sanitize(&mut value);
                    (sanitized(&name), value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn sanitized(text: &str) -> String {
    text.chars().filter(|letter| !is_unsafe(*letter)).take(MAX_TEXT).collect()
}

/// Control characters, line and paragraph ends, and what sets the direction of text
/// (<https://www.unicode.org/reports/tr9/>, section 2).
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn control_and_direction_characters_are_removed_and_long_texts_are_cut() {
        let hostile = "a\u{1b}[31mb\r\nc\0\u{9b}d\u{202e}e\u{2066}f\u{2028}g\u{200f}h é";
        let clean = "a[31mbcdefgh é";
        let mut data =
            json!({"list": [hostile, {hostile: hostile}], "long": "é".repeat(1001), "number": 1});
        sanitize(&mut data);
        let expected =
            json!({"list": [clean, {clean: clean}], "long": "é".repeat(1000), "number": 1});
        assert_eq!(data, expected);
    }
}
