#![doc = include_str!("../README.md")]

mod error;
mod manifest;

use std::collections::HashMap;
use std::fmt;

use bonafide_core::{ProviderValidator, Registration};

pub use crate::error::{Origin, RegistryError};
pub use crate::manifest::LIBRARIES;

/// The linked providers, by id.
#[derive(Clone)]
pub struct Registry {
    by_id: HashMap<&'static str, Entry>,
    in_order: Vec<&'static dyn ProviderValidator>,
}

#[derive(Clone, Copy)]
struct Entry {
    validator: &'static dyn ProviderValidator,
    version: &'static str,
}

impl Registry {
    /// Gathers every provider that is linked into the program whose manifest this is.
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
        let mut by_id = HashMap::new();
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
            let entry =
                Entry { validator: registration.validator(), version: registration.version() };
            by_id.insert(descriptor.id, entry);
        }
        if by_id.is_empty() {
            return Err(RegistryError::Empty);
        }
        let mut in_order: Vec<_> = by_id.values().map(|entry| entry.validator).collect();
        // By length first, so that the order is that of the numbers.
        in_order
            .sort_by_key(|validator| (validator.descriptor().id.len(), validator.descriptor().id));
        Ok(Self { by_id, in_order })
    }

    /// The provider with this id.
    pub fn get(&self, provider_id: &str) -> Option<&'static dyn ProviderValidator> {
        self.by_id.get(provider_id).map(|entry| entry.validator)
    }

    /// The version of the crate that brings the provider with this id.
    pub fn version(&self, provider_id: &str) -> Option<&'static str> {
        self.by_id.get(provider_id).map(|entry| entry.version)
    }

    /// Every provider, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = &'static dyn ProviderValidator> {
        self.in_order.iter().copied()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let descriptors = self.iter().map(ProviderValidator::descriptor);
        let names = descriptors.map(|descriptor| (descriptor.id, descriptor.name));
        formatter.debug_map().entries(names).finish()
    }
}

fn defect(descriptor: &bonafide_core::Descriptor) -> Option<&'static str> {
    let is_id =
        !descriptor.id.is_empty() && descriptor.id.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = descriptor.name.starts_with(|first: char| first.is_ascii_lowercase())
        && descriptor
            .name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let has_base_url = match descriptor.destination {
        bonafide_core::Destination::BuiltIn(base_urls) => {
            base_urls.first().is_some_and(|base_url| base_url.key == "base_url")
        }
        bonafide_core::Destination::NamedBySettings => true,
    };
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
