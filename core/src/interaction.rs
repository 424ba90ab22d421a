//! Documented interactions: what a provider is asked, what it answers, and the verdict that follows, as data.
//!
//! A provider crate brings them as a JSON file beside its source. Its tests, the sandbox and its page in the docs
//! all read that one table.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cause::{Cause, Verdict};

/// Reads the interactions of a provider. The error says where the JSON breaks the form.
///
/// ```
/// let interactions = bonafide_core::interaction::parse(r#"[{
///     "name": "valid_key",
///     "title": "A key that may send",
///     "source": "https://example.com/docs/authentication",
///     "settings": {"api_key": "live-1"},
///     "steps": [{
///         "request": {"method": "GET", "path": "/v1/me", "bearer": "{api_key}"},
///         "response": {"status": 200, "body": {"name": "Example"}}
///     }],
///     "expected": {}
/// }]"#)?;
/// assert_eq!(interactions[0].expected.verdict(), bonafide_core::Verdict::Valid);
/// # Ok::<(), bonafide_core::interaction::InteractionError>(())
/// ```
pub fn parse(text: &str) -> Result<Vec<Interaction>, InteractionError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(InteractionError)
}

/// Interactions that do not have the form of [`Interaction`].
#[derive(Debug, thiserror::Error)]
#[error("the documented interactions cannot be read: {0}")]
pub struct InteractionError(#[source] serde_path_to_error::Error<serde_json::Error>);

/// One documented interaction: settings, the requests that they lead to, the responses, and the verdict.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interaction {
    /// A name for tests, unique in the provider: lower-case words joined by `_`.
    pub name: String,
    /// What the interaction shows, as a heading.
    pub title: String,
    /// Where the answer is documented: a URL, or `inferred: …` where the provider is silent.
    pub source: String,
    /// The settings that lead to it. Their secrets are made up.
    pub settings: Map<String, Value>,
    /// The HTTP requests and their responses, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// What a mail server says, for providers whose settings name the host.
    #[serde(default)]
    pub smtp: Option<Smtp>,
    /// Whether the emulator answers so to every request, or at every mail server, that no other interaction is for.
    #[serde(default)]
    pub fallback: bool,
    /// The verdict that follows.
    pub expected: Expected,
}

/// One request and its response.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The configuration key of the base URL that is asked; the first one unless set.
    #[serde(default)]
    pub base_url: Option<String>,
    /// What the request must hold.
    pub request: RequestMatcher,
    /// What the emulator responds.
    pub response: ResponseStub,
}

/// What a request must hold to match a step. `{field}` stands for the value of that settings field, in a segment of the
/// path too, such as `bot{bot_token}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestMatcher {
    /// The method.
    pub method: String,
    /// The path under the base URL. A segment `*` stands for any one segment; it stands alone, so `bot*` is a literal.
    pub path: String,
    /// Pairs that the query holds.
    #[serde(default)]
    pub query: Map<String, Value>,
    /// Pairs that the query does not hold.
    #[serde(default)]
    pub without_query: Vec<String>,
    /// The bearer token.
    #[serde(default)]
    pub bearer: Option<String>,
    /// The user and password of HTTP Basic, joined by a colon.
    #[serde(default)]
    pub basic: Option<String>,
    /// The scheme and the credentials of any other `Authorization`, joined by a space: `Bot {bot_token}`.
    #[serde(default)]
    pub authorization: Option<String>,
    /// Other headers, names in lower case.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// Members that the JSON body holds, with their values.
    #[serde(default)]
    pub body: Option<Value>,
    /// Pairs that a body of the type `application/x-www-form-urlencoded` holds.
    #[serde(default)]
    pub form: Map<String, Value>,
}

/// The response that a step stands for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseStub {
    /// The status.
    pub status: u16,
    /// Headers, names in lower case. Without a `content-type` here, the body has that of JSON or of plain text.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// A JSON body.
    #[serde(default)]
    pub body: Option<Value>,
    /// A body of plain text.
    #[serde(default)]
    pub text: Option<String>,
}

/// What a mail server says at each stage. What is left out goes well.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    /// Whether connections to the server are refused.
    pub refuses_connections: bool,
    /// Before anything is asked.
    pub greeting: String,
    /// To the first `EHLO`, line by line without the code, or one whole reply.
    pub ehlo: Vec<String>,
    /// To `STARTTLS`.
    pub starttls: String,
    /// To the `EHLO` inside TLS.
    pub ehlo_inside_tls: Vec<String>,
    /// To the credentials of the settings. Any others get `535`.
    pub auth: String,
}

impl Default for Smtp {
    fn default() -> Self {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Self {
            refuses_connections: false,
            greeting: "220 mail.example.com ESMTP".to_owned(),
            ehlo: lines(&["mail.example.com", "STARTTLS", "8BITMIME"]),
            starttls: "220 2.0.0 Ready to start TLS".to_owned(),
            ehlo_inside_tls: lines(&["mail.example.com", "AUTH PLAIN LOGIN", "8BITMIME"]),
            auth: "235 2.7.0 Authentication successful".to_owned(),
        }
    }
}

/// The verdict that an interaction leads to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// The code of the cause; absent for a pass.
    pub cause: Option<String>,
    /// The pointer of the field at fault.
    pub pointer: Option<String>,
    /// How many seconds the caller is told to wait.
    pub retry_after: Option<u64>,
    /// The data of a passed check.
    pub data: Option<Value>,
    /// Codes of the warnings of a passed check.
    pub warnings: Vec<String>,
}

impl Expected {
    /// Whether this is a pass, a rejection or no verdict. A cause that does not exist counts as no verdict.
    pub fn verdict(&self) -> Verdict {
        match &self.cause {
            None => Verdict::Valid,
            Some(code) => Cause::from_code(code).map_or(Verdict::Inconclusive, Cause::verdict),
        }
    }
}
