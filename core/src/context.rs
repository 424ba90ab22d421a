//! What a check runs in: the only ways out that a provider crate has.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use url::Url;
use uuid::Uuid;

use crate::descriptor::AllowedRequest;
use crate::environment::{Environment, ProviderConfig};
use crate::failure::Failure;
use crate::http::{Method, Request};
use crate::outcome::{Outcome, Warning};

/// One check: its deadline, its trace id, and guarded ways to reach the provider.
#[derive(Clone)]
pub struct Context {
    environment: Environment,
    config: Option<Arc<ProviderConfig>>,
    requests: &'static [AllowedRequest],
    deadline: Instant,
    trace_id: Uuid,
    region: usize,
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
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl Context {
    pub(crate) fn new(
        environment: Environment,
        config: Option<Arc<ProviderConfig>>,
        requests: &'static [AllowedRequest],
        trace_id: Uuid,
    ) -> Self {
        let timeout = config.as_ref().map_or(Duration::ZERO, |config| config.timeout);
        let deadline = Instant::now() + timeout;
        Self {
            environment,
            config,
            requests,
            deadline,
            trace_id,
            region: 0,
            status: Arc::default(),
        }
    }

    /// A `GET` of this path under the provider's base URL. Each segment is escaped, so it may hold anything.
    pub fn get(&self, path: &[&str]) -> Request<'_> {
        Request::new(self, Method::GET, path)
    }

    /// A `POST` to this path under the provider's base URL. Only for what the provider documents as free of
    /// effects; like every request it must be one that the descriptor allows.
    pub fn post(&self, path: &[&str]) -> Request<'_> {
        Request::new(self, Method::POST, path)
    }

    /// A pass, with this warning where the answer to the question is no.
    ///
    /// The question never changes the verdict: it gets half of the time that is left, and a failure stands for
    /// "nobody knows", which is no reason to warn.
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

    /// What every log line of the check bears.
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

    pub(crate) fn allows(&self, method: &str, path: &[&str]) -> bool {
        self.requests.iter().any(|request| request.covers(method, path))
    }

    pub(crate) fn is_configured(&self) -> bool {
        self.config.is_some()
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(crate) fn base_url(&self) -> Option<&Url> {
        self.config.as_ref()?.base_urls.get(self.region)
    }

    /// The same check in the provider's next region, if it has one. The deadline stays.
    pub(crate) fn next_region(&self) -> Option<Self> {
        let next = Self { region: self.region + 1, ..self.clone() };
        next.base_url().is_some().then_some(next)
    }
}
