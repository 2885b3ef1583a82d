//! Sources: where webhooks come in.

use super::app::{self, AppDraft};
use super::verify::{self, TokenDraft, VerifyDraft};
pub(crate) use super::verify::{fits, made_for};
use super::{Around, Built, Fields, Made, value};
use crate::secret;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;
use store::{AppSecrets, Source};
use wire::resource::{ChannelSpec, DedupeSpec, SourceSpec, ValueRule};
use wire::{EnvironmentId, Instant, SourceId, WorkspaceId};

/// The most that a source may raise its limit to.
const LARGEST_BODY: u64 = 25 << 20;
/// How long a body may be its own key: two events may be the same to the byte, and yet be two.
const SAME_BODY: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);

/// How long an idempotency key may count.
const WINDOWS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(30 * 24);

/// A source as a document describes it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: Option<SourceId>,
    environment_id: EnvironmentId,
    token: Option<SecretString>,
    channel_secret: Option<SecretString>,
    spec: SourceSpec,
    verify: VerifyDraft,
    app: AppDraft,
    verify_token: TokenDraft,
}

/// Reads a source; over `base`, what the document leaves out stays as it is.
///
/// `existing` is what the ledger has, also where a document replaces it as a whole: its secrets stay.
pub(crate) fn read(
    fields: &mut Fields<'_>,
    around: Around<'_>,
    base: Option<&Source>,
    existing: Option<&Source>,
) -> Option<Draft> {
    let id = super::workspace::read_id(fields, base.map(|base| &base.id));
    let environment_id =
        super::workspace::read_environment(fields, around, base.map(|base| &base.environment_id));
    let token = fields.optional("token", value::token("src_"));
    let mut spec = match base {
        Some(base) => {
            let mut spec = base.spec.clone();
            fields.set("slug", &mut spec.slug, value::slug);
            spec
        }
        None => empty(fields.required("slug", value::slug).unwrap_or_default()),
    };
    fields.set("enabled", &mut spec.enabled, value::boolean);
    let (verify, verify_token) = verify::read(
        fields,
        &mut spec.verify,
        existing.map_or(&[], |source| &source.secrets),
    );
    fields.set_object("event_type", &mut spec.event_type, read_rule);
    read_dedupe(fields, &mut spec.dedupe);
    let mut channel_secret = None;
    let had_channel = spec.channel.clone();
    fields.set_object("channel", &mut spec.channel, |channel| {
        channel_secret = channel.optional("secret", value::header_secret);
        let mut direct_ingest = had_channel.is_none_or(|channel| channel.direct_ingest);
        channel.set("direct_ingest", &mut direct_ingest, value::boolean);
        Some(ChannelSpec { direct_ingest })
    });
    fields.set_optional(
        "max_body_bytes",
        &mut spec.max_body_bytes,
        value::integer(1..=LARGEST_BODY),
    );
    let app = app::read(fields, around, &mut spec.app, existing);
    fields.set("gzip", &mut spec.gzip, value::boolean);
    fields.later(&["description"]);
    Some(Draft {
        id,
        environment_id: environment_id?,
        token,
        channel_secret,
        spec,
        verify,
        app,
        verify_token,
    })
}

fn empty(slug: String) -> SourceSpec {
    SourceSpec {
        app: None,
        slug,
        enabled: true,
        verify: None,
        event_type: None,
        dedupe: DedupeSpec::default(),
        channel: None,
        max_body_bytes: None,
        gzip: false,
    }
}

/// `{body: .type}` or `{header: X-Kind}`.
fn read_rule(fields: &mut Fields<'_>) -> Option<ValueRule> {
    let mut body = None;
    fields.set_program("body", &mut body);
    let header = fields.optional("header", value::header);
    match (header, body) {
        (Some(header), None) => Some(ValueRule::Header(header)),
        (None, Some(body)) => Some(ValueRule::Body(body)),
        (Some(_), Some(_)) => {
            fields.refuse(
                "body",
                "goes without `header`: the event type stands in one place",
            );
            None
        }
        (None, None) => {
            if !fields.has("body") && !fields.has("header") {
                fields.refuse(
                    "header",
                    "is missing; or write `body` with a jq path such as .type",
                );
            }
            None
        }
    }
}

fn read_dedupe(fields: &mut Fields<'_>, slot: &mut DedupeSpec) {
    if fields.get("dedupe").is_some_and(Value::is_null) {
        *slot = DedupeSpec::default();
    }
    fields.object("dedupe", |dedupe| {
        dedupe.set_list("headers", &mut slot.headers, value::header);
        if slot.headers.len() > 16 {
            dedupe.refuse("headers", "may name at most 16 headers");
        }
        dedupe.set_program("body", &mut slot.body);
        dedupe.set("window", &mut slot.window, value::duration(WINDOWS));
        dedupe.set("request_id", &mut slot.request_id, value::boolean);
        dedupe.set_optional("same_body", &mut slot.same_body, value::duration(SAME_BODY));
    });
}

impl Draft {
    /// The row: `existing` with what the draft says, or a new one with secrets of its own.
    pub(crate) fn build(
        self,
        id: SourceId,
        workspace_id: &WorkspaceId,
        existing: Option<&Source>,
        now: Instant,
    ) -> Built<Source> {
        let mut made = Vec::new();
        let mut made_token = |field, prefix: &str| {
            let value = secret::generate_token(prefix);
            made.push(Made {
                field,
                value: value.clone(),
            });
            value
        };
        let token = self
            .token
            .or_else(|| existing.map(|existing| existing.token.clone()))
            .unwrap_or_else(|| made_token("token", "src_"));
        let channel_secret_hash = self.spec.channel.is_some().then(|| {
            let given = self
                .channel_secret
                .map(|given| secret::hash(given.expose_secret()));
            given
                .or_else(|| existing.and_then(|existing| existing.channel_secret_hash))
                .unwrap_or_else(|| secret::hash(made_token("channel.secret", "chs_").expose_secret()))
        });
        let secrets = self
            .verify
            .build(existing.map_or(&[], |source| &source.secrets), now, &mut made);
        let no_secrets = AppSecrets::default();
        let app_secrets = self.app.build(
            self.spec.app.as_ref(),
            existing.map_or(&no_secrets, |source| &source.app_secrets),
            now,
            &mut made,
        );
        let verify_token = self.verify_token.build(
            existing.and_then(|source| source.verify_token.as_ref()),
            &mut made,
        );
        let row = Source {
            app_secrets,
            id,
            workspace_id: workspace_id.clone(),
            environment_id: self.environment_id,
            token,
            channel_secret_hash,
            spec: self.spec,
            secrets,
            verify_token,
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
        };
        Built { row, made }
    }
}
