//! What a passed check has to tell.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::failure::{Finding, Sentence, complete};

/// What is worth knowing although the credentials work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WarningCode {
    /// The provider has not verified the sender address or domain, so it may refuse to send.
    SenderUnverified,
    /// The account's list of numbers does not hold the number that the settings name.
    NumberNotInAccount,
    /// The account's plan limits what can be sent, or to whom.
    AccountLimited,
}

impl WarningCode {
    /// Every code, in the order of the docs.
    pub const ALL: [Self; 3] =
        [Self::SenderUnverified, Self::NumberNotInAccount, Self::AccountLimited];

    /// The machine-readable name, for instance `sender_unverified`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::SenderUnverified => "sender_unverified",
            Self::NumberNotInAccount => "number_not_in_account",
            Self::AccountLimited => "account_limited",
        }
    }

    /// The warning with this code, if there is one.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|warning| warning.code() == code)
    }

    /// What the code means, in general.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::SenderUnverified => {
                "The provider has not verified the sender address or domain, so it may refuse to send."
            }
            Self::NumberNotInAccount => {
                "The account's list of numbers does not hold the number that the settings name."
            }
            Self::AccountLimited => "The account's plan limits what can be sent, or to whom.",
        }
    }
}

impl Sentence for WarningCode {
    fn sentence(self, title: &str) -> String {
        match self {
            Self::SenderUnverified => {
                format!("{title} has not verified this sender, so it may refuse to send.")
            }
            Self::NumberNotInAccount => {
                format!("This number is not among those that {title} lists for the account.")
            }
            Self::AccountLimited => {
                format!("The {title} account's plan limits what can be sent, or to whom.")
            }
        }
    }
}

impl fmt::Display for WarningCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl Serialize for WarningCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// A finding that does not stand in the way of a pass.
pub type Warning = Finding<WarningCode>;

impl Warning {
    /// The provider has not verified the sender that this field names.
    pub fn sender_unverified(field: &str) -> Self {
        Self::new(WarningCode::SenderUnverified).at(field)
    }

    /// The account does not list the number in this field.
    pub fn number_not_in_account(field: &str) -> Self {
        Self::new(WarningCode::NumberNotInAccount).at(field)
    }
}

/// The longest text of a provider's that is handed on, in characters.
const LONGEST_TEXT: usize = 1000;

/// Leaves nothing in a text that a terminal or a log could take for something else.
fn clean(data: &mut Value) {
    match data {
        Value::String(text) => *text = cleaned(text),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(members) => {
            *members = std::mem::take(members)
                .into_iter()
                .map(|(name, mut value)| {
                    clean(&mut value);
                    (cleaned(&name), value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn cleaned(text: &str) -> String {
    text.chars().filter(|letter| !disturbs(*letter)).take(LONGEST_TEXT).collect()
}

/// Control characters, line and paragraph ends, and what sets the direction of text
/// (<https://www.unicode.org/reports/tr9/>, section 2).
fn disturbs(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// A passed check: the credentials work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    data: Option<Value>,
    warnings: Vec<Warning>,
}

impl Outcome {
    /// The credentials work, and there is nothing else to tell.
    pub fn valid() -> Self {
        Self::default()
    }

    /// Adds what the caller gets as the body of the answer.
    ///
    /// It must be built from single fields of the provider's answer whose form was checked, never from the answer
    /// as it came: providers echo what they are sent. Whatever the form: control characters and characters that turn
    /// text around are left out of every text, and no text is longer than 1000 characters.
    pub fn with_data(mut self, mut data: Value) -> Self {
        clean(&mut data);
        self.data = Some(data);
        self
    }

    /// Adds a warning.
    pub fn with_warning(mut self, warning: Warning) -> Self {
        self.warnings.push(warning);
        self
    }

    /// What the caller gets as the body of the answer, if anything.
    pub fn data(&self) -> Option<&Value> {
        self.data.as_ref()
    }

    /// What is worth knowing although the credentials work.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(crate) fn complete(mut self, title: &str) -> Self {
        for warning in &mut self.warnings {
            complete(warning, title);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_provider_says_is_cleaned() {
        let hostile = "a\u{1b}[31mb\r\nc\0\u{9b}d\u{202e}e\u{2066}f\u{2028}g\u{200f}h é";
        let clean = "a[31mbcdefgh é";
        let said =
            json!({"list": [hostile, {hostile: hostile}], "long": "é".repeat(1001), "number": 1});
        let outcome = Outcome::valid().with_data(said);
        let expected =
            json!({"list": [clean, {clean: clean}], "long": "é".repeat(1000), "number": 1});
        assert_eq!(outcome.data(), Some(&expected));
    }
}
