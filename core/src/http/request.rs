//! A request, built part by part.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use secrecy::ExposeSecret;
use serde::Serialize;
use zeroize::Zeroizing;

use super::url::{RequestUrl, push_pair};
use crate::allowed_request::Segment;
use crate::context::Context;
use crate::failure::Failure;
use crate::wiped::WipedBuffer;

/// The `User-Agent` unless a request sets its own.
const PRODUCT: &str = concat!("bonafide/", env!("CARGO_PKG_VERSION"));
/// How many bytes of a response are read unless the request says otherwise.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

impl Context {
    /// A `GET` of this path under the base URL. Each segment is escaped, so a settings field may be one. An empty last
    /// segment ends the path with a slash.
    ///
    /// A request that the descriptor does not [allow](crate::AllowedRequest) is not sent: it fails with `internal`.
    pub fn get<'p>(&self, path: impl IntoIterator<Item = impl Into<Segment<'p>>>) -> Request<'_> {
        Request::new(self, Method::GET, path)
    }

    /// A `POST` to this path under the base URL, for requests that the provider documents as free of effects.
    ///
    /// A request that the descriptor does not [allow](crate::AllowedRequest) is not sent: it fails with `internal`.
    pub fn post<'p>(&self, path: impl IntoIterator<Item = impl Into<Segment<'p>>>) -> Request<'_> {
        Request::new(self, Method::POST, path)
    }
}

/// One request to the provider. What cannot be built ends in a failure when it is sent.
#[must_use]
pub struct Request<'a> {
    pub(super) context: &'a Context,
    pub(super) parts: Result<Parts<'a>, Failure>,
}

/// What is sent.
pub(super) struct Parts<'a> {
    pub(super) method: Method,
    pub(super) url: RequestUrl<'a>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    pub(super) max_response_bytes: usize,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.parts.as_ref().map(|parts| &parts.method).ok();
        formatter.debug_struct("Request").field("method", &method).finish_non_exhaustive()
    }
}

