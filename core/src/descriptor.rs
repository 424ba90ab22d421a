//! Who a provider is: the facts about it that never change while a process runs.

use std::fmt;

use serde::Serialize;

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
    pub const ALL: [Self; 5] = [Self::Sms, Self::Email, Self::Push, Self::Chat, Self::Voice];

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

/// One place where a provider answers, and the configuration key that moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// The key under `[providers.NAME]`: `base_url` for the first, `eu_base_url` and the like after it.
    pub key: &'static str,
    /// Scheme, host and path prefix, without a slash at the end.
    pub url: &'static str,
}

impl BaseUrl {
    /// Where a provider answers that has no regions, or its first region.
    pub const fn main(url: &'static str) -> Self {
        Self { key: "base_url", url }
    }

    /// Another region. The key is the provider's to choose; it ends with `_base_url`.
    pub const fn region(key: &'static str, url: &'static str) -> Self {
        Self { key, url }
    }
}

/// A request that a provider's checks may send. Any other is refused before it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedRequest {
    /// The method.
    pub method: &'static str,
    /// The path under the base URL. A segment `*` stands for any one segment.
    pub path: &'static str,
    /// Why it costs nothing and changes nothing, with the source of that.
    pub harmless_because: &'static str,
}

impl AllowedRequest {
    /// A `GET` of this path.
    pub const fn get(path: &'static str, harmless_because: &'static str) -> Self {
        Self { method: "GET", path, harmless_because }
    }

    /// A `POST` to this path. The reason must say what keeps it from having an effect.
    pub const fn post(path: &'static str, harmless_because: &'static str) -> Self {
        Self { method: "POST", path, harmless_because }
    }

    /// Whether a request with this method and these path segments is the one that is meant.
    ///
    /// A `*` stands for a segment that stays where it is put. One that is empty or that a server or a library could
    /// take for a step upwards is never covered: it would ask for another path than the list says.
    pub fn covers(&self, method: &str, path: &[&str]) -> bool {
        let pattern = self.path.trim_start_matches('/').split('/');
        self.method == method
            && pattern.clone().count() == path.len()
            && pattern.zip(path).all(|(allowed, segment)| match allowed {
                "*" => stays_in_place(segment),
                _ => allowed == *segment,
            })
    }
}

/// Whether a segment, escaped, is one segment of a path, whoever reads it.
///
/// URL libraries drop `.` and `..`, and look through tabs and line breaks to find them; servers that decode twice see
/// them behind `%2e`.
fn stays_in_place(segment: &str) -> bool {
    let decoded = segment.to_ascii_lowercase().replace("%2e", ".");
    !matches!(decoded.as_str(), "" | "." | "..") && !segment.chars().any(char::is_control)
}

/// Where a provider's checks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To hosts of the provider's own, its regions in the order in which they are asked. Never empty.
    BuiltIn(&'static [BaseUrl]),
    /// To a host and port that the settings name, always through [`Context::dial`](crate::Context::dial).
    NamedBySettings,
}

/// How much a provider lets one be asked; 0 stands for no such limit.
///
/// Holds for the provider's own hosts, all checks of a process together, unless the configuration says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderLimits {
    /// How many checks may ask at a time.
    pub max_concurrent: u32,
    /// How many checks may begin in any one second.
    pub max_per_second: u32,
}

impl ProviderLimits {
    /// No limit at all.
    pub const NONE: Self = Self { max_concurrent: 0, max_per_second: 0 };
    /// For providers that document no number: a hundred at a time, which is caution of ours.
    pub const CAUTIOUS: Self = Self { max_concurrent: 100, max_per_second: 0 };
}

/// Identity of a provider, and the documented interactions that its tests, its sandbox and its page share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Descriptor {
    /// The built-in base URLs, region by region; none where the settings name the host.
    pub const fn base_urls(&self) -> &'static [BaseUrl] {
        match self.destination {
            Destination::BuiltIn(base_urls) => base_urls,
            Destination::NamedBySettings => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    const LIST: AllowedRequest = AllowedRequest::get("/v1/domains/*/state", "a state");

    #[test]
    fn a_segment_that_could_lead_elsewhere_is_not_covered() {
        for segment in ["a", "a b", "a/b", "...", ".a", "a..b", "%2e%2e%2f", "%2f", "\u{2024}."] {
            assert!(LIST.covers("GET", &["v1", "domains", segment, "state"]), "{segment:?}");
        }
        for segment in [
            "", ".", "..", "%2e", "%2E", "%2e%2e", "%2E.", ".%2e", "%2E%2e", ".\t.", "\n..", ".\r",
            "\t", "a\tb", "a\0", "\u{85}",
        ] {
            assert!(!LIST.covers("GET", &["v1", "domains", segment, "state"]), "{segment:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_covered_stays_one_segment(segment in r"(?:[.%2eE\t\n/?#\\a]|\PC){0,6}") {
            if LIST.covers("GET", &["v1", "domains", &segment, "state"]) {
                let mut url = Url::parse("https://api.example.com/prefix").unwrap();
                url.path_segments_mut().unwrap().extend(["v1", "domains", &segment, "state"]);
                let segments: Vec<&str> = url.path().split('/').collect();
                prop_assert_eq!(segments.len(), 6, "{}", url);
                let decoded = percent_decode(segments[4]);
                prop_assert_eq!(decoded, segment.into_bytes());
            }
        }
    }

    fn percent_decode(text: &str) -> Vec<u8> {
        let mut parts = text.split('%');
        let mut decoded = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            decoded.push(u8::from_str_radix(&part[..2], 16).unwrap());
            decoded.extend_from_slice(&part.as_bytes()[2..]);
        }
        decoded
    }
}
