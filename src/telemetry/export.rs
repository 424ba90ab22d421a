//! Traces for OpenTelemetry, by OTLP over HTTP to where the standard variables say.

use std::cell::Cell;
use std::env;
use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider};
use tracing::field::Empty;
use tracing::{Instrument as _, Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use super::CHECK;
use super::traceparent::TraceParent;
use crate::check::Report;

/// Where traces go: one of these must be set, or nothing is exported.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// How long the end of the process waits for the last spans to be taken.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends what is still waiting when it is dropped, and gives up after a second.
#[derive(Debug)]
pub(super) struct Export(SdkTracerProvider);

impl Drop for Export {
    fn drop(&mut self) {
        // Nobody may take the spans any more, and the process ends all the same.
        let _away = self.0.shutdown_with_timeout(PATIENCE);
    }
}

impl Export {
    /// Begins to export, if the surroundings say where to.
    pub(super) fn start() -> Option<Result<Self, ExporterBuildError>> {
        ENDPOINTS.iter().find_map(env::var_os)?;
        // For collectors behind TLS. One that is there already is as good.
        let _already_there = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Some(SpanExporter::builder().with_http().build().map(|exporter| {
            let name = env::var_os("OTEL_SERVICE_NAME").and_then(|name| name.into_string().ok());
            let resource = Resource::builder_empty()
                .with_service_name(name.unwrap_or_else(|| "bonafide".to_owned()))
                .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                .with_detector(Box::new(EnvResourceDetector::new()))
                .build();
            let provider = SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .with_id_generator(Ids::default())
                .with_resource(resource)
                .build();
            Self(provider)
        }))
    }

    /// Takes our own spans and events, from `info` on. What libraries write never leaves the process.
    pub(super) fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(&self) -> impl Layer<S> {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("bonafide"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| {
                *metadata.level() <= Level::INFO && metadata.target().starts_with("bonafide")
            }))
    }
}

/// Makes the span of a request part of the caller's trace, or else the beginning of one with this id.
pub(crate) fn adopt(span: &Span, trace_id: Uuid, parent: Option<&TraceParent>) {
    if let Some(parent) = parent {
        let parent = SpanContext::new(
            TraceId::from(trace_id.as_u128()),
            SpanId::from(parent.span_id),
            TraceFlags::new(parent.flags),
            true,
            TraceState::NONE,
        );
        // Without an export there is nothing to be part of.
        let _not_exported = span.set_parent(Context::new().with_remote_span_context(parent));
        return;
    }
    NEXT.set(Some(TraceId::from(trace_id.as_u128())));
    // Asking for it makes it, here and now.
    let _made = span.context();
    NEXT.set(None);
}

/// Has a check in a span of its own. The log does not show it, or its lines would lack what the request's span says.
pub(crate) async fn checking(check: impl Future<Output = Report>) -> Report {
    let span = tracing::info_span!(target: CHECK, "check", provider = Empty, verdict = Empty, cause = Empty);
    let report = check.instrument(span.clone()).await;
    span.record("provider", report.provider.map(|descriptor| descriptor.name));
    span.record("verdict", report.verdict.as_str());
    span.record("cause", report.cause());
    report
}

thread_local! {
    /// The id of the trace that begins next on this thread.
    static NEXT: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Gives a trace the id that its request has.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}