impl<'a> Request<'a> {
    fn new<'p>(
        context: &'a Context,
        method: Method,
        path: impl IntoIterator<Item = impl Into<Segment<'p>>>,
    ) -> Self {
        let path: Vec<Segment<'_>> = path.into_iter().map(Into::into).collect();
        let base = match context.url() {
            None => Err(Failure::internal(
                "the descriptor has no base URL with the key of this request",
            )),
            Some(_) if !context.allows(method.as_str(), &path) => Err(Failure::internal(
                "no `AllowedRequest` of the descriptor has the method and the path of this request",
            )),
            Some(base) => Ok(base),
        };
        let parts = base.map(|base| Parts {
            method,
            url: RequestUrl::new(base, &path),
            headers: vec![
                (ACCEPT, HeaderValue::from_static("application/json")),
                (USER_AGENT, HeaderValue::from_static(PRODUCT)),
            ],
            body: Bytes::new(),
            max_response_bytes: MAX_RESPONSE_BYTES,
        });
        Self { context, parts }
    }

    /// Adds a pair to the query. Not for secrets: logs of servers and proxies keep queries.
    pub fn query(self, name: &str, value: &str) -> Self {
        self.change(|parts| {
            parts.url.push_query(name, value);
            Ok(())
        })
    }

    /// Takes the query of a link that the provider gave to its next page.
    ///
    /// The link must lead to this request's own path, on the provider's own host; with one that leads elsewhere
    /// nothing is sent, and the check ends with `unexpected_response`.
    pub fn next_page(self, link: &str) -> Self {
        self.change(|parts| parts.url.set_query_of(link))
    }

    /// Authenticates with HTTP Basic. The user name cannot hold a colon (RFC 7617, section 2).
    pub fn basic_auth(self, user: &str, password: &impl ExposeSecret<str>) -> Self {
        if user.contains(':') {
            return self.change(|_| {
                Err(Failure::internal("a user name of HTTP Basic cannot hold a colon"))
            });
        }
        let pair = Zeroizing::new([user, ":", password.expose_secret()].concat());
        let encoded = Zeroizing::new(BASE64.encode(pair.as_bytes()));
        self.secret_value(AUTHORIZATION, &["Basic ", &encoded])
    }

    /// Authenticates with a bearer token.
    pub fn bearer_auth(self, token: &impl ExposeSecret<str>) -> Self {
        self.authorization("Bearer", token)
    }

    /// Authenticates with an authorization scheme of the provider's own, such as Discord's `Bot`.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # async fn check(context: &Context, bot_token: &ApiKey) -> Result<Response, Failure> {
    /// let response = context.get(["users", "@me"]).authorization("Bot", bot_token).send().await?;
    /// # Ok(response)
    /// # }
    /// ```
    pub fn authorization(self, scheme: &'static str, credentials: &impl ExposeSecret<str>) -> Self {
        self.secret_value(AUTHORIZATION, &[scheme, " ", credentials.expose_secret()])
    }

    /// Sends a secret in a header of the provider's own.
    pub fn secret_header(self, name: &'static str, secret: &impl ExposeSecret<str>) -> Self {
        match HeaderName::try_from(name) {
            Ok(name) => self.secret_value(name, &[secret.expose_secret()]),
            Err(_) => self.change(|_| Err(Failure::internal("the name of a header is not valid"))),
        }
    }

    fn secret_value(self, name: HeaderName, parts: &[&str]) -> Self {
        // The header holds this very memory, so it is wiped with the last request that has it.
        let value = Bytes::from_owner(Zeroizing::new(parts.concat()));
        self.change(|parts| {
            let mut value = HeaderValue::from_maybe_shared(value)
                .map_err(|_| Failure::internal("a secret holds characters that a header cannot"))?;
            value.set_sensitive(true);
            parts.headers.push((name, value));
            Ok(())
        })
    }

    /// Sends this `User-Agent` instead of Bonafide's, for providers that document its form.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # async fn check(context: &Context, bot_token: &ApiKey) -> Result<Response, Failure> {
    /// let request = context.get(["users", "@me"]).authorization("Bot", bot_token);
    /// let response = request.user_agent("DiscordBot (https://example.com, 1)").send().await?;
    /// # Ok(response)
    /// # }
    /// ```
    pub fn user_agent(self, product: &'static str) -> Self {
        self.change(|parts| {
            let product = HeaderValue::try_from(product)
                .map_err(|_| Failure::internal("the user agent is not a valid header"))?;
            parts.headers.push((USER_AGENT, product));
            Ok(())
        })
    }

    /// Sends a JSON body, which is wiped after the last try.
    ///
    /// A body with a secret is a struct that borrows it: `json!` would make a copy that is not wiped.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # async fn check(context: &Context, api_key: &ApiKey) -> Result<Response, Failure> {
    /// #[derive(Serialize)]
    /// struct Question<'a> {
    ///     key: &'a str,
    /// }
    ///
    /// let question = Question { key: api_key.expose_secret() };
    /// let response = context.post(["users", "ping2"]).json(&question).send().await?;
    /// # Ok(response)
    /// # }
    /// ```
    pub fn json(self, body: &impl Serialize) -> Self {
        self.change(|parts| {
            let mut json = WipedBuffer::default();
            serde_json::to_writer(&mut json, body)
                .map_err(|_| Failure::internal("the body of the request cannot be serialised"))?;
            parts.set_body("application/json", json.into_bytes());
            Ok(())
        })
    }

    /// Sends a body of the type `application/x-www-form-urlencoded`, which is wiped after the last try. A value may be a
    /// secret.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # async fn check(context: &Context, app_secret: &ApiKey) -> Result<Response, Failure> {
    /// let form = [("grant_type", "secret"), ("assertion", app_secret.expose_secret())];
    /// let response = context.post(["token"]).form(&form).send().await?;
    /// # Ok(response)
    /// # }
    /// ```
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        self.change(|parts| {
            let mut form = WipedBuffer::default();
            for (index, (name, value)) in pairs.iter().enumerate() {
                form.push(if index == 0 { "" } else { "&" });
                push_pair(&mut form, name, value);
            }
            parts.set_body("application/x-www-form-urlencoded", form.into_bytes());
            Ok(())
        })
    }

    /// Sends a copy of this body, of another type. It may hold a secret.
    pub fn body(self, content_type: &'static str, body: &[u8]) -> Self {
        self.change(|parts| {
            let mut copy = WipedBuffer::with_capacity(body.len());
            copy.push(body);
            parts.set_body(content_type, copy.into_bytes());
            Ok(())
        })
    }

    /// Reads responses of at most this many bytes; 1 MiB unless set. A longer one fails with `unexpected_response`.
    pub fn max_response_bytes(self, bytes: usize) -> Self {
        self.change(|parts| {
            parts.max_response_bytes = bytes;
            Ok(())
        })
    }

    fn change(mut self, change: impl FnOnce(&mut Parts<'a>) -> Result<(), Failure>) -> Self {
        if let Ok(parts) = &mut self.parts
            && let Err(failure) = change(parts)
        {
            self.parts = Err(failure);
        }
        self
    }
}

