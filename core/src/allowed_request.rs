//! The list of requests that a provider's checks may send, and the path segments that are compared with it.

use std::fmt;

use secrecy::ExposeSecret;

use crate::base_url::BaseUrl;

/// One segment of a request's path. A `&str` is one; [`secret`](Self::secret) makes one that is never shown.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    prefix: &'a str,
    secret: Option<&'a str>,
}

impl<'a> Segment<'a> {
    /// A segment that ends in a secret, such as Telegram's `bot{token}`.
    ///
    /// The allow-list covers it with the prefix and a `*`: `/bot*/getMe`. The core shows the path of a request nowhere, and
    /// wipes its own copies of it.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # async fn check(context: &Context, bot_token: &ApiKey) -> Result<Response, Failure> {
    /// let bot = Segment::secret("bot", bot_token);
    /// let response = context.get([bot, "getMe".into()]).send().await?;
    /// # Ok(response)
    /// # }
    /// ```
    pub fn secret(prefix: &'static str, secret: &'a impl ExposeSecret<str>) -> Self {
        Self { prefix, secret: Some(secret.expose_secret()) }
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// The two parts of its text.
    pub(crate) fn parts(&self) -> [&'a str; 2] {
        [self.prefix, self.secret.unwrap_or_default()]
    }

    /// Whether it is a segment that `pattern` stands for.
    fn matches(&self, pattern: &str) -> bool {
        let Some(prefix) = pattern.strip_suffix('*') else {
            return self.secret.is_none() && self.prefix == pattern;
        };
        let goes_on = match self.secret {
            Some(secret) => self.prefix == prefix && !secret.is_empty(),
            None => self.prefix.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()),
        };
        goes_on && stays_in_place(self.parts())
    }
}

impl<'a> From<&'a str> for Segment<'a> {
    fn from(text: &'a str) -> Self {
        Self { prefix: text, secret: None }
    }
}

impl<'a> From<&'a String> for Segment<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_str())
    }
}

impl<'a> From<&'a &'a str> for Segment<'a> {
    fn from(text: &'a &'a str) -> Self {
        Self::from(*text)
    }
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Segment([withheld])")
    }
}

/// A request that a provider's checks may send. Any other is refused before it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllowedRequest {
    /// The method.
    pub method: &'static str,
    /// The path under the base URL. A segment `*` stands for any one segment, and one that ends in `*`, such as `bot*`, for
    /// any one that begins so and goes on.
    pub path: &'static str,
    /// The reason why it costs nothing and changes nothing, with the source of that.
    pub harmless_because: &'static str,
    /// The key of the base URL that it goes to, where that is a [service](BaseUrl::service) and not one of the regions.
    pub base_url: Option<&'static str>,
}

impl AllowedRequest {
    /// A `GET` of this path.
    pub const fn get(path: &'static str, harmless_because: &'static str) -> Self {
        Self { method: "GET", path, harmless_because, base_url: None }
    }

    /// A `POST` to this path. The reason must say what keeps it from having an effect.
    pub const fn post(path: &'static str, harmless_because: &'static str) -> Self {
        Self { method: "POST", path, harmless_because, base_url: None }
    }

    /// The same request to the service with this base URL key, and nowhere else.
    pub const fn with_base_url(mut self, key: &'static str) -> Self {
        self.base_url = Some(key);
        self
    }

    /// Whether the path has the form that [`covers`](Self::covers) compares: it begins with `/`, holds no query, and a `*`
    /// stands only at the end of a segment.
    pub fn is_well_formed(&self) -> bool {
        let is_pattern = |segment: &str| segment.find('*').is_none_or(|at| at + 1 == segment.len());
        self.path.starts_with('/')
            && !self.path.contains(['?', '#', '{'])
            && self.path.split('/').all(is_pattern)
    }

    /// Whether a request to this base URL, with this method and these path segments, is the one that is meant.
    ///
    /// A `*` never covers a segment that is empty or that a server or a library could take for a step upwards: the request
    /// would ask for another path than the list says.
    pub fn covers<'s>(
        &self,
        base_url: &BaseUrl,
        method: &str,
        path: impl IntoIterator<Item = impl Into<Segment<'s>>>,
    ) -> bool {
        let mut pattern = self.path.trim_start_matches('/').split('/');
        let mut path = path.into_iter();
        let is_target = match self.base_url {
            Some(key) => key == base_url.key,
            None => base_url.is_region(),
        };
        is_target
            && self.method == method
            && loop {
                match (pattern.next(), path.next()) {
                    (None, None) => break true,
                    (Some(allowed), Some(segment)) => {
                        if !segment.into().matches(allowed) {
                            break false;
                        }
                    }
                    _ => break false,
                }
            }
    }
}

