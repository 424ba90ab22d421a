//! What Prometheus is told: counters, gauges and latencies, each with labels of a fixed set of values.
//!
//! Every series is made at the start. Counting is then an addition to what is there already: no label is written for a
//! request, and nothing that a caller sends can make a series.

use std::array::from_ref;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bonafide_core::{Cause, Problem, Verdict};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::api::error::{ApiError, TITLES};
use crate::api::rate_limit::RateLimiter;
use crate::api::{Api, ROUTES};
use crate::check::{Activity, Checks, Report};
use crate::telemetry;

/// A label and its value. They are written at the start alone.
type Label = (&'static str, String);

/// Upper bounds of latencies, in seconds: from the answer of a provider nearby to the longest deadline but one.
const LATENCIES: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// What stands where there is no provider, no cause or no route.
const NONE: &str = "none";
/// The statuses of successes; those of errors are in [`TITLES`].
const SUCCESSES: [u16; 2] = [200, 204];

/// Everything that is counted, for one process.
pub(crate) struct Metrics {
    registry: Registry,
    checks: HashMap<&'static str, CheckMetrics>,
    /// Of requests from which it could not be told which provider they mean.
    without_provider: CheckMetrics,
    routes: Vec<(&'static str, RouteMetrics)>,
    without_route: RouteMetrics,
    per_second: Counter,
    per_minute: Counter,
    connections: Gauge,
}

/// What is counted of the checks of one provider.
struct CheckMetrics {
    valid: Counter,
    /// In the order of [`Cause::ALL`].
    causes: Vec<Counter>,
    duration: Histogram,
}

/// What is counted of the requests to one route.
struct RouteMetrics {
    statuses: Vec<(u16, Counter)>,
    other_status: Counter,
    duration: Histogram,
}

impl Metrics {
    /// A series for whatever these checks can come to.
    pub(crate) fn new(checks: &Checks, rate_limiter: &RateLimiter) -> Self {
        let mut registry = Registry::with_prefix("bonafide");
        registry.register(
            "build",
            "The version that runs",
            Info::new([label("version", env!("CARGO_PKG_VERSION"))]),
        );
        let outcomes = Family::<[Label; 3], Counter>::default();
        registry.register(
            "checks",
            "Checks that ended, by provider, verdict and cause",
            outcomes.clone(),
        );
        let check_duration = latencies();
        registry.register_with_unit(
            "check_duration",
            "How long checks took, by provider",
            Unit::Seconds,
            check_duration.clone(),
        );
        let of_provider = |provider| CheckMetrics::new(provider, &outcomes, &check_duration);
        let names = checks.registry().descriptors().map(|descriptor| descriptor.name);
        let checks_of = names.map(|name| (name, of_provider(name))).collect();
        let without_provider = of_provider(NONE);

        let statuses = Family::<[Label; 2], Counter>::default();
        registry.register(
            "http_requests",
            "Requests that were answered, by route and status",
            statuses.clone(),
        );
        let request_duration = latencies();
        registry.register_with_unit(
            "http_request_duration",
            "How long requests took from their head to their answer, by route",
            Unit::Seconds,
            request_duration.clone(),
        );
        let of_route = |route| RouteMetrics::new(route, &statuses, &request_duration);
        let routes = ROUTES.iter().map(|(path, _, _)| (*path, of_route(path))).collect();
        let without_route = of_route(NONE);

        let windows = Family::<[Label; 1], Counter>::default();
        registry.register(
            "rate_limit_refusals",
            "Requests that were over the rate limit of their account, by window",
            windows.clone(),
        );
        registry.register(
            "rate_limit_store_failures",
            "Requests that this process counted by itself because the shared store did not",
            rate_limiter.failures().clone(),
        );
        let connections = Gauge::default();
        registry.register(
            "connections",
            "Connections of clients that are open",
            connections.clone(),
        );
        registry.register_collector(Box::new(Observed(checks.clone())));
        Self {
            registry,
            checks: checks_of,
            without_provider,
            routes,
            without_route,
            per_second: windows.get_or_create_owned(&[label("window", "second")]),
            per_minute: windows.get_or_create_owned(&[label("window", "minute")]),
            connections,
        }
    }

    /// Counts a check.
    pub(crate) fn checked(&self, report: &Report) {
        let known = report.provider.and_then(|descriptor| self.checks.get(descriptor.name));
        let metrics = known.unwrap_or(&self.without_provider);
        match report.problems.first().map(Problem::code) {
            Some(cause) => {
                let causes = Cause::ALL.iter().zip(&metrics.causes);
                if let Some((_, counter)) = causes.into_iter().find(|(known, _)| **known == cause) {
                    counter.inc();
                }
            }
            None => {
                metrics.valid.inc();
            }
        }
        metrics.duration.observe(report.elapsed.as_secs_f64());
    }

    /// Counts a request.
    pub(crate) fn answered(&self, route: Option<&str>, status: StatusCode, elapsed: Duration) {
        let known = route.and_then(|route| self.routes.iter().find(|(path, _)| *path == route));
        let metrics = known.map_or(&self.without_route, |(_, metrics)| metrics);
        let known = metrics.statuses.iter().find(|(known, _)| *known == status);
        known.map_or(&metrics.other_status, |(_, counter)| counter).inc();
        metrics.duration.observe(elapsed.as_secs_f64());
    }

    /// Counts a request that was over the limit of a window of this length.
    pub(crate) fn limited(&self, window: Duration) {
        if window > Duration::from_secs(1) { &self.per_minute } else { &self.per_second }.inc();
    }

    /// How many connections are open; whoever opens and closes them says so here.
    pub(crate) fn connections(&self) -> &Gauge {
        &self.connections
    }

    fn show(&self) -> Response {
        let mut text = String::new();
        match prometheus_text::encode(&mut text, &self.registry) {
            Ok(()) => {
                let content_type = [(header::CONTENT_TYPE, prometheus_text::CONTENT_TYPE)];
                (StatusCode::OK, content_type, text).into_response()
            }
            Err(fmt::Error) => ApiError::internal().into_response(),
        }
    }
}

fn label(name: &'static str, value: impl Into<String>) -> Label {
    (name, value.into())
}

type Latencies = Family<[Label; 1], Histogram, fn() -> Histogram>;

fn latencies() -> Latencies {
    Family::new_with_constructor(|| Histogram::new(LATENCIES))
}

impl CheckMetrics {
    fn new(
        provider: &'static str,
        outcomes: &Family<[Label; 3], Counter>,
        duration: &Latencies,
    ) -> Self {
        let provider = label("provider", provider);
        let of = |verdict: Verdict, cause| {
            outcomes.get_or_create_owned(&[
                provider.clone(),
                label("verdict", verdict.as_str()),
                label("cause", cause),
            ])
        };
        Self {
            valid: of(Verdict::Valid, NONE),
            causes: Cause::ALL.iter().map(|cause| of(cause.verdict(), cause.code())).collect(),
            duration: duration.get_or_create_owned(from_ref(&provider)),
        }
    }
}

impl RouteMetrics {
    fn new(
        route: &'static str,
        statuses: &Family<[Label; 2], Counter>,
        duration: &Latencies,
    ) -> Self {
        let route = label("route", route);
        let of = |status: String| {
            statuses.get_or_create_owned(&[route.clone(), label("status", status)])
        };
        let known = SUCCESSES.into_iter().chain(TITLES.map(|(status, _)| status));
        Self {
            statuses: known.map(|status| (status, of(status.to_string()))).collect(),
            other_status: of("other".to_owned()),
            duration: duration.get_or_create_owned(from_ref(&route)),
        }
    }
}

/// What others count, asked for when somebody looks.
#[derive(Debug)]
struct Observed(Checks);

impl Collector for Observed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, count) in [
            (
                "egress_refusals",
                "Connections to providers that the egress policy forbade.",
                self.0.environment().egress_refusals(),
            ),
            (
                "log_lines_lost",
                "Lines of the log that could not be written in time.",
                telemetry::lines_lost(),
            ),
        ] {
            let counter = ConstCounter::new(count);
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        let activity: Vec<Activity> = self.0.activity().collect();
        let help = "Checks that ask their provider now.";
        let mut family =
            encoder.encode_descriptor("checks_in_flight", help, None, MetricType::Gauge)?;
        for Activity { provider, in_flight, .. } in &activity {
            let gauge = ConstGauge::new(i64::try_from(*in_flight).unwrap_or(i64::MAX));
            gauge.encode(family.encode_family(&[("provider", *provider)])?)?;
        }
        let help = "Whether the provider is left alone for a moment because it fails.";
        let mut family =
            encoder.encode_descriptor("circuit_open", help, None, MetricType::Gauge)?;
        for Activity { provider, circuit_is_open, .. } in &activity {
            let gauge = ConstGauge::new(i64::from(*circuit_is_open));
            gauge.encode(family.encode_family(&[("provider", *provider)])?)?;
        }
        let help = "Checks that were answered by an identical one in flight.";
        let mut family =
            encoder.encode_descriptor("checks_shared", help, None, MetricType::Counter)?;
        for Activity { provider, joined, .. } in &activity {
            let counter = ConstCounter::new(*joined);
            counter.encode(family.encode_family(&[("provider", *provider)])?)?;
        }
        let help = "Checks that were not let through to their provider, by why.";
        let mut family =
            encoder.encode_descriptor("checks_held_back", help, None, MetricType::Counter)?;
        for Activity { provider, held, .. } in &activity {
            for (why, count) in held {
                let labels = [("provider", *provider), ("reason", why.as_str())];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// `GET /metrics` of the API, for the holder of a token.
pub(crate) async fn show(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiError> {
    api.0.accounts.authenticate(&headers)?;
    Ok(api.0.metrics.show())
}

/// `GET /metrics` of a listener of its own.
pub(crate) async fn show_to_anybody(State(api): State<Api>) -> Response {
    api.0.metrics.show()
}
