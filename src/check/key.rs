//! What makes two checks the same one: provider, caller and settings, without keeping the settings.

use std::fmt;

use bonafide_core::JsonStr;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Caller;

/// Stands for one provider, one caller and one set of settings. Nobody gets them back from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key([withheld])")
    }
}

/// Makes keys that mean something in this process alone, so that one that gets out helps nobody to guess a secret.
#[derive(Clone)]
pub(super) struct Keys([Uuid; 2]);

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys([withheld])")
    }
}

impl Keys {
    pub(super) fn new() -> Self {
        Self([Uuid::new_v4(), Uuid::new_v4()])
    }

    /// The key of settings, whatever the order of their members.
    ///
    /// Values are taken as they are written, so equal keys mean equal settings. One value that is written in two ways,
    /// with an escape or without, gives two keys, which costs a check and mixes nothing up.
    pub(super) fn of(&self, provider: &str, caller: Caller<'_>, settings: &RawValue) -> Key {
        let mut hash = Sha256::new();
        for part in &self.0 {
            hash.update(part.as_bytes());
        }
        let mut add = |part: &str| {
            // No two lists of parts make one text.
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        };
        add(provider);
        match caller {
            Caller::Account(id) => {
                add("account");
                add(id);
            }
            Caller::Operator | Caller::Batch => add("operator"),
        }
        match serde_json::from_str::<Members<'_>>(settings.get()) {
            Ok(Members(mut members)) => {
                members.sort_unstable_by(|a, b| str::cmp(&a.0, &b.0));
                for (name, value) in members {
                    add(&name);
                    add(value.get());
                }
            }
            // Nothing that was accepted is no object.
            Err(_) => add(settings.get()),
        }
        Key(hash.finalize().into())
    }
}

/// The members of an object, borrowed.
struct Members<'a>(Vec<(JsonStr<'a>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(4);
                while let Some(member) = access.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Caller<'_> = Caller::Account("a");

    fn key(keys: &Keys, provider: &str, caller: Caller<'_>, settings: &str) -> Key {
        keys.of(provider, caller, &RawValue::from_string(settings.to_owned()).unwrap())
    }

    #[test]
    fn the_order_of_members_and_the_space_between_them_do_not_matter() {
        let keys = Keys::new();
        let one = key(&keys, "x", A, r#"{"user":"u","password":"p","port":"1"}"#);
        for same in [
            r#"{"password": "p", "port": "1", "user": "u"}"#,
            "{ \"port\"\n:\t\"1\",\"us\\u0065r\":\"u\",\"password\":\"p\"}",
        ] {
            assert!(key(&keys, "x", A, same) == one, "{same}");
        }
    }

    #[test]
    fn whatever_differs_makes_another_key() {
        let keys = Keys::new();
        let all = [
            key(&keys, "x", A, r#"{"a":"bc"}"#),
            key(&keys, "x", A, r#"{"ab":"c"}"#),
            key(&keys, "x", A, r#"{"a":"bC"}"#),
            key(&keys, "x", A, r#"{"a":"bc "}"#),
            key(&keys, "x", A, r#"{"a":" bc"}"#),
            key(&keys, "x", A, r#"{"a":["bc"]}"#),
            key(&keys, "x", A, r#"{"a":"b","c":""}"#),
            key(&keys, "x", A, r#"{"a":"","c":"b"}"#),
            key(&keys, "x", A, r#"{"a":1}"#),
            key(&keys, "x", A, r#"{"a":"1"}"#),
            key(&keys, "x", A, "{}"),
            key(&keys, "y", A, r#"{"a":"bc"}"#),
            key(&keys, "x", Caller::Account("b"), r#"{"a":"bc"}"#),
            key(&keys, "x", Caller::Account(""), r#"{"a":"bc"}"#),
            key(&keys, "x", Caller::Account("operator"), r#"{"a":"bc"}"#),
            key(&keys, "x", Caller::Operator, r#"{"a":"bc"}"#),
            key(&Keys::new(), "x", A, r#"{"a":"bc"}"#),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
    }
}
