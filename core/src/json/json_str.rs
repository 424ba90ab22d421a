//! JSON strings that are looked at and not kept.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use zeroize::Zeroize as _;

/// A JSON string, borrowed from the document that it stands in unless it is written there with escapes.
///
/// For texts of a response that are compared and then forgotten: a list of hundreds costs one allocation.
///
/// ```
/// use bonafide_core::JsonStr;
///
/// let scopes: Vec<JsonStr> = serde_json::from_str(r#"["mail.send", "mail\u002eread"]"#)?;
/// assert!(scopes.iter().any(|scope| scope == "mail.read"));
/// # Ok::<_, serde_json::Error>(())
/// ```
///
/// A provider may echo a secret, so it cannot be printed, and is wiped where it is not borrowed.
#[derive(Deserialize)]
pub struct JsonStr<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for JsonStr<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for JsonStr<'_> {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl fmt::Debug for JsonStr<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JsonStr([withheld])")
    }
}

impl Drop for JsonStr<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(text) = &mut self.0 {
            text.zeroize();
        }
    }
}
