//! The names of types that are made from the names of providers.

use std::collections::BTreeMap;

use bonafide_registry::{Entry, Registry};

/// A provider, and what its types begin with in other languages.
pub(crate) struct Named<'a> {
    pub(crate) entry: &'a Entry,
    /// Letters and digits, the first a capital letter; no other provider of the registry has it.
    pub(crate) type_name: String,
}

impl<'a> Named<'a> {
    /// Every provider in the order of the ids.
    pub(crate) fn all(registry: &'a Registry) -> Vec<Self> {
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        for descriptor in registry.descriptors() {
            *uses.entry(type_name(descriptor.name)).or_default() += 1;
        }
        registry
            .iter()
            .map(|entry| {
                let descriptor = entry.descriptor();
                let mut type_name = type_name(descriptor.name);
                // Names that differ in their hyphens alone become one; the ids do not.
                if uses.get(&type_name).is_some_and(|uses| *uses > 1) {
                    type_name.push_str("Id");
                    type_name.push_str(descriptor.id);
                }
                Self { entry, type_name }
            })
            .collect()
    }
}

/// `acme-sms` as `AcmeSms`. The registry holds names to lower-case letters, digits and hyphens.
fn type_name(name: &str) -> String {
    name.split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::type_name;

    #[test]
    fn a_name_of_words_becomes_one_of_capitals() {
        assert_eq!(type_name("twilio"), "Twilio");
        assert_eq!(type_name("acme-sms-2"), "AcmeSms2");
        assert_eq!(type_name("a--b-"), "AB");
    }
}
