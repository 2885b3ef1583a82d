//! `emit` and `listen`.

use super::Lowering;
use super::expression::{Marked, marked};
use super::fields::Fields;
use super::nearest::{advice, nearest};
use super::scope::Scope;
use super::unsupported;
use crate::source::{Kind, Spot};
use crate::{
    Code, Correlation, EventFilter, EventTemplate, Expression, Listen, ListenMode, ListenRead, TaskKind,
    Template,
};
use serde_json::Value;

/// The attributes that CloudEvents has itself. Others are extensions.
const ATTRIBUTES: [&str; 8] = [
    "id",
    "source",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "specversion",
];
/// The longest name of an extension (CloudEvents 1.0, *naming conventions*).
const EXTENSION_BYTES: usize = 20;

impl Lowering<'_, '_> {
    /// `emit`.
    pub(super) fn emit(&mut self, spot: &Spot<'_>, scope: &Scope) -> TaskKind {
        let mut template = EventTemplate {
            attributes: Vec::new(),
            data: None,
        };
        let fields = self.object(spot, "`emit`", &["event"]);
        let example = "event: {with: {type: com.example.order.placed}}";
        if let Some(event) = self.required(&fields, "event", example) {
            let fields = self.object(&event, "`event`", &["with"]);
            if let Some(with) = self.required(&fields, "with", "with: {type: com.example.order.placed}")
                && self.is_object(&with, "`with`")
            {
                self.emitted(&with, &mut template, scope);
            }
        }
        TaskKind::Emit(template)
    }

    fn emitted(&mut self, with: &Spot<'_>, template: &mut EventTemplate, scope: &Scope) {
        if with.field("type").is_none() {
            let message = "the event has no `type`; write for example `type: com.example.order.placed`";
            self.issue(Code::MissingProperty, with, message);
        }
        for (name, field) in with.fields() {
            if name == "data" {
                template.data = Some(self.template(&field, scope));
                continue;
            }
            let what = format!("`{name}`");
            let value = if ATTRIBUTES.contains(&name) {
                self.attribute(name, &field, scope)
            } else {
                self.extension(name, &field, scope)
            };
            if matches!(&value, Template::Literal(Value::String(text)) if text.is_empty()) {
                self.issue(
                    Code::InvalidValue,
                    &field,
                    format!("{what} is empty; write something, or leave it out"),
                );
            }
            template.attributes.push((name.to_owned(), value));
        }
    }

    /// One of the attributes that CloudEvents has itself: a text.
    fn attribute(&mut self, name: &str, spot: &Spot<'_>, scope: &Scope) -> Template {
        let what = format!("`{name}`");
        let value = self.text_or_expression(spot, &what, scope);
        let Template::Literal(Value::String(text)) = &value else {
            return value;
        };
        match name {
            "type" => self.event_type(spot, &value),
            "source" | "dataschema" => self.uri_reference(spot, &what, text),
            "specversion" if text != "1.0" => {
                let message = format!("`specversion` is `{text}`; events are of `1.0`: leave it out");
                self.issue(Code::InvalidValue, spot, message);
            }
            "time" if text.parse::<jiff::Timestamp>().is_err() => {
                let message = format!(
                    "`time` is `{text}`; it must be a time of RFC 3339 such as `2026-01-31T12:00:00Z`"
                );
                self.issue(Code::InvalidValue, spot, message);
            }
            _ => {}
        }
        value
    }

    fn extension(&mut self, name: &str, spot: &Spot<'_>, scope: &Scope) -> Template {
        let is_name = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !is_name || name.is_empty() || name.len() > EXTENSION_BYTES {
            let advice = advice(name, ATTRIBUTES.iter().copied().chain(["data"]));
            let message = format!(
                "`{name}` is no attribute of an event, and extensions have names of up to {EXTENSION_BYTES} lower-case \
                 letters and digits; {advice}"
            );
            self.issue_of_name(Code::UnknownProperty, spot, message);
        }
        if matches!(spot.node.kind, Kind::List(_) | Kind::Object(_) | Kind::Null) {
            self.wrong_type(
                spot,
                &format!("`{name}`"),
                "a text, a number, or true or false; put more into `data`",
            );
        }
        self.template(spot, scope)
    }

    /// `listen`, with the rest of its task.
    pub(super) fn listen(&mut self, task: &Fields<'_>, spot: &Spot<'_>, scope: &Scope) -> TaskKind {
        let fields = self.object(spot, "`listen`", &["to", "read"]);
        let reads = [
            ("data", ListenRead::Data),
            ("envelope", ListenRead::Envelope),
            ("raw", ListenRead::Data),
        ];
        let read = fields
            .get("read")
            .and_then(|spot| self.word(&spot, "`read`", &reads));
        let to = self.required(&fields, "to", "to: {one: {with: {type: com.example.order.paid}}}");
        let (mode, filters) = to.map_or((ListenMode::One, Vec::new()), |to| self.awaited(&to, scope));
        let delivery = task
            .get("metadata")
            .and_then(|metadata| metadata.field("delivery"));
        let deliveries = [("exclusive", false), ("broadcast", true)];
        let broadcast = delivery.and_then(|spot| self.word(&spot, "`delivery`", &deliveries));
        TaskKind::Listen(Listen {
            mode,
            filters,
            read: read.unwrap_or(ListenRead::Data),
            broadcast: broadcast.unwrap_or(false),
        })
    }

