//! The secrets of settings, and the forms in which they could leak.

use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use bonafide_core::{Failure, Outcome, ProviderValidator};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

/// A shorter sample could stand in a text by chance.
pub(crate) const SHORTEST: usize = 6;

/// The secrets among settings, in every form in which they could leak. It never prints them.
#[derive(Default)]
pub struct Secrets {
    needles: Vec<Needle>,
}

struct Needle {
    field: String,
    form: &'static str,
    text: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.needles.iter().map(|needle| (&needle.field, needle.form));
        formatter.debug_list().entries(fields).finish()
    }
}

impl Secrets {
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

    /// Adds a secret, by the name under which it is reported.
    pub fn add(&mut self, field: &str, secret: &str) {
        if secret.chars().count() < SHORTEST {
            return;
        }
        let mut needle = |form, text: String| {
            if self.needles.iter().all(|known| known.text != text) {
                self.needles.push(Needle { field: field.to_owned(), form, text });
            }
        };
        needle("as it is", secret.to_owned());
        needle("escaped", secret.escape_debug().to_string());
        needle("percent-encoded", utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string());
        let hex = secret.bytes().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        needle("in hexadecimal", hex);
        // Inside a longer text, such as `user:password`, a secret can begin at three places of a Base64 group. The
        // characters at both ends that also depend on its neighbours are left out.
        for before in 0..3 {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(secret.as_bytes());
            let whole = bytes.len() / 3 * 4;
            let encoded = BASE64.encode(&bytes);
            let start = [0, 2, 3][before];
            if let Some(text) = encoded.get(start..whole) {
                needle("in Base64", text.to_owned());
                needle("in Base64", text.replace('+', "-").replace('/', "_"));
            }
        }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.needles.extend(other.needles);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Fails when the text holds a secret. `place` says where the text is from, for instance `the logs`.
    pub fn absent_from(&self, place: &str, text: &str) -> Result<(), String> {
        match self.needles.iter().find(|needle| text.contains(&needle.text)) {
            None => Ok(()),
            Some(Needle { field, form, .. }) => Err(format!(
                "the value of `{field}` stands {form} in {place}: keep it in `field::ApiKey` or `field::Password`, \
                 and expose it only where it is sent"
            )),
        }
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

    #[test]
    fn a_secret_is_found_in_every_form_and_at_every_place() {
        let mut secrets = Secrets::default();
        secrets.add("api_key", "p@ss w\"rd?>~");
        for text in [
            "x p@ss w\"rd?>~ x".to_owned(),
            format!("{:?}", "p@ss w\"rd?>~"),
            "p%40ss%20w%22rd%3F%3E%7E".to_owned(),
            "7040737320772272643f3e7e".to_owned(),
            BASE64.encode("p@ss w\"rd?>~"),
            BASE64.encode("u:p@ss w\"rd?>~"),
            BASE64.encode("u:1p@ss w\"rd?>~x"),
            BASE64.encode("us:1p@ss w\"rd?>~xy"),
        ] {
            let error = secrets.absent_from("a text", &text).unwrap_err();
            assert!(error.contains("`api_key`") && !error.contains("p@ss"), "{error}");
        }
        assert_eq!(secrets.absent_from("a text", "p@ss word"), Ok(()));
        assert!(!format!("{secrets:?}").contains("p@ss"));
    }

    #[test]
    fn a_short_sample_is_left_out() {
        let mut secrets = Secrets::default();
        secrets.add("api_key", "no");
        assert_eq!(secrets.absent_from("a text", "no"), Ok(()));
    }
}
