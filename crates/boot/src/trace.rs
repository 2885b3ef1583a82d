//! Carries a trace across process boundaries as W3C `traceparent` texts.
//!
//! The gateway's request span follows the sender's header; [`current`] goes with the reference over the conveyor (and
//! with the delivery to the receiver); each consumer opens a span of its own and lets it [`follow`] the text. So the
//! gateway, the router, the worker and the receiver are in one trace, whether or not anybody collects it.
//!
//! ```
//! use hookyard_boot::trace;
//!
//! let span = tracing::info_span!("route");
//! trace::follow(&span, Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
//! let _inside = span.entered();
//! let for_the_next_hop: Option<String> = trace::current();
//! # let _ = for_the_next_hop;
//! ```

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header that carries it.
pub const TRACEPARENT: &str = "traceparent";

/// The `traceparent` of the current span, for the next hop; `None` outside of spans or without telemetry.
pub fn current() -> Option<String> {
    of(&Span::current())
}

/// The `traceparent` of a span.
pub fn of(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    // W3C Trace Context §3.2: version, trace id, parent id, flags.
    context.is_valid().then(|| {
        let sampled = context.trace_flags() & TraceFlags::SAMPLED;
        format!("00-{}-{}-{sampled:02x}", context.trace_id(), context.span_id())
    })
}

/// Makes a span the child of a span elsewhere. Must come before the span is entered; without a text, or with one that
/// is none, the span stays what it was.
pub fn follow(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else {
        return;
    };
    let parent = TraceContextPropagator::new().extract(&Header(traceparent));
    if parent.span().span_context().is_valid() {
        // It fails without telemetry, and for spans that a filter drops: there is no trace to join then.
        let _ = span.set_parent(parent);
    }
}

/// Links a span to a span elsewhere that it also works for: the other references of one message, say.
pub fn link(span: &Span, traceparent: &str) {
    let context: SpanContext = TraceContextPropagator::new()
        .extract(&Header(traceparent))
        .span()
        .span_context()
        .clone();
    span.add_link(context);
}

/// One `traceparent` header.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt as _;

    const SENDER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn trace_id(traceparent: &str) -> &str {
        traceparent.split('-').nth(1).unwrap()
    }

    fn with_telemetry(test: impl FnOnce()) {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("test"))
            .with_context_activation(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), test);
    }

    #[test]
    fn a_trace_goes_on_from_hop_to_hop() {
        with_telemetry(|| {
            let gateway = tracing::info_span!("gateway");
            follow(&gateway, Some(SENDER));
            let on_the_conveyor = gateway
                .in_scope(|| tracing::info_span!("accept").in_scope(current))
                .unwrap();
            assert_eq!(trace_id(&on_the_conveyor), trace_id(SENDER));
            assert_ne!(on_the_conveyor, SENDER);

            let router = tracing::info_span!("route");
            follow(&router, Some(&on_the_conveyor));
            assert_eq!(trace_id(&of(&router).unwrap()), trace_id(SENDER));
        });
    }

    #[test]
    fn what_is_no_traceparent_starts_a_trace_of_its_own() {
        with_telemetry(|| {
            for bad in [
                None,
                Some(""),
                Some("nonsense"),
                Some("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
            ] {
                let span = tracing::info_span!("gateway");
                follow(&span, bad);
                let own = of(&span).unwrap();
                assert_eq!(own.len(), SENDER.len());
                assert_ne!(trace_id(&own), trace_id(SENDER));
            }
        });
    }

    #[test]
    fn without_telemetry_there_is_no_traceparent() {
        let span = tracing::info_span!("alone");
        follow(&span, Some(SENDER));
        assert_eq!(of(&span), None);
        assert_eq!(current(), None);
    }
}
