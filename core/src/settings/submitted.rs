//! Settings as they were submitted, and as they are when nothing is wrong with them.

use std::any::Any;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use zeroize::Zeroize as _;

/// The `settings` of a request, as they were submitted: a JSON object of anything.
///
/// It holds secrets, so it can be neither printed nor serialised, and it is wiped when it is dropped.
pub struct SubmittedSettings {
    pub(super) members: Value,
    /// The names of members that were given more than once.
    pub(super) repeated: Vec<String>,
}

impl SubmittedSettings {
    /// Takes an object that is already parsed.
    pub fn new(members: Map<String, Value>) -> Self {
        Self { members: Value::Object(members), repeated: Vec::new() }
    }
}

impl fmt::Debug for SubmittedSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SubmittedSettings([withheld])")
    }
}

impl Drop for SubmittedSettings {
    fn drop(&mut self) {
        wipe(&mut self.members);
        self.repeated.zeroize();
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        // A name may be a secret in the wrong place.
        Value::Object(members) => {
            for (mut name, mut value) in std::mem::take(members) {
                name.zeroize();
                wipe(&mut value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl<'de> Deserialize<'de> for SubmittedSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = SubmittedSettings;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut settings = SubmittedSettings::new(Map::new());
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    let Value::Object(members) = &mut settings.members else { continue };
                    if let Some(earlier) = members.get_mut(&name) {
                        wipe(&mut std::mem::replace(earlier, value));
                        settings.repeated.push(name);
                    } else {
                        members.insert(name, value);
                    }
                }
                Ok(settings)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// Settings that the schema and the provider's own rules found nothing wrong with.
pub struct CheckedSettings(Box<dyn Any + Send + Sync>);

impl CheckedSettings {
    pub(crate) fn new<T: Send + Sync + 'static>(settings: T) -> Self {
        Self(Box::new(settings))
    }

    pub(crate) fn downcast<T: 'static>(self) -> Option<T> {
        self.0.downcast().ok().map(|settings| *settings)
    }
}

impl fmt::Debug for CheckedSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CheckedSettings([withheld])")
    }
}
