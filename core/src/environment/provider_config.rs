//! The configuration of one provider: its base URLs and its timeout.

use std::time::Duration;

use url::Url;

use super::error::EnvironmentError;
use crate::base_url::BaseUrl;
use crate::descriptor::Descriptor;

/// A base URL as it is configured: one URL, or one for each host of a closed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredBaseUrl(Urls);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Urls {
    One(Url),
    /// By the text that stands for `{}`.
    ByHost(Vec<(&'static str, Url)>),
}

impl ConfiguredBaseUrl {
    fn of(base_url: &BaseUrl) -> Result<Self, url::ParseError> {
        if base_url.hosts.is_empty() {
            return Url::parse(base_url.url).map(Self::from);
        }
        let urls = base_url
            .hosts
            .iter()
            .map(|host| Ok((*host, Url::parse(&base_url.url.replace("{}", host))?)));
        urls.collect::<Result<_, _>>().map(|urls| Self(Urls::ByHost(urls)))
    }

    /// Every URL that it stands for.
    pub fn urls(&self) -> impl Iterator<Item = &Url> {
        let (one, by_host) = match &self.0 {
            Urls::One(url) => (Some(url), &[][..]),
            Urls::ByHost(urls) => (None, urls.as_slice()),
        };
        one.into_iter().chain(by_host.iter().map(|(_, url)| url))
    }

    /// The URL for this host of the closed list. A configured URL stands for all of them.
    pub(crate) fn url(&self, host: Option<&str>) -> Option<&Url> {
        match &self.0 {
            Urls::One(url) => Some(url),
            Urls::ByHost(urls) => {
                let host = host?;
                urls.iter().find(|(known, _)| *known == host).map(|(_, url)| url)
            }
        }
    }
}

impl From<Url> for ConfiguredBaseUrl {
    fn from(url: Url) -> Self {
        Self(Urls::One(url))
    }
}

/// Where and for how long a provider is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderConfig {
    /// Base URLs, one for each of the descriptor's; empty where the settings name the host.
    pub base_urls: Vec<ConfiguredBaseUrl>,
    /// How long a whole check may take, retries and second regions included.
    pub timeout: Duration,
    /// Ports on which a host that the settings name speaks TLS from the first byte.
    pub implicit_tls_ports: Vec<u16>,
}

impl ProviderConfig {
    /// The defaults: the provider's own hosts, 15 seconds, port 465. Fails for a base URL that is not a URL.
    pub fn of(descriptor: &Descriptor) -> Result<Self, EnvironmentError> {
        let parse = |base_url: &BaseUrl| {
            ConfiguredBaseUrl::of(base_url).map_err(|_| {
                EnvironmentError::base_url(descriptor, base_url.key, "it is not a URL")
            })
        };
        Ok(Self {
            base_urls: descriptor.base_urls().iter().map(parse).collect::<Result<_, _>>()?,
            timeout: Duration::from_secs(15),
            implicit_tls_ports: vec![465],
        })
    }
}
