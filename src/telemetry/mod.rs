//! Logs: to standard error, without bodies, headers and tokens.

#[cfg(feature = "opentelemetry")]
pub(crate) mod export;
mod line;
mod queue;
pub(crate) mod traceparent;

use std::env;
use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use self::line::JsonLine;
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
#[expect(clippy::disallowed_methods, reason = "`RUST_LOG` is no part of our configuration")]
pub(crate) fn start(format: Format) -> Telemetry {
    let default = match format {
        Format::Json => LevelFilter::INFO,
        Format::Text => LevelFilter::WARN,
    };
    let wanted = env::var("RUST_LOG").ok().filter(|wanted| !wanted.is_empty());
    let wanted = wanted.as_deref().map(str::parse::<Targets>).transpose();
    let (targets, misunderstood) = match wanted {
        Ok(wanted) => (wanted, None),
        Err(error) => (None, Some(error)),
    };
    let targets = targets.unwrap_or_else(|| Targets::new().with_default(default));
    let (writer, flush) = writer(format);
    let lines = fmt::layer().with_writer(writer);
    // A file has no colours, and a terminal none for whoever has said so in `NO_COLOR`.
    let lines = if io::stderr().is_terminal() { lines } else { lines.with_ansi(false) };
    let lines = match format {
        Format::Json => lines.fmt_fields(JsonLine).event_format(JsonLine).boxed(),
        Format::Text => lines.compact().with_target(false).boxed(),
    };
    #[cfg(feature = "opentelemetry")]
    let lines = lines.with_filter(filter_fn(|metadata| metadata.target() != CHECK));
    let subscriber = tracing_subscriber::registry().with(filter(targets)).with(lines);
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
    if let Some(error) = misunderstood {
        tracing::warn!(
            %error,
            "RUST_LOG is not understood: write a level, or several as in `info,bonafide=debug`."
        );
    }
    Telemetry {
        #[cfg(feature = "opentelemetry")]
        _export: export,
        _flush: flush,
    }
}

/// What is wanted of what may be logged: below `info` the HTTP and TLS libraries write what they send, credentials
/// included.
fn filter<S: Subscriber>(wanted: Targets) -> impl Layer<S> {
    wanted.and_then(filter_fn(|metadata| {
        *metadata.level() <= Level::INFO || metadata.target().starts_with("bonafide")
    }))
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

    /// What was logged, kept in memory.
    #[derive(Clone, Default)]
    pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

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
    fn below_info_libraries_are_not_heard_whatever_is_wanted() {
        let lines = Lines::default();
        let writer = lines.clone();
        let wanted = Targets::new().with_default(LevelFilter::TRACE);
        let layer = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(filter(wanted)).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "h2::codec", "headers");
            tracing::debug!(target: "rustls::conn", "a record");
            tracing::info!(target: "h2::codec", "a library");
            tracing::trace!(target: "bonafide::check", "of ours");
        });
        let logged = lines.text();
        assert_eq!(logged.lines().count(), 2, "{logged}");
        assert!(logged.contains("a library") && logged.contains("of ours"), "{logged}");
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
        let logged = lines.text();
        assert!(logged.contains(file!()), "{logged}");
        assert!(!logged.contains("hunter2") && !logged.contains("payload"), "{logged}");
    }
}
