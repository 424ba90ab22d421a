//! The log's lines for machines: one JSON object each.
//!
//! Beside the one that comes with the library, this one neither reads the fields of a span back nor sorts them: a
//! server writes a line for every request, and the log is the dearest of all that it does besides asking.

use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes a line: time, level, the event's fields, its target, and the innermost span.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonLine;

impl<S: Subscriber + for<'span> LookupSpan<'span>> FormatEvent<S, Self> for JsonLine {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Self>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        line.write_str(r#"{"timestamp":""#)?;
        SystemTime.format_time(&mut line)?;
        write!(line, r#"","level":"{}","#, metadata.level())?;
        self.format_fields(line.by_ref(), event)?;
        line.write_str(r#""target":"#)?;
        text(&mut line, metadata.target())?;
        if let Some(span) = context.lookup_current() {
            line.write_str(r#","span":{"#)?;
            if let Some(fields) = span.extensions().get::<FormattedFields<Self>>() {
                line.write_str(fields)?;
            }
            line.write_str(r#""name":"#)?;
            text(&mut line, span.name())?;
            line.write_char('}')?;
        }
        line.write_str("}\n")
    }
}

/// Each field with a comma behind it.
impl<'writer> FormatFields<'writer> for JsonLine {
    fn format_fields<R: RecordFields>(&self, line: Writer<'writer>, fields: R) -> fmt::Result {
        let mut members = Members { line, result: Ok(()) };
        fields.record(&mut members);
        members.result
    }
}

struct Members<'writer> {
    line: Writer<'writer>,
    result: fmt::Result,
}

impl Members<'_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let Self { line, result } = self;
        let written = result.and_then(|()| {
            text(line, field.name())?;
            line.write_char(':')?;
            value(line)?;
            line.write_char(',')
        });
        *result = written;
    }
}

impl Visit for Members<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |line| text(line, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |line| write!(line, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |line| write!(line, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |line| write!(line, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |line| {
            // JSON has no other numbers.
            if value.is_finite() { write!(line, "{value}") } else { line.write_str("null") }
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |line| text(line, &format!("{value:?}")));
    }
}

fn text(line: &mut Writer<'_>, text: &str) -> fmt::Result {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        return line.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?);
    }
    line.write_char('"')?;
    line.write_str(text)?;
    line.write_char('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::telemetry::tests::Lines;

    /// What one call writes, without the time.
    fn logged(log: impl FnOnce()) -> Value {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonLine)
            .event_format(JsonLine)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let written = lines.text();
        assert!(written.ends_with('\n') && written.lines().count() == 1, "{written:?}");
        let mut line: Value = serde_json::from_str(&written).unwrap();
        let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(time.as_str().is_some_and(|time| time.ends_with('Z')), "{time}");
        line
    }

    #[test]
    fn every_kind_of_value_is_written_as_json() {
        let line = logged(|| {
            let _outer = tracing::info_span!("outer", hidden = 1).entered();
            let span =
                tracing::info_span!("request", trace_id = %"a-b", later = tracing::field::Empty);
            let _span = span.entered();
            tracing::Span::current().record("later", "a \"word\"");
            tracing::warn!(
                target: "here",
                text = "two\nlines",
                missing = None::<u64>,
                status = 200_u16,
                below = -1,
                share = 0.5,
                infinite = f64::INFINITY,
                yes = true,
                shape = ?Some("x"),
                "It \\ happened."
            );
        });
        let expected = json!({
            "level": "WARN",
            "message": "It \\ happened.",
            "text": "two\nlines",
            "status": 200,
            "below": -1,
            "share": 0.5,
            "infinite": null,
            "yes": true,
            "shape": "Some(\"x\")",
            "target": "here",
            "span": { "trace_id": "a-b", "later": "a \"word\"", "name": "request" },
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_line_without_a_span_names_none() {
        let line = logged(|| tracing::info!(target: "here", "Alone."));
        assert_eq!(line, json!({ "level": "INFO", "message": "Alone.", "target": "here" }));
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_place(text in ".*|[\\x00-\\x7f\u{2028}]*") {
            let line = logged(|| tracing::info!(target: "here", text, "Said."));
            prop_assert_eq!(&line["text"], &json!(text));
            prop_assert_eq!(line.as_object().unwrap().len(), 4);
        }
    }
}