impl Parts<'_> {
    fn set_body(&mut self, content_type: &'static str, body: Bytes) {
        self.headers.push((CONTENT_TYPE, HeaderValue::from_static(content_type)));
        self.body = body;
    }
}

#[cfg(test)]
mod tests {
    use url::Url;
    use uuid::Uuid;

    use super::*;
    use crate::allowed_request::AllowedRequest;
    use crate::base_url::BaseUrl;
    use crate::cause::Cause;
    use crate::descriptor::{Descriptor, ProviderType};
    use crate::environment::{Environment, ProviderConfig};

    static DESCRIPTOR: Descriptor = Descriptor::new("1", "example", ProviderType::Sms, "Example")
        .with_base_urls(&[
            BaseUrl::main("https://api.example.com/prefix"),
            BaseUrl::region("eu_base_url", "https://eu.example.com"),
            BaseUrl::service("token_base_url", "https://token.example.com"),
            BaseUrl::region("by_field_base_url", "https://mail.{}.example.com")
                .with_hosts(&["eu-1", "us-1"]),
        ])
        .with_requests(&[
            AllowedRequest::get("/v1/*/*/*/*", "segments of any kind"),
            AllowedRequest::get("/v1/list", "a list"),
            AllowedRequest::get("/bot*/getMe", "a secret in the path"),
            AllowedRequest::get("/v1/account/*/", "a slash at the end"),
            AllowedRequest::post("/token", "a token").with_base_url("token_base_url"),
        ]);

    fn context() -> Context {
        let config = ProviderConfig::of(&DESCRIPTOR).unwrap();
        let environment =
            Environment::builder().with_provider(&DESCRIPTOR, config).build().unwrap();
        environment.context(&DESCRIPTOR, Uuid::nil())
    }

    fn url(request: Request<'_>) -> Result<String, Cause> {
        let url = request.parts.and_then(|parts| parts.url.to_url());
        url.map(String::from).map_err(|failure| failure.cause())
    }

    #[test]
    fn segments_cannot_leave_their_place() {
        let context = context();
        let path = ["v1", "a/b", "...", "c?d#e", "%2e%2e%2f"];
        assert_eq!(
            url(context.get(path).query("x", "1&y=2")),
            Ok("https://api.example.com/prefix/v1/a%2Fb/.../c%3Fd%23e/%252e%252e%252f?x=1%26y%3D2"
                .to_owned())
        );
        for step in ["..", ".", "", "%2e%2E", ".\t."] {
            let path = ["v1", "a", step, "c", "d"];
            assert_eq!(url(context.get(path)), Err(Cause::Internal), "{step:?}");
        }
    }

    #[test]
    fn only_what_the_descriptor_allows_is_sent() {
        let context = context();
        assert!(url(context.get(["v1", "list"])).is_ok());
        for path in [&["v1"][..], &["v1", "lists"], &["v1", "list", "x"], &["list"], &[]] {
            assert_eq!(url(context.get(path)), Err(Cause::Internal), "{path:?}");
        }
        assert_eq!(url(context.post(["v1", "list"])), Err(Cause::Internal));
    }

