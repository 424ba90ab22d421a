//! What tells one line of a batch from another: the provider that it names, and the `id` that it bears.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use bonafide_core::Descriptor;
use bonafide_registry::{Entry, Registry};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::request::{self, Members};

/// The longest `id` that a report repeats, in characters.
const MAX_ID: usize = 128;

/// So many bytes in a row are a part of a secret worth hiding.
const TELLING: usize = 6;

/// A name for a line that the caller chose, which the line's report repeats.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Id {
    Positive(u64),
    Negative(i64),
    Text(String),
}

/// What can be told of a line without judging it. A line that cannot be read has neither.
#[derive(Default)]
pub(super) struct Identity {
    pub(super) provider: Option<&'static Descriptor>,
    pub(super) id: Option<Id>,
}

impl Identity {
    pub(super) fn of(body: &[u8], registry: &Registry) -> Self {
        let Some(members) = request::outline(body) else { return Self::default() };
        let entry = request::provider(&members, registry).ok();
        Self { provider: entry.map(Entry::descriptor), id: id(&members, entry) }
    }

    /// A number that another line, or another identity at this line, hardly has. Good within one process.
    pub(super) fn fingerprint(&self, line: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (line, self.provider.map(|descriptor| descriptor.id), &self.id).hash(&mut hasher);
        hasher.finish()
    }
}

fn id(members: &Members<'_>, entry: Option<&Entry>) -> Option<Id> {
    // With something given twice it cannot be told what is meant, nor what is a secret.
    let written = members.id().filter(|_| !members.repeats())?.get();
    // A character is written with at most six, or with two times six bytes.
    if written.len() > MAX_ID * 12 + 2 {
        return None;
    }
    let id: Id = serde_json::from_str(written).ok()?;
    let text = match &id {
        Id::Positive(number) => number.to_string(),
        Id::Negative(number) => number.to_string(),
        Id::Text(text) => text.clone(),
    };
    if text.chars().count() > MAX_ID {
        return None;
    }
    let open = |name: &str| {
        let field = entry.and_then(|entry| {
            entry.schema().fields().find_map(|(known, field)| (known == name).then_some(field))
        });
        field.is_some_and(|field| field.get("writeOnly").and_then(Value::as_bool) != Some(true))
    };
    let gives_away = members.settings().is_some_and(|settings| shares(settings, &text, &open));
    (!gives_away).then_some(id)
}

/// Whether settings hold a part of `text` anywhere but in the fields that are `open`.
fn shares(settings: &RawValue, text: &str, open: &dyn Fn(&str) -> bool) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(settings.get());
    Search { text, open }.deserialize(&mut deserializer).unwrap_or(true)
}

/// Looks through JSON without keeping anything of it.
#[derive(Clone, Copy)]
struct Search<'a> {
    text: &'a str,
    open: &'a dyn Fn(&str) -> bool,
}

impl Search<'_> {
    fn finds(self, secret: &str) -> bool {
        let width = TELLING.min(secret.len());
        width > 0
            && secret
                .as_bytes()
                .windows(width)
                .any(|part| self.text.as_bytes().windows(width).any(|candidate| candidate == part))
    }
}

/// A name of a field, not a secret in the wrong place.
fn is_field_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(self.finds(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<bool, E> {
        Ok(self.finds(&number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<bool, E> {
        Ok(self.finds(&number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<bool, E> {
        Ok(self.finds(&number.to_string()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(item) = items.next_element_seed(self)? {
            found |= item;
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(name) = members.next_key::<String>()? {
            if (self.open)(&name) {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            found |= !is_field_name(&name) && self.finds(&name);
            found |= members.next_value_seed(self)?;
        }
        Ok(found)
    }
}
