//! The secrets of settings, and the forms in which they could leak.

mod encodings;

use std::collections::HashMap;
use std::fmt;

use bonafide_core::{Failure, Outcome, ProviderValidator};
use serde_json::{Map, Value};

use self::encodings::FORMS;

/// A shorter sample could stand in a text by chance.
pub(crate) const MIN_LENGTH: usize = 6;

/// The secrets among settings, in every form in which they could leak. It never prints them.
#[derive(Default)]
pub struct Secrets {
    /// What is looked for, by the bytes that it begins with.
    needles: HashMap<[u8; MIN_LENGTH], Vec<Needle>>,
}

#[derive(PartialEq, Eq)]
struct Needle {
    field: String,
    form: &'static str,
    text: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needles = self.needles.values().flatten();
        let mut fields: Vec<_> = needles.map(|needle| (&needle.field, needle.form)).collect();
        fields.sort_unstable();
        fields.dedup();
        formatter.debug_list().entries(fields).finish()
    }
}

impl Secrets {
    /// In how many forms each secret is searched for.
    pub const FORMS: usize = FORMS.len();

    /// The values of the fields that the schema marks `writeOnly`. Values of fewer than six characters are left
    /// out: they could stand in a text by chance.
    pub fn of(
        validator: &dyn ProviderValidator,
        settings: &Map<String, Value>,
    ) -> Result<Self, String> {
        let schema = validator.settings_schema().map_err(|error| error.to_string())?;
        let mut secrets = Self::default();
        for (field, _) in schema.fields().filter(|(_, field)| field["writeOnly"] == true) {
            if let Some(secret) = settings.get(field).and_then(Value::as_str) {
                secrets.add(field, secret);
            }
        }
        Ok(secrets)
    }

    /// Adds a secret, by the name under which it is reported. It is found as a whole.
    pub fn add(&mut self, field: &str, secret: &str) {
        if secret.chars().count() < MIN_LENGTH {
            return;
        }
        for (form, encode) in FORMS {
            for text in encode(secret) {
                self.insert(Needle { field: field.to_owned(), form, text });
            }
        }
    }

    /// Adds a secret that was made at random, so that none of its parts stands anywhere by chance: any six characters of
    /// it are found.
    pub fn add_canary(&mut self, field: &str, secret: &str) {
        let letters: Vec<char> = secret.chars().collect();
        for part in letters.windows(MIN_LENGTH) {
            self.add(field, &part.iter().collect::<String>());
        }
    }

    fn insert(&mut self, needle: Needle) {
        if let Some(start) = needle.text.as_bytes().first_chunk() {
            let known = self.needles.entry(*start).or_default();
            if known.iter().all(|known| known.text != needle.text) {
                known.push(needle);
            }
        }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        other.needles.into_values().flatten().for_each(|needle| self.insert(needle));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Fails when the text holds a secret. `place` says where the text is from, for instance `the logs`.
    pub fn absent_from(&self, place: &str, text: &str) -> Result<(), String> {
        match self.find(text.as_bytes()) {
            None => Ok(()),
            Some(Needle { field, form, .. }) => Err(format!(
                "the value of `{field}` stands {form} in {place}: keep it in `field::ApiKey` or `field::Password`, \
                 and expose it only where it is sent"
            )),
        }
    }

    fn find(&self, text: &[u8]) -> Option<&Needle> {
        text.windows(MIN_LENGTH).enumerate().find_map(|(place, start)| {
            let needles = self.needles.get(start)?;
            needles.iter().find(|needle| {
                text.get(place..).is_some_and(|rest| rest.starts_with(needle.text.as_bytes()))
            })
        })
    }
}

/// Every text that a check gives its caller, each with the place it is from: `Debug`, `Display`, and the JSON of what
/// a response holds.
pub fn texts_of(result: &Result<Outcome, Failure>) -> Vec<(&'static str, String)> {
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    match result {
        Ok(outcome) => vec![
            ("the `Debug` of the outcome", format!("{outcome:?} {outcome:#?}")),
            ("the data of the outcome", outcome.data().map(Value::to_string).unwrap_or_default()),
            ("the warnings", json(serde_json::to_string(outcome.warnings()))),
        ],
        Err(failure) => vec![
            ("the `Debug` of the failure", format!("{failure:?} {failure:#?}")),
            ("the `Display` of the failure", failure.to_string()),
            ("the summary of the failure", failure.summary().to_owned()),
            ("the problems", json(serde_json::to_string(failure.problems()))),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "p@ss w\"rd?>~";

    #[test]
    fn a_secret_is_found_in_every_form_and_at_every_place() {
        let mut secrets = Secrets::default();
        secrets.add("api_key", SECRET);
        for (form, encode) in FORMS {
            for text in encode(SECRET) {
                for text in
                    [text.clone(), format!("x{text}"), format!("xyz {text} x"), format!("é{text}é")]
                {
                    let error = secrets.absent_from("a text", &text).unwrap_err();
                    assert!(
                        error.contains("`api_key`") && !error.contains("p@ss"),
                        "{form}: {error}"
                    );
                }
            }
        }
        assert_eq!(secrets.absent_from("a text", "p@ss word"), Ok(()));
        assert_eq!(secrets.absent_from("a text", ""), Ok(()));
        assert!(!format!("{secrets:?}").contains("p@ss"));
    }

    #[test]
    fn six_characters_of_a_canary_are_found_in_every_form() {
        let mut secrets = Secrets::default();
        secrets.add_canary("api_key", SECRET);
        for part in ["p@ss w", "ss w\"r", "\"rd?>~"] {
            for text in FORMS.iter().flat_map(|(_, encode)| encode(part)) {
                assert!(secrets.absent_from("a text", &format!("xy{text}z")).is_err(), "{text}");
            }
        }
        assert_eq!(secrets.absent_from("a text", "p@ss _ w\"rd_?>~"), Ok(()));
    }

    #[test]
    fn a_short_sample_is_left_out() {
        let mut secrets = Secrets::default();
        secrets.add("api_key", "no");
        assert_eq!(secrets.absent_from("a text", "no"), Ok(()));
    }
}
