//! The types of settings fields: each brings its part of the JSON Schema, and refuses what the schema refuses.
//!
//! All of them are JSON strings. A field of type `Option<T>` may be left out of a validation.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroize as _;

/// A value of the settings together with the name of its field, so that a failure can point at it.
#[derive(Clone, Copy, Debug)]
pub struct Field<T> {
    /// The name of the settings field.
    pub name: &'static str,
    /// Its value.
    pub value: T,
}

impl<T> Field<T> {
    /// The value of the field with this name.
    pub const fn new(name: &'static str, value: T) -> Self {
        Self { name, value }
    }
}

/// The annotation that finishes the sentence "This must be …" when a value does not match.
pub(crate) const EXPECTED: &str = "x-expected";

macro_rules! field {
    (
        $(#[$meta:meta])* $name:ident, holds $inner:ty,
        pattern $pattern:literal, max_length $max_length:literal, expected $expected:literal,
        schema $schema:tt, parse $parse:expr
    ) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub struct $name($inner);

        impl $name {
            /// The regular expression that the schema publishes and that every value matches.
            pub const PATTERN: &'static str = $pattern;

            /// Takes a text that has this form; `None` for any other.
            pub fn parse(text: &str) -> Option<Self> {
                static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($name::PATTERN).ok());
                let matches = FORM.as_ref().is_some_and(|form| form.is_match(text));
                (matches && text.chars().count() <= $max_length).then(|| $parse(text)).flatten().map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                /// Reads the text where it stands, because a copy of a secret would not be wiped.
                struct Form;

                impl Visitor<'_> for Form {
                    type Value = $name;

                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        formatter.write_str($expected)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text)
                            .ok_or_else(|| E::custom(concat!("must be ", $expected)))
                    }

                    fn visit_string<E: Error>(self, mut text: String) -> Result<$name, E> {
                        let parsed = self.visit_str(&text);
                        text.zeroize();
                        parsed
                    }
                }

                deserializer.deserialize_str(Form)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $max_length,
                    "pattern": $pattern,
                });
                schema.insert(EXPECTED.to_owned(), $expected.into());
                for (key, value) in json_schema!($schema).ensure_object().clone() {
                    schema.insert(key, value);
                }
                schema
            }
        }
    };
}

macro_rules! secret_field {
    ($name:ident) => {
        impl ExposeSecret<str> for $name {
            fn expose_secret(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(concat!(stringify!($name), "([withheld])"))
            }
        }
    };
}

macro_rules! text_field {
    ($name:ident) => {
        impl $name {
            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_tuple(stringify!($name)).field(&self.0).finish()
            }
        }
    };
}

field! {
    /// An API key or token: a secret without white space, control characters or invisible characters.
    ///
    /// It cannot be printed or serialised, and is wiped from memory when it is dropped.
    ///
    /// ```compile_fail
    /// let print = |key: bonafide_core::field::ApiKey| key.to_string();
    /// ```
    ///
    /// ```compile_fail
    /// let serialise = |key: bonafide_core::field::ApiKey| serde_json::to_string(&key);
    /// ```
    ApiKey, holds SecretString,
    pattern r"^[^\s\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2060\ufeff]+$", max_length 4096,
    expected "free of white space, control characters and invisible characters",
    schema {"format": "password", "writeOnly": true, "examples": ["this-is-no-real-key"]},
    parse |text: &str| Some(SecretString::from(text))
}
secret_field!(ApiKey);

field! {
    /// A password: a secret that may hold spaces, but no control characters.
    ///
    /// It cannot be printed or serialised, and is wiped from memory when it is dropped.
    ///
    /// ```compile_fail
    /// let print = |password: bonafide_core::field::Password| password.to_string();
    /// ```
    ///
    /// ```compile_fail
    /// let serialise = |password: bonafide_core::field::Password| serde_json::to_string(&password);
    /// ```
    Password, holds SecretString,
    pattern r"^[^\u0000-\u001f\u007f-\u009f]+$", max_length 4096,
    expected "free of control characters",
    schema {"format": "password", "writeOnly": true, "examples": ["this is no real password"]},
    parse |text: &str| Some(SecretString::from(text))
}
secret_field!(Password);