    /// `to`: one, any or all.
    fn awaited(&mut self, spot: &Spot<'_>, scope: &Scope) -> (ListenMode, Vec<EventFilter>) {
        let fields = self.object(spot, unsupported::TO, &["one", "any", "all"]);
        let Some((name, field)) = self.one_of(&fields, &["one", "any", "all"]) else {
            return (ListenMode::One, Vec::new());
        };
        if name == "one" {
            return (ListenMode::One, vec![self.filter(&field, scope)]);
        }
        let mode = if name == "any" {
            ListenMode::Any
        } else {
            ListenMode::All
        };
        self.is_list(&field, &format!("`{name}`"), "event filters");
        if matches!(&field.node.kind, Kind::List(items) if items.is_empty()) {
            let message = format!(
                "`{name}: []`, which means every event, is not available; name the types: `{name}: [{{with: {{type: …}}}}]`"
            );
            self.issue(Code::Unsupported, &field, message);
        }
        (
            mode,
            field.items().map(|item| self.filter(&item, scope)).collect(),
        )
    }

    fn filter(&mut self, spot: &Spot<'_>, scope: &Scope) -> EventFilter {
        let mut filter = EventFilter {
            pointer: spot.pointer.clone(),
            event_type: Template::Literal(Value::Null),
            source: None,
            data: None,
            correlate: Vec::new(),
        };
        let fields = self.object(spot, "an event filter", &["with", "correlate"]);
        if let Some(with) = self.required(&fields, "with", "with: {type: com.example.order.paid}")
            && self.is_object(&with, "`with`")
        {
            self.with(&with, &mut filter, scope);
        }
        if let Some(correlate) = fields.get("correlate")
            && self.is_object(&correlate, "`correlate`")
        {
            let correlations = correlate.fields();
            filter.correlate = correlations
                .map(|(name, spot)| self.correlation(name, &spot, scope))
                .collect();
            filter.correlate.sort_by(|one, other| one.name.cmp(&other.name));
        }
        filter
    }

    fn with(&mut self, with: &Spot<'_>, filter: &mut EventFilter, scope: &Scope) {
        if matches!(&with.node.kind, Kind::Object(fields) if fields.is_empty()) {
            let message = "`with` is empty; write for example `with: {type: com.example.order.paid}`";
            self.issue(Code::MissingProperty, with, message);
        } else if with.field("type").is_none() {
            let message = "an event filter without `type` is not available; name the type of the events: \
                           `with: {type: com.example.order.paid}`";
            self.issue(Code::Unsupported, with, message);
        }
        for (name, field) in with.fields() {
            match name {
                "type" => {
                    filter.event_type = self.filled_text(&field, "`type`", scope);
                    self.event_type(&field, &filter.event_type);
                }
                "source" => {
                    let source = self.filled_text(&field, "`source`", scope);
                    if let Template::Literal(Value::String(text)) = &source {
                        self.uri_reference(&field, "`source`", text);
                    }
                    filter.source = Some(source);
                }
                "data" => filter.data = self.data_filter(&field),
                _ => {
                    // The language has types for these, and takes anything as another attribute.
                    if ATTRIBUTES.contains(&name) {
                        self.attribute(name, &field, scope);
                    }
                    let message = match nearest(name, ["type", "source", "data"]) {
                        Some(nearest) => {
                            format!("a filter by `{name}` is not available; did you mean `{nearest}`?")
                        }
                        None => format!(
                            "a filter by `{name}` is not available; write `correlate: {{{name}: {{from: .{name}, expect: \
                             …}}}}`"
                        ),
                    };
                    self.issue_of_name(Code::Unsupported, &field, message);
                }
            }
        }
    }

    /// Refuses what no event can have. Of an empty one more is said elsewhere.
    fn event_type(&mut self, spot: &Spot<'_>, written: &Template) {
        if let Template::Literal(Value::String(text)) = written
            && !text.is_empty()
            && !wire::is_event_type(text)
        {
            let message = "`type` has more than 128 characters, or a control character; no event can have it";
            self.issue(Code::InvalidValue, spot, message);
        }
    }

    fn filled_text(&mut self, spot: &Spot<'_>, what: &str, scope: &Scope) -> Template {
        let template = self.text_or_expression(spot, what, scope);
        if matches!(&template, Template::Literal(Value::String(text)) if text.is_empty())
            && spot.text().is_some()
        {
            self.issue(
                Code::InvalidValue,
                spot,
                format!("{what} is empty; write what it must be"),
            );
        }
        template
    }

    /// `data`: an expression over the event's data.
    fn data_filter(&mut self, spot: &Spot<'_>) -> Option<Expression> {
        match spot.text().map(marked) {
            Some(Marked::Not) | None => {
                let message = "`data` is compared by an expression over the event's data; write for example \
                               `data: ${ .amount > 100 }`";
                self.issue(Code::Unsupported, spot, message);
                None
            }
            _ => Some(self.expression(spot, "`data`", &Scope::of_event())),
        }
    }

    fn correlation(&mut self, name: &str, spot: &Spot<'_>, scope: &Scope) -> Correlation {
        let fields = self.object(spot, "a correlation", &["from", "expect"]);
        let from = self.required(&fields, "from", "from: .data.orderId");
        let from = from.map(|spot| self.expression(&spot, "`from`", &Scope::of_event()));
        let expect = fields
            .get("expect")
            .map(|spot| self.text_or_expression(&spot, "`expect`", scope));
        if expect.is_none() && matches!(spot.node.kind, Kind::Object(_)) {
            self.issue(Code::Unsupported, spot, unsupported::UNEXPECTED);
        }
        Correlation {
            name: name.to_owned(),
            from: from.unwrap_or_else(|| Expression {
                code: ".".to_owned(),
                pointer: spot.pointer.clone(),
                scope: Vec::new(),
            }),
            expect: expect.unwrap_or(Template::Literal(Value::Null)),
        }
    }
}
