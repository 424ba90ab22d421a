//! JSON pointers ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)): written, taken apart, and followed.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A name as a step of a pointer.
///
/// ```
/// assert_eq!(bonafide_core::host::pointer::escape("a/b~c"), "a~1b~0c");
/// ```
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The names that a pointer leads through; none for the whole document.
///
/// ```
/// assert_eq!(bonafide_core::host::pointer::steps("/settings/a~1b~0c"), ["settings", "a/b~c"]);
/// assert!(bonafide_core::host::pointer::steps("").is_empty());
/// ```
pub fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|step| unescape(step).into_owned()).collect()
}

fn unescape(step: &str) -> Cow<'_, str> {
    if step.contains('~') { step.replace("~1", "/").replace("~0", "~").into() } else { step.into() }
}

/// The value at `pointer`, found without building what stands around it, where the whole document is JSON and the value is there and of this type.
pub(crate) fn find<'de, T: Deserialize<'de>>(json: &'de [u8], pointer: &str) -> Option<T> {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let found = At { pointer, value: PhantomData }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    found
}

/// Reads any value, and keeps what stands at the pointer inside of it.
struct At<'a, T> {
    pointer: &'a str,
    value: PhantomData<T>,
}

impl<'a, T> At<'a, T> {
    /// The first step, and the pointer that goes on from there.
    fn split(&self) -> Option<(Cow<'a, str>, &'a str)> {
        let steps = self.pointer.strip_prefix('/')?;
        let end = steps.find('/').unwrap_or(steps.len());
        let (first, inside) = steps.split_at_checked(end)?;
        Some((unescape(first), inside))
    }
}

/// Reads a name, and says whether it is this one.
struct Is<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for At<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.pointer.is_empty() {
            T::deserialize(deserializer).map(Some)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for At<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let Some((first, inside)) = self.split() else { return Ok(found) };
        while let Some(is_wanted) = access.next_key_seed(Is(&first))? {
            if is_wanted {
                found = access.next_value_seed(At { pointer: inside, value: PhantomData })?;
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let Some((first, inside)) = self.split() else { return Ok(found) };
        // RFC 6901 has no leading zeros, and no sign.
        let is_index = first == "0" || first.starts_with(|digit| matches!(digit, '1'..='9'));
        let wanted = first.parse::<usize>().ok().filter(|_| is_index);
        for index in 0_usize.. {
            if wanted == Some(index) {
                match access.next_element_seed(At { pointer: inside, value: PhantomData })? {
                    Some(value) => found = value,
                    None => break,
                }
            } else if access.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z/~0-9]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[ab/~01]{0,2}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_a_whole_document_holds(
            document in any_json(),
            pointer in "(/([ab01]|~0|~1){0,2}){0,4}",
        ) {
            let text = serde_json::to_vec(&document).unwrap();
            prop_assert_eq!(find::<Value>(&text, &pointer), document.pointer(&pointer).cloned());
        }
    }

    #[test]
    fn an_index_has_no_leading_zero() {
        let found = |pointer| find::<u32>(b"[5, 6]", pointer);
        assert_eq!((found("/1"), found("/0")), (Some(6), Some(5)));
        assert_eq!(
            (found("/01"), found("/+1"), found("/2"), found("/-")),
            (None, None, None, None)
        );
    }

    #[test]
    fn what_is_no_whole_document_holds_nothing() {
        assert_eq!(find::<u32>(br#"{"code": 7}"#, "/code"), Some(7));
        for text in [r#"{"code": 7"#, r#"{"code": 7} x"#, "", r#"{"code": "7"}"#, r#"{"code": -7}"#]
        {
            assert_eq!(find::<u32>(text.as_bytes(), "/code"), None, "{text}");
        }
        assert_eq!(find::<Value>(br#"{"code": 7}"#, "code"), None);
        assert_eq!(find::<Value>(br#"{"": {"": 1}}"#, "//"), Some(json!(1)));
    }
}