field! {
    /// An e-mail address, `local@domain`: a dot-atom (RFC 5322) and a domain name of two labels or more.
    ///
    /// Tools that validate `"format": "email"` take every text of this form. The form of HTML's `<input type=email>` is
    /// wider: it lets dots stand anywhere, and hosts without a domain.
    EmailAddress, holds String,
    pattern r"^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-](?:\.?[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]){0,63}@(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$",
    max_length 254,
    expected "an e-mail address, such as `news@example.com`",
    schema {"format": "email", "examples": ["news@example.com"]},
    parse |text: &str| Some(text.to_owned())
}
text_field!(EmailAddress);

impl EmailAddress {
    /// What stands after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

field! {
    /// A phone number in E.164 form: `+` and 7 to 15 digits, the first not 0.
    PhoneNumber, holds String,
    pattern r"^\+[1-9][0-9]{6,14}$", max_length 16,
    expected "a phone number in E.164 form: `+` and 7 to 15 digits, such as `+12185550100`",
    schema {"examples": ["+12185550100"]},
    parse |text: &str| Some(text.to_owned())
}
text_field!(PhoneNumber);

field! {
    /// The name or the address of a host that the settings name.
    ///
    /// Only its characters are validated here. The egress policy checks the addresses that it leads to.
    HostName, holds String,
    pattern r"^[a-zA-Z0-9._:%\[\]-]+$", max_length 253,
    expected "a host name, such as `smtp.example.com`",
    schema {"examples": ["smtp.example.com"]},
    parse |text: &str| Some(text.to_owned())
}
text_field!(HostName);

field! {
    /// A domain name of two labels or more, such as `mg.example.com`.
    DomainName, holds String,
    pattern r"^(?:[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$",
    max_length 253,
    expected "a domain name, such as `mg.example.com`",
    schema {"examples": ["mg.example.com"]},
    parse |text: &str| Some(text.to_owned())
}
text_field!(DomainName);

field! {
    /// A TCP port, written as a string of decimal digits from `1` to `65535`.
    Port, holds u16,
    pattern r"^(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})$",
    max_length 5,
    expected "a port number from 1 to 65535, such as `587`",
    schema {"examples": ["587"]},
    parse |text: &str| text.parse().ok()
}

impl Port {
    /// The port number.
    pub const fn number(&self) -> u16 {
        self.0
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Port").field(&self.0).finish()
    }
}

field! {
    /// A text on one line: not empty, no control characters.
    Text, holds String,
    pattern r"^[^\u0000-\u001f\u007f-\u009f]+$", max_length 255,
    expected "a text on one line",
    schema {"examples": ["Example"]},
    parse |text: &str| Some(text.to_owned())
}
text_field!(Text);

/// The fields that many mail services need to save an integration, to be flattened into its settings:
///
/// ```
/// # use bonafide_core::prelude::*;
/// #[derive(Debug, Deserialize, JsonSchema)]
/// pub struct Settings {
///     /// A key that may send mail.
///     #[schemars(title = "API key")]
///     pub api_key: ApiKey,
///     #[serde(flatten)]
///     pub sender: DefaultSender,
/// }
/// ```
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct DefaultSender {
    /// The name that recipients see.
    #[schemars(title = "Default sender name", example = &"Example News")]
    pub default_sender_name: Option<Text>,
    /// The address that mail is sent from. The provider must have verified the address or its domain.
    #[schemars(title = "Default sender email", example = &"news@example.com")]
    pub default_sender_email: Option<EmailAddress>,
    /// The address that answers go to.
    #[schemars(title = "Default reply-to email", example = &"help@example.com")]
    pub default_reply_to_email: Option<EmailAddress>,
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;

    /// Does not compile for what is not wiped.
    fn is_wiped_when_dropped<T: ZeroizeOnDrop>(_: &T) {}

    #[test]
    fn secrets_are_held_in_what_is_wiped() {
        is_wiped_when_dropped(&ApiKey::parse("key").unwrap().0);
        is_wiped_when_dropped(&Password::parse("a password").unwrap().0);
    }
}