    #[test]
    fn a_next_page_stays_on_the_list() {
        let context = context();
        let follow =
            |link: &str| url(context.get(["v1", "list"]).query("size", "2").next_page(link));
        let second = Ok("https://api.example.com/prefix/v1/list?page=2".to_owned());
        for link in [
            "/v1/list?page=2",
            "/prefix/v1/list?page=2",
            "?page=2",
            "https://api.example.com/prefix/v1/list?page=2",
            "https://api.example.com/v1/list?page=2",
        ] {
            assert_eq!(follow(link), second, "{link}");
        }
        for link in [
            "https://evil.example/prefix/v1/list?page=2",
            "http://api.example.com/prefix/v1/list?page=2",
            "https://api.example.com:444/prefix/v1/list?page=2",
            "https://user:pass@api.example.com/prefix/v1/list?page=2",
            "https://api.example.com@evil.example/prefix/v1/list?page=2",
            "//evil.example/prefix/v1/list?page=2",
            "\\\\evil.example\\prefix\\v1\\list?page=2",
            "/v1/other?page=2",
            "/v1/list/../messages?page=2",
            "javascript:alert(1)",
            "https://",
        ] {
            assert_eq!(follow(link), Err(Cause::UnexpectedResponse), "{link}");
        }
    }

    #[test]
    fn a_segment_is_escaped_as_the_url_library_does() {
        let context = context();
        let all: String = (' '..='~').chain("é\u{2028}".chars()).collect();
        let mut expected = Url::parse("https://api.example.com/prefix").unwrap();
        expected.path_segments_mut().unwrap().extend(["v1", &all, "b", "c", "d"]);
        assert_eq!(url(context.get(["v1", &all, "b", "c", "d"])), Ok(expected.into()));
    }

    #[test]
    fn a_path_may_end_in_a_slash() {
        let path = ["v1", "account", "MA1", ""];
        let expected = "https://api.example.com/prefix/v1/account/MA1/";
        assert_eq!(url(context().get(path)).as_deref(), Ok(expected));
    }

    #[test]
    fn a_secret_segment_is_escaped_and_never_shown() {
        let context = context();
        let secret = secrecy::SecretString::from("12:a/b?c");
        let path = || [Segment::secret("bot", &secret), "getMe".into()];
        let expected = "https://api.example.com/prefix/bot12:a%2Fb%3Fc/getMe?x=1";
        assert_eq!(url(context.get(path()).query("x", "1")).as_deref(), Ok(expected));
        let shown = format!("{:?} {:?}", context.get(path()), path());
        assert!(!shown.contains("12"), "{shown}");
    }

    #[test]
    fn another_base_url_has_its_own_host_and_requests() {
        let context = context();
        let token = context.with_base_url("token_base_url");
        assert_eq!(url(token.post(["token"])).as_deref(), Ok("https://token.example.com/token"));
        assert_eq!(url(token.get(["v1", "list"])), Err(Cause::Internal));
        assert_eq!(url(context.post(["token"])), Err(Cause::Internal));
        let unknown = context.with_base_url("other_base_url");
        assert_eq!(url(unknown.get(["v1", "list"])), Err(Cause::Internal));
        // The next region is not the service.
        let regions = [context.next_region(), token.next_region()].map(|next| next.unwrap());
        let hosts = regions.map(|region| url(region.with_host("eu-1").get(["v1", "list"])));
        assert_eq!(hosts[0], Err(Cause::Internal), "it has no list of hosts");
        assert_eq!(hosts[1].as_deref(), Ok("https://mail.eu-1.example.com/v1/list"));
    }

    #[test]
    fn a_host_is_chosen_from_its_list_alone() {
        let by_field = context().with_base_url("by_field_base_url");
        let list = |host: &str| url(by_field.with_host(host).get(["v1", "list"]));
        assert_eq!(list("us-1").as_deref(), Ok("https://mail.us-1.example.com/v1/list"));
        for host in ["", "us-2", "US-1", "evil.example/", "us-1.example.com"] {
            assert_eq!(list(host), Err(Cause::Internal), "{host}");
        }
        assert_eq!(url(by_field.get(["v1", "list"])), Err(Cause::Internal), "none is chosen");
    }

    #[test]
    fn a_form_is_escaped() {
        let context = context().with_base_url("token_base_url");
        let request = context.post(["token"]).form(&[("grant_type", "a:b c"), ("key", "=&é")]);
        let body = request.parts.unwrap().body;
        assert_eq!(body, "grant_type=a%3Ab+c&key=%3D%26%C3%A9");
    }
}
