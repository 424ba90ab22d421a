//! Logs: to standard error, without bodies, headers and tokens.

#[cfg(feature = "opentelemetry")]
pub(crate) mod export;
mod queue;

use std::io;
use std::panic::{self, PanicHookInfo};

use tracing::Level;
use tracing::level_filters::LevelFilter;
#[cfg(feature = "opentelemetry")]
use tracing_subscriber::filter::FilterExt as _;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use self::queue::lines_lost;
use self::queue::{Flush, Queue};

/// The target of the spans that are exported and not logged.
#[cfg(feature = "opentelemetry")]
const CHECK: &str = "bonafide::check::exported";

/// How the lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object a line, from `info` on: what a server writes for machines.
    Json,
    /// Short text, from `warn` on: what a command writes for the person at the terminal.
    Text,
}

/// Ends the log: its last lines are written when this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Telemetry {
    /// Ends first, because it may have something to say.
    #[cfg(feature = "opentelemetry")]
    _export: Option<export::Export>,
    _flush: Option<Flush>,
}

/// Begins to log. `RUST_LOG` says what.
pub(crate) fn start(format: Format) -> Telemetry {
    let default = match format {
        Format::Json => LevelFilter::INFO,
        Format::Text => LevelFilter::WARN,
    };
    let filter = EnvFilter::builder().with_default_directive(default.into()).from_env_lossy();
    // Below `info` the HTTP and TLS libraries write what they send, credentials included.
    let ours = filter_fn(|metadata| {
        *metadata.level() <= Level::INFO || metadata.target().starts_with("bonafide")
    });
    #[cfg(feature = "opentelemetry")]
    let ours = ours.and(filter_fn(|metadata| metadata.target() != CHECK));
    let (writer, flush) = writer(format);
    let lines = fmt::layer().with_writer(writer);
    let lines = match format {
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(ours)
            .boxed(),
        Format::Text => lines.compact().with_target(false).with_filter(ours).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    #[cfg(feature = "opentelemetry")]
    let export = (format == Format::Json).then(export::Export::start).flatten();
    #[cfg(feature = "opentelemetry")]
    let (export, defect) = match export {
        Some(Ok(export)) => (Some(export), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    #[cfg(feature = "opentelemetry")]
    let subscriber = subscriber.with(export.as_ref().map(export::Export::layer));
    // A host may have a subscriber of its own, which then stays.
    let _already_set = subscriber.try_init();
    panic::set_hook(Box::new(log_panic));
    #[cfg(feature = "opentelemetry")]
    if let Some(error) = defect {
        tracing::warn!(%error, "Traces are not exported.");
    }
    Telemetry {
        #[cfg(feature = "opentelemetry")]
        _export: export,
        _flush: flush,
    }
}

/// A server waits for nobody who reads its log. A command's lines stand between what else it tells the same person.
fn writer(format: Format) -> (BoxMakeWriter, Option<Flush>) {
    let queue = match format {
        Format::Json => Queue::start(io::stderr()).ok(),
        Format::Text => None,
    };
    match queue {
        Some((queue, flush)) => (BoxMakeWriter::new(queue), Some(flush)),
        None => (BoxMakeWriter::new(io::stderr), None),
    }
}

/// The payload of a panic may hold settings; its place cannot.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, "A thread panicked.");
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn of_a_panic_only_the_place_is_logged() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let default = panic::take_hook();
        tracing::subscriber::with_default(subscriber, || {
            panic::set_hook(Box::new(log_panic));
            let key = "hunter2";
            assert!(panic::catch_unwind(|| panic!("the payload holds {key}")).is_err());
        });
        panic::set_hook(default);
        let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(logged.contains(file!()), "{logged}");
        assert!(!logged.contains("hunter2") && !logged.contains("payload"), "{logged}");
    }
}
