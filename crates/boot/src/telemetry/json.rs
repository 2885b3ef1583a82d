//! One log line: a flat JSON object, so that a query needs no path.
//!
//! `{"timestamp":"2026-11-21T12:00:00.000Z","level":"WARN","message":"…","target":"hookyard_router","trace_id":"…",
//! "event.id":"msg_…"}`: first the line's own fields, then those of the spans around it, the inner ones winning.

use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value};
use std::error::Error as StdError;
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats events as JSON lines. The spans' fields must be formatted by [`Members`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context
            .event_scope()
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            let extensions = span.extensions();
            if let Some(members) = extensions.get::<FormattedFields<N>>() {
                fields.0.extend(parse(members.as_str()));
            }
        }
        event.record(&mut fields);
        let mut fields = fields.0;

        // What came from the `log` crate brings its own target, and places that nobody asks for.
        let from_log = fields.remove("log.target");
        fields.retain(|name, _| !name.starts_with("log."));
        let target = from_log.unwrap_or_else(|| event.metadata().target().into());
        let message = fields.remove("message").unwrap_or_else(|| "".into());
        let level = event.metadata().level();

        write!(
            writer,
            r#"{{"timestamp":"{}","level":"{level}","message":{message}"#,
            wire::Instant::now()
        )?;
        write!(writer, r#","target":{target}"#)?;
        if let Some(trace) = trace_id(context) {
            write!(writer, r#","trace_id":"{trace}""#)?;
        }
        for (name, value) in &fields {
            write!(writer, ",{}:{value}", Value::from(name.as_str()))?;
        }
        writeln!(writer, "}}")
    }
}

/// Formats a span's fields once, when it opens: most spans are in no log line, so this must cost little.
///
/// They are kept as the members of an object, each after a comma: `,"event.id":"msg_1","rows":3`. A field that is
/// recorded later is appended, and wins when the line is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members;

impl<'writer> FormatFields<'writer> for Members {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Appending {
            writer,
            result: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.result
    }
}

/// Writes members as they are visited.
struct Appending<'writer> {
    writer: Writer<'writer>,
    result: fmt::Result,
}

impl Appending<'_> {
    /// Writes a value that is JSON already. A field's name is an identifier in our source, and needs no escapes.
    fn put(&mut self, field: &Field, json: impl fmt::Display) {
        // `otel.name` and its like steer the exporter.
        if self.result.is_ok() && !field.name().starts_with("otel.") {
            self.result = write!(self.writer, ",\"{}\":{json}", field.name());
        }
    }
}

impl Visit for Appending<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::from(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities.
        self.put(field, Value::from(value));
    }
}

fn parse(members: &str) -> Map<String, Value> {
    let members = members.trim_start_matches([',', ' ']);
    serde_json::from_str(&format!("{{{members}}}")).unwrap_or_default()
}

fn trace_id<S, N>(context: &FmtContext<'_, S, N>) -> Option<opentelemetry::TraceId>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let id = context.lookup_current()?.id();
    let context =
        tracing::dispatcher::get_default(|dispatch| tracing_opentelemetry::get_otel_context(&id, dispatch))?;
    let trace = context.span().span_context().trace_id();
    (trace != opentelemetry::TraceId::INVALID).then_some(trace)
}

/// The fields of one line, by name.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        self.put(field, crate::report(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing::field::Empty;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(test: impl FnOnce()) -> Vec<Map<String, Value>> {
        let kept = Kept::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(kept.clone())
            .fmt_fields(Members)
            .event_format(Lines);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), test);
        let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        written
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_is_flat_and_carries_the_fields_of_its_spans() {
        let lines = logged(|| {
            let _outer = tracing::info_span!("request", request.id = "one", event.id = "msg_1").entered();
            let inner = tracing::info_span!(
                "accept",
                event.id = "msg_2",
                rows = 1,
                otel.name = "x",
                more = Empty
            );
            let inner = inner.entered();
            inner.record("rows", 3);
            inner.record("more", "a \"quoted\" text");
            tracing::warn!(
                http.status = 503,
                is_retried = true,
                "the ledger\n\"does not\" answer"
            );
        });
        let line = &lines[0];
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "the ledger\n\"does not\" answer");
        assert_eq!(line["request.id"], "one");
        assert_eq!(line["event.id"], "msg_2");
        assert_eq!(line["rows"], 3);
        assert_eq!(line["more"], "a \"quoted\" text");
        assert!(!line.contains_key("otel.name"));
        assert_eq!(line["http.status"], 503);
        assert_eq!(line["is_retried"], true);
        assert!(line["target"].as_str().unwrap().starts_with("hookyard_boot"));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        let lines = logged(|| {
            let source = io::Error::other("disk full");
            let error = crate::Error::Runtime(source);
            tracing::error!(error.chain = &error as &dyn StdError, "it did not start");
        });
        assert_eq!(lines[0]["error.chain"], "the runtime cannot start: disk full");
    }
}
