//! The surroundings of one check: its deadline, and the base URL that its requests go to.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use url::Url;
use uuid::Uuid;

use crate::allowed_request::Segment;
use crate::base_url::BaseUrl;
use crate::descriptor::Descriptor;
use crate::environment::{Environment, ProviderConfig};
use crate::failure::Failure;
use crate::finding::Warning;
use crate::outcome::Outcome;

/// The timeout of a check whose configured one is beyond what the clock can count to.
const MAX_TIMEOUT: Duration = Duration::from_hours(24);

/// One check: its deadline, its trace id, and guarded ways to reach the provider.
///
/// `get` and `post` ask one of the provider's own hosts, `dial` and `tls` a host that the settings name.
#[derive(Clone)]
pub struct Context {
    environment: Environment,
    config: Option<Arc<ProviderConfig>>,
    descriptor: &'static Descriptor,
    deadline: Instant,
    trace_id: Uuid,
    /// The place of the base URL that requests go to; `None` for a key that the descriptor does not have.
    base_url: Option<usize>,
    /// The text of the closed list that chooses the host.
    host: Option<&'static str>,
    /// The status that the provider answered with last; 0 before it answered. All regions share it.
    status: Arc<AtomicU16>,
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("config", &self.config)
            .field("deadline", &self.deadline)
            .field("trace_id", &self.trace_id)
            .field("base_url", &self.base_url)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// The context of one check of this provider. Its deadline runs from now.
    pub fn context(&self, descriptor: &'static Descriptor, trace_id: Uuid) -> Context {
        let config = self.provider(descriptor.name).cloned();
        let now = Instant::now();
        let timeout = config.as_ref().map_or(Duration::ZERO, |config| config.timeout);
        Context {
            environment: self.clone(),
            config,
            descriptor,
            deadline: now.checked_add(timeout).unwrap_or(now + MAX_TIMEOUT),
            trace_id,
            base_url: Some(0),
            host: None,
            status: Arc::default(),
        }
    }
}

impl Context {
    /// The same check, asking the base URL with this key, such as a [service](BaseUrl::service).
    ///
    /// With a key that the descriptor does not have, every request fails with `internal`. A request borrows its context,
    /// so the new one is bound first:
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # async fn check(context: &Context) -> Result<Response, Failure> {
    /// let tokens = context.with_base_url("token_base_url");
    /// let request = tokens.post(["token"]);
    /// # request.send().await
    /// # }
    /// ```
    pub fn with_base_url(&self, key: &str) -> Self {
        let base_url = self.descriptor.base_urls().iter().position(|base_url| base_url.key == key);
        Self { base_url, host: None, ..self.clone() }
    }

    /// The same check, asking the host that this text of the base URL's closed list stands for. With several base URLs,
    /// [`with_base_url`](Self::with_base_url) goes first: each has a list of its own.
    ///
    /// With a text that is not on the [list](BaseUrl::with_hosts), and without a call of this where there is a list, every
    /// request fails with `internal`. The settings field is therefore an enum of the texts on the list.
    pub fn with_host(&self, host: &str) -> Self {
        let hosts = self.base_url().map_or(&[][..], |base_url| base_url.hosts);
        let host = hosts.iter().copied().find(|known| *known == host);
        let base_url = self.base_url.filter(|_| host.is_some());
        Self { base_url, host, ..self.clone() }
    }

    /// Passes the check, with `warning` if `question` resolves to `Ok(false)`.
    ///
    /// The question never changes the verdict: it gets half of the time that is left, and an answer that fails or comes
    /// too late is not a reason to warn.
    pub async fn warn_unless(
        &self,
        question: impl Future<Output = Result<bool, Failure>> + Send,
        warning: Warning,
    ) -> Outcome {
        match timeout(self.time_left() / 2, question).await {
            Ok(Ok(false)) => Outcome::valid().with_warning(warning),
            Ok(Ok(true) | Err(_)) | Err(_) => Outcome::valid(),
        }
    }

    /// When the check ends, with a verdict or without.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The id that every log line of the check bears.
    pub fn trace_id(&self) -> Uuid {
        self.trace_id
    }

    /// Whether a host that the settings name speaks TLS from the first byte on this port.
    pub fn speaks_implicit_tls(&self, port: u16) -> bool {
        self.config.as_ref().is_some_and(|config| config.implicit_tls_ports.contains(&port))
    }

    pub(crate) fn record_status(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub(crate) fn last_status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the descriptor allows this request to the base URL.
    pub(crate) fn allows(&self, method: &str, path: &[Segment<'_>]) -> bool {
        self.base_url().is_some_and(|base_url| {
            let mut requests = self.descriptor.requests.iter();
            requests.any(|request| request.covers(base_url, method, path.iter().copied()))
        })
    }

    pub(crate) fn is_configured(&self) -> bool {
        self.config.is_some()
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    fn base_url(&self) -> Option<&'static BaseUrl> {
        self.descriptor.base_urls().get(self.base_url?)
    }

    /// The URL that requests go to, as it is configured.
    pub(crate) fn url(&self) -> Option<&Url> {
        self.config.as_ref()?.base_urls.get(self.base_url?)?.url(self.host)
    }

    /// The same check in the provider's next region, if it has one. The deadline stays.
    pub(crate) fn next_region(&self) -> Option<Self> {
        let mut others = self.descriptor.base_urls().iter().enumerate().skip(self.base_url? + 1);
        let (next, _) = others.find(|(_, base_url)| base_url.is_region())?;
        Some(Self { base_url: Some(next), host: None, ..self.clone() })
            .filter(|next| next.config.is_some())
    }
}
