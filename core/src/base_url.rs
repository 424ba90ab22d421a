//! The provider's own hosts.

/// One of the provider's own hosts, and the configuration key that replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BaseUrl {
    /// The key under `[providers.NAME]`: `base_url` for the first; every other ends with `_base_url`.
    pub key: &'static str,
    /// Scheme, host and path prefix, without a slash at the end. With [`hosts`](Self::hosts), `{}` stands for one of them.
    pub url: &'static str,
    /// The closed list of texts that `{}` in the URL stands for; empty where the URL is whole.
    pub hosts: &'static [&'static str],
    is_region: bool,
}

impl BaseUrl {
    /// The host of a provider that has no regions, or its first region.
    pub const fn main(url: &'static str) -> Self {
        Self { key: "base_url", url, hosts: &[], is_region: true }
    }

    /// A further region, asked after an answer that the wrong region could explain.
    pub const fn region(key: &'static str, url: &'static str) -> Self {
        Self { key, url, hosts: &[], is_region: true }
    }

    /// A host for other requests, such as the one that mints tokens. It is not a region: only
    /// [`Context::with_base_url`](crate::Context::with_base_url) leads to it, with a request that
    /// [`AllowedRequest::with_base_url`](crate::AllowedRequest::with_base_url) allows there.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// const DESCRIPTOR: Descriptor = Descriptor::new("2001", "example", ProviderType::Push, "Example")
    ///     .with_base_urls(&[
    ///         BaseUrl::main("https://push.example.com"),
    ///         BaseUrl::service("token_base_url", "https://token.example.com"),
    ///     ])
    ///     .with_requests(&[
    ///         AllowedRequest::get("/v1/me", "reads the account"),
    ///         AllowedRequest::post("/token", "mints a token that lapses by itself")
    ///             .with_base_url("token_base_url"),
    ///     ]);
    /// ```
    pub const fn service(key: &'static str, url: &'static str) -> Self {
        Self { key, url, hosts: &[], is_region: false }
    }

    /// Lets a settings field choose the host from a closed list: `{}` in the URL stands for one of these texts, which
    /// [`Context::with_host`](crate::Context::with_host) names. A URL that the configuration puts in its place stands for
    /// all of them.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// const HOSTS: &[&str] = &["eu-1", "us-1"];
    /// const BASE_URL: BaseUrl = BaseUrl::main("https://api.{}.example.com").with_hosts(HOSTS);
    /// ```
    pub const fn with_hosts(mut self, hosts: &'static [&'static str]) -> Self {
        self.hosts = hosts;
        self
    }

    /// Whether it is a region, asked in turn, and not a [service](Self::service).
    pub const fn is_region(&self) -> bool {
        self.is_region
    }
}
