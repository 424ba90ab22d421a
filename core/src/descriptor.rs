//! The identity of a provider, the hosts it is asked at, and its limits.

use std::fmt;
use std::num::NonZeroU32;

use serde::Serialize;

use crate::allowed_request::AllowedRequest;
use crate::base_url::BaseUrl;

/// What a provider carries, as the catalogue's `type` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProviderType {
    /// Text messages to phone numbers.
    Sms,
    /// Electronic mail.
    Email,
    /// Notifications to devices.
    Push,
    /// Messages in a chat service.
    Chat,
    /// Phone calls.
    Voice,
}

impl ProviderType {
    /// Every type, in the order of declaration.
    pub const ALL: &'static [Self] = &[Self::Sms, Self::Email, Self::Push, Self::Chat, Self::Voice];

    /// The word in the catalogue, for instance `sms`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Push => "push",
            Self::Chat => "chat",
            Self::Voice => "voice",
        }
    }
}

impl fmt::Display for ProviderType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Where a provider's checks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination {
    /// To hosts of the provider's own, its regions in the order in which they are asked.
    Fixed(&'static [BaseUrl]),
    /// To a host and port that the settings name, always through [`Context::dial`](crate::Context::dial).
    UserSupplied,
}

/// How often the hosts of a provider may be asked; `None` is unlimited.
///
/// A limit holds for all checks of a process together, unless the configuration says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderLimits {
    /// How many checks may ask at a time.
    pub max_concurrent: Option<NonZeroU32>,
    /// How many checks may begin in any one second.
    pub max_per_second: Option<NonZeroU32>,
}

impl ProviderLimits {
    /// Unlimited.
    pub const NONE: Self = Self { max_concurrent: None, max_per_second: None };
    /// For providers that document no number: a hundred checks at a time.
    pub const CAUTIOUS: Self = Self::NONE.with_max_concurrent(100);

    /// Limits how many checks may ask at a time; 0 is unlimited.
    pub const fn with_max_concurrent(mut self, checks: u32) -> Self {
        self.max_concurrent = NonZeroU32::new(checks);
        self
    }

    /// Limits how many checks may begin in any one second; 0 is unlimited.
    pub const fn with_max_per_second(mut self, checks: u32) -> Self {
        self.max_per_second = NonZeroU32::new(checks);
        self
    }
}

/// A provider's identity, what its checks may ask, and the documented interactions that its tests, its sandbox and its
/// page share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Descriptor {
    /// The `provider_id` of a request. Decimal digits, unique among the linked providers, never used again.
    pub id: &'static str,
    /// The catalogue's name, the key under `[providers]` and the suffix of the crate's name: lower-case
    /// letters, digits and hyphens. Unique too.
    pub name: &'static str,
    /// What the provider carries.
    pub provider_type: ProviderType,
    /// The provider's name as people write it.
    pub title: &'static str,
    /// Where the checks go.
    pub destination: Destination,
    /// Everything that the checks may ask over HTTP; empty where they speak another protocol.
    pub requests: &'static [AllowedRequest],
    /// The documented interactions, as the JSON that [`interaction::parse`](crate::interaction::parse) reads.
    pub interactions: &'static str,
    limits: ProviderLimits,
}

impl Descriptor {
    /// A provider with this id, name, type and title, which has no hosts yet.
    pub const fn new(
        id: &'static str,
        name: &'static str,
        provider_type: ProviderType,
        title: &'static str,
    ) -> Self {
        Self {
            id,
            name,
            provider_type,
            title,
            destination: Destination::Fixed(&[]),
            requests: &[],
            interactions: "[]",
            limits: ProviderLimits::CAUTIOUS,
        }
    }

    /// Sets the provider's own hosts: the main one first, then further regions in the order in which they are asked.
    pub const fn with_base_urls(mut self, base_urls: &'static [BaseUrl]) -> Self {
        self.destination = Destination::Fixed(base_urls);
        self
    }

    /// Says that the settings name the host and port.
    pub const fn with_user_supplied_host(mut self) -> Self {
        self.destination = Destination::UserSupplied;
        self
    }

    /// Sets everything that the checks may ask over HTTP.
    pub const fn with_requests(mut self, requests: &'static [AllowedRequest]) -> Self {
        self.requests = requests;
        self
    }

    /// Sets the documented limits of the provider's hosts; [`ProviderLimits::CAUTIOUS`] unless set. A user-supplied host
    /// has none.
    pub const fn with_limits(mut self, limits: ProviderLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the documented interactions, as JSON.
    pub const fn with_interactions(mut self, interactions: &'static str) -> Self {
        self.interactions = interactions;
        self
    }

    /// The provider's own hosts; none where the settings name the host.
    pub const fn base_urls(&self) -> &'static [BaseUrl] {
        match self.destination {
            Destination::Fixed(base_urls) => base_urls,
            Destination::UserSupplied => &[],
        }
    }

    /// Whether the settings name the host and port.
    pub const fn has_user_supplied_host(&self) -> bool {
        matches!(self.destination, Destination::UserSupplied)
    }

    /// How often the provider's own hosts may be asked.
    pub const fn limits(&self) -> ProviderLimits {
        match self.destination {
            Destination::Fixed(_) => self.limits,
            Destination::UserSupplied => ProviderLimits::NONE,
        }
    }
}
