#![doc = include_str!("../README.md")]

mod entry;
mod error;
mod manifest;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bonafide_core::Descriptor;
use bonafide_core::host::Registration;

pub use crate::entry::Entry;
pub use crate::error::{Origin, RegistryError};
pub use crate::manifest::LIBRARIES;

/// The linked providers, by id, each with the compiled schema of its settings.
#[derive(Clone)]
pub struct Registry {
    /// In the order of the ids.
    entries: Vec<Entry>,
    by_id: HashMap<&'static str, usize>,
}

impl Registry {
    /// Gathers every provider that is linked into the program whose manifest this is, and compiles their settings schemas.
    ///
    /// `manifest` is the text of the Cargo.toml of the package that names the providers:
    /// `Registry::collect(include_str!("../Cargo.toml"))`. Every dependency in it that is a provider crate by its name,
    /// `bonafide-…`, must have registered a provider; otherwise it was left out by the linker, and that is an error.
    pub fn collect(manifest: &str) -> Result<Self, RegistryError> {
        let registrations: Vec<_> = Registration::all().collect();
        manifest::check(manifest, &registrations)?;
        Self::from_registrations(registrations)
    }

    /// Makes a registry of these providers alone, for a target where nothing runs before `main`, and for tests.
    pub fn from_registrations<'a>(
        registrations: impl IntoIterator<Item = &'a Registration>,
    ) -> Result<Self, RegistryError> {
        let mut registrations: Vec<&Registration> = registrations.into_iter().collect();
        // The linker has no order; the messages below should.
        registrations
            .sort_by_key(|registration| (registration.crate_name(), registration.version()));
        let mut crates_by_id = HashMap::new();
        let mut crates_by_name = HashMap::new();
        let mut entries = Vec::new();
        for registration in registrations {
            let second = Origin::from(registration);
            let descriptor = registration.validator().descriptor();
            if let Some(what) = defect(descriptor) {
                return Err(RegistryError::InvalidDescriptor {
                    crate_name: second.crate_name,
                    what,
                });
            }
            if let Some(first) = crates_by_id.insert(descriptor.id, second) {
                return Err(RegistryError::DuplicateId { id: descriptor.id, first, second });
            }
            if let Some(first) = crates_by_name.insert(descriptor.name, second) {
                return Err(RegistryError::DuplicateName { name: descriptor.name, first, second });
            }
            let schema = registration.validator().settings_schema().map_err(|source| {
                RegistryError::Schema { crate_name: second.crate_name, source }
            })?;
            entries.push(Entry {
                provider: registration.validator(),
                schema: Arc::new(schema),
                version: registration.version(),
            });
        }
        if entries.is_empty() {
            return Err(RegistryError::Empty);
        }
        // By length first, so that the order is that of the numbers.
        entries.sort_by_key(|entry| (entry.descriptor().id.len(), entry.descriptor().id));
        let places = entries.iter().enumerate();
        let by_id = places.map(|(place, entry)| (entry.descriptor().id, place)).collect();
        Ok(Self { entries, by_id })
    }

    /// The provider with this id.
    pub fn get(&self, provider_id: &str) -> Option<&Entry> {
        self.entries.get(*self.by_id.get(provider_id)?)
    }

    /// Every provider, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The descriptor of every provider, in the order of the ids.
    pub fn descriptors(&self) -> impl Iterator<Item = &'static Descriptor> {
        self.entries.iter().map(Entry::descriptor)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.descriptors().map(|descriptor| (descriptor.id, descriptor.name));
        formatter.debug_map().entries(names).finish()
    }
}

fn defect(descriptor: &Descriptor) -> Option<&'static str> {
    let is_id =
        !descriptor.id.is_empty() && descriptor.id.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = descriptor.name.starts_with(|first: char| first.is_ascii_lowercase())
        && descriptor
            .name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let first = descriptor.base_urls().first();
    let has_base_url = descriptor.has_user_supplied_host()
        || first.is_some_and(|base_url| base_url.key == "base_url" && base_url.is_region());
    if !is_id {
        Some("id is not a number: write decimal digits, such as `2000`")
    } else if !is_name {
        Some(
            "name cannot be a configuration key: begin with a letter and use lower-case letters, digits and hyphens",
        )
    } else if !has_base_url {
        Some("first base URL is missing or has a key other than `base_url`")
    } else {
        None
    }
}
