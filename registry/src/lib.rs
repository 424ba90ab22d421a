#![doc = include_str!("../README.md")]

use std::collections::BTreeMap;
use std::fmt;

use bonafide_core::{ProviderValidator, Registration};

/// The linked providers, by id.
#[derive(Clone)]
pub struct Registry {
    by_id: BTreeMap<Id<'static>, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    validator: &'static dyn ProviderValidator,
    version: &'static str,
}

/// An id as a key: by length first, so that the order is that of the numbers.
type Id<'a> = (usize, &'a str);

fn id(digits: &str) -> Id<'_> {
    (digits.len(), digits)
}

/// Why a registry cannot be made. Each message names the crate and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No provider is linked into the program.
    #[error(
        "no provider is linked into this program: add a line such as `use bonafide_twilio as _;` for each provider crate"
    )]
    Empty,
    /// Two providers have one id.
    #[error(
        "the crates `{first}` and `{second}` both register provider id `{id}`: give one of them another id"
    )]
    DuplicateId {
        /// The id.
        id: &'static str,
        /// The crate of one provider.
        first: &'static str,
        /// The crate of the other.
        second: &'static str,
    },
    /// Two providers have one name.
    #[error(
        "the crates `{first}` and `{second}` both register provider name `{name}`: give one of them another name"
    )]
    DuplicateName {
        /// The name.
        name: &'static str,
        /// The crate of one provider.
        first: &'static str,
        /// The crate of the other.
        second: &'static str,
    },
    /// An id, a name or a base URL that has not the form that the rest of the program relies on.
    #[error("the crate `{crate_name}` registers a provider whose {what}")]
    InvalidDescriptor {
        /// The crate.
        crate_name: &'static str,
        /// What is wrong, and what it must be.
        what: &'static str,
    },
}

impl Registry {
    /// Gathers every provider that is linked into the program.
    pub fn collect() -> Result<Self, RegistryError> {
        Self::from_registrations(Registration::all())
    }

    /// Makes a registry of these providers alone, for a target where nothing runs before `main`, and for tests.
    pub fn from_registrations<'a>(
        registrations: impl IntoIterator<Item = &'a Registration>,
    ) -> Result<Self, RegistryError> {
        let mut registrations: Vec<&Registration> = registrations.into_iter().collect();
        // The linker has no order; the messages below should.
        registrations.sort_by_key(|registration| registration.crate_name());
        let mut crates_by_id = BTreeMap::new();
        let mut crates_by_name = BTreeMap::new();
        let mut by_id = BTreeMap::new();
        for registration in registrations {
            let second = registration.crate_name();
            let descriptor = registration.validator().descriptor();
            if let Some(what) = defect(descriptor) {
                return Err(RegistryError::InvalidDescriptor { crate_name: second, what });
            }
            if let Some(first) = crates_by_id.insert(descriptor.id, second) {
                return Err(RegistryError::DuplicateId { id: descriptor.id, first, second });
            }
            if let Some(first) = crates_by_name.insert(descriptor.name, second) {
                return Err(RegistryError::DuplicateName { name: descriptor.name, first, second });
            }
            let entry =
                Entry { validator: registration.validator(), version: registration.version() };
            by_id.insert(id(descriptor.id), entry);
        }
        if by_id.is_empty() { Err(RegistryError::Empty) } else { Ok(Self { by_id }) }
    }

    /// The provider with this id.
    pub fn get(&self, provider_id: &str) -> Option<&'static dyn ProviderValidator> {
        self.by_id.get(&id(provider_id)).map(|entry| entry.validator)
    }

    /// The version of the crate that brings the provider with this id.
    pub fn version(&self, provider_id: &str) -> Option<&'static str> {
        self.by_id.get(&id(provider_id)).map(|entry| entry.version)
    }

    /// Every provider, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = &'static dyn ProviderValidator> {
        self.by_id.values().map(|entry| entry.validator)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            self.by_id.iter().map(|((_, id), entry)| (id, entry.validator.descriptor().name));
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