/// Whether every library and every server takes the segment, escaped, for one segment of the path.
///
/// URL libraries drop `.` and `..`, and look through tabs and line breaks to find them; servers that decode twice see
/// them behind `%2e`.
fn stays_in_place(parts: [&str; 2]) -> bool {
    if parts.iter().any(|part| part.chars().any(char::is_control)) {
        return false;
    }
    // The longest form of a step upwards is `%2e%2e`. A longer segment need not be copied to be compared.
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > "%2e%2e".len() {
        return true;
    }
    let decoded = parts.concat().to_ascii_lowercase().replace("%2e", ".");
    !matches!(decoded.as_str(), "" | "." | "..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    const BASE: BaseUrl = BaseUrl::main("https://api.example.com");

    const LIST: AllowedRequest = AllowedRequest::get("/v1/domains/*/state", "a state");

    #[test]
    fn a_segment_that_could_lead_elsewhere_is_not_covered() {
        for segment in ["a", "a b", "a/b", "...", ".a", "a..b", "%2e%2e%2f", "%2f", "\u{2024}."] {
            assert!(LIST.covers(&BASE, "GET", ["v1", "domains", segment, "state"]), "{segment:?}");
        }
        for segment in [
            "", ".", "..", "%2e", "%2E", "%2e%2e", "%2E.", ".%2e", "%2E%2e", ".\t.", "\n..", ".\r",
            "\t", "a\tb", "a\0", "\u{85}",
        ] {
            assert!(!LIST.covers(&BASE, "GET", ["v1", "domains", segment, "state"]), "{segment:?}");
        }
    }

    #[test]
    fn a_prefix_covers_what_begins_with_it_and_goes_on() {
        let pattern = AllowedRequest::get("/bot*/getMe", "reads the bot");
        let secret = secrecy::SecretString::from("1:a/b");
        assert!(pattern.covers(&BASE, "GET", [Segment::secret("bot", &secret), "getMe".into()]));
        assert!(pattern.covers(&BASE, "GET", ["bot1", "getMe"]));
        for first in ["bot", "bo", "Bot1", "xbot1", ""] {
            assert!(!pattern.covers(&BASE, "GET", [first, "getMe"]), "{first:?}");
        }
        for prefix in ["", "bo", "bot1"] {
            let path = [Segment::secret(prefix, &secret), "getMe".into()];
            assert!(!pattern.covers(&BASE, "GET", path), "{prefix:?}");
        }
        let empty = secrecy::SecretString::from("");
        assert!(!pattern.covers(&BASE, "GET", [Segment::secret("bot", &empty), "getMe".into()]));
        let climbing = secrecy::SecretString::from(".%2e");
        let any = AllowedRequest::get("/*/getMe", "reads the bot");
        assert!(any.covers(&BASE, "GET", [Segment::secret("", &secret), "getMe".into()]));
        assert!(!any.covers(&BASE, "GET", [Segment::secret("", &climbing), "getMe".into()]));
        assert_eq!(format!("{:?}", Segment::secret("bot", &secret)), "Segment([withheld])");
    }

    #[test]
    fn a_path_may_end_in_a_slash() {
        let account = AllowedRequest::get("/v1/Account/*/", "reads the account");
        assert!(account.covers(&BASE, "GET", ["v1", "Account", "MA1", ""]));
        assert!(!account.covers(&BASE, "GET", ["v1", "Account", "MA1"]));
    }

    #[test]
    fn a_service_and_the_regions_have_requests_of_their_own() {
        let region = BaseUrl::region("eu_base_url", "https://eu.example.com");
        let service = BaseUrl::service("token_base_url", "https://token.example.com");
        let read = AllowedRequest::get("/me", "reads the account");
        let token = AllowedRequest::post("/token", "mints a token").with_base_url("token_base_url");
        let covered = |base: &BaseUrl| {
            (read.covers(base, "GET", ["me"]), token.covers(base, "POST", ["token"]))
        };
        assert_eq!(covered(&BASE), (true, false));
        assert_eq!(covered(&region), (true, false));
        assert_eq!(covered(&service), (false, true));
    }

    #[test]
    fn a_star_stands_at_the_end_of_a_segment() {
        let is_well_formed = |path| AllowedRequest::get(path, "reads").is_well_formed();
        for path in ["/", "/me", "/*", "/bot*/getMe", "/v1/Account/*/"] {
            assert!(is_well_formed(path), "{path}");
        }
        for path in ["", "me", "/*.json", "/a*b/c", "/**", "/me?all=1", "/{id}"] {
            assert!(!is_well_formed(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_is_covered_stays_one_segment(segment in r"(?:[.%2eE\t\n/?#\\a]|\PC){0,6}") {
            if LIST.covers(&BASE, "GET", ["v1", "domains", &segment, "state"]) {
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
