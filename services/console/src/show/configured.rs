//! What is configured.

use super::auth::{AuthView, CertificateView};
use super::lane::LaneView;
use super::policy::{DeliverySettingsView, OrderedView, PolicyView, RetryView};
use crate::check::{Directory, Made};
use crate::secret::{self, Signing};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Endpoint, Environment, Handshakes, Route, SigningSecret, Source};
use wire::resource::{
    Adapter, AppSpec, ContactPolicy, EffectivePolicy, RateLimit, StatusPattern, Target, ValueRule,
    VerifyMode, duration,
};
use wire::{
    AppId, ApplicationId, EndpointId, EnvironmentId, EventTypePattern, Instant, PlaybookId, RouteId, SourceId,
};

/// An endpoint: Nahook's fields, and ours.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointView {
    id: EndpointId,
    slug: Option<String>,
    url: String,
    description: Option<String>,
    enabled: bool,
    /// Nahook's word for `enabled`.
    is_active: bool,
    #[serde(rename = "type")]
    kind: &'static str,
    config: serde_json::Map<String, Value>,
    metadata: BTreeMap<String, String>,
    environment_id: EnvironmentId,
    /// The customer whose it is; none: the workspace's own.
    application_id: Option<ApplicationId>,
    headers: BTreeMap<String, String>,
    auth: Option<AuthView>,
    /// The authorities that the receiver's certificate may come from; empty: those that everybody trusts.
    ca: Vec<CertificateView>,
    /// Its own; null is left to the workspace.
    #[serde(serialize_with = "duration::optional::serialize")]
    timeout: Option<Duration>,
    retry: RetryView,
    final_statuses: Option<Vec<StatusPattern>>,
    rate_limit: Option<RateLimitView>,
    concurrency: u32,
    ordered: OrderedView,
    /// What the newest secret signs with.
    signing: Signing,
    /// `whpk_…`, what receivers verify `v1a` with; of the newest secret that has one.
    public_key: Option<String>,
    created_at: Instant,
    updated_at: Instant,
    /// Only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Only where one endpoint is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<LaneView>,
    /// What holds of its deliveries that no route says otherwise of; where endpoints are read, not where they are saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_policy: Option<PolicyView>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimitView {
    per_second: f64,
    burst: Option<u32>,
}

impl RateLimitView {
    pub(super) fn of(limit: RateLimit) -> Self {
        Self {
            per_second: limit.per_second,
            burst: limit.burst,
        }
    }
}

impl EndpointView {
    /// The endpoint with what holds of its deliveries.
    pub(crate) fn under(self, policy: &EffectivePolicy) -> Self {
        Self {
            effective_policy: Some(PolicyView::of(policy)),
            ..self
        }
    }

    /// The endpoint with what its deliveries are up to.
    pub(crate) fn with_lane(row: &Endpoint, lane: LaneView) -> Self {
        Self {
            lane: Some(lane),
            ..Self::of(row)
        }
    }

    /// The endpoint without its secret.
    pub(crate) fn of(row: &Endpoint) -> Self {
        let spec = row.spec.clone();
        let now = Instant::now();
        Self {
            id: row.id.clone(),
            slug: spec.slug,
            url: spec.url,
            description: spec.description,
            enabled: spec.enabled,
            is_active: spec.enabled,
            kind: "webhook",
            config: spec.config,
            metadata: spec.metadata,
            environment_id: row.environment_id.clone(),
            application_id: row.application_id.clone(),
            headers: spec.headers,
            auth: AuthView::of(spec.auth, spec.client_certificate.as_deref(), now),
            ca: CertificateView::all(spec.ca.as_deref(), now),
            timeout: spec.delivery.timeout,
            retry: RetryView::of(spec.delivery.retry),
            final_statuses: spec.delivery.final_statuses,
            rate_limit: spec.rate_limit.map(RateLimitView::of),
            concurrency: spec.concurrency,
            ordered: OrderedView::of(spec.ordered),
            signing: Signing::current(&row.secrets),
            public_key: row
                .secrets
                .iter()
                .filter(|secret| secret.is_live(now))
                .find_map(|secret| secret::public_key(&secret.value)),
            created_at: row.created_at,
            updated_at: row.updated_at,
            secret: None,
            lane: None,
            effective_policy: None,
        }
    }

    /// The endpoint with its newest secret, for the answer that made it. A private key stays here.
    pub(crate) fn with_secret(row: &Endpoint) -> Self {
        let is_shared = Signing::current(&row.secrets) == Signing::V1;
        Self {
            secret: newest(&row.secrets).filter(|_| is_shared),
            ..Self::of(row)
        }
    }
}

/// The secret that is not being rotated out.
fn newest(secrets: &[SigningSecret]) -> Option<String> {
    let current = secrets.iter().find(|secret| secret.expires_at.is_none());
    current.map(|secret| secret.value.expose_secret().to_owned())
}

/// A source. Its token is shown here and nowhere else.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceView {
    id: SourceId,
    slug: String,
    token: String,
    enabled: bool,
    environment_id: EnvironmentId,
    verify: Option<VerifyView>,
    event_type: Option<ValueRule>,
    dedupe: DedupeView,
    channel: Option<ChannelView>,
    app: Option<AppView>,
    max_body_bytes: Option<u64>,
    gzip: bool,
    /// How many handshakes of its sender were answered.
    handshakes: i64,
    last_handshake_at: Option<Instant>,
    captured_secret: Option<CapturedView>,
    created_at: Instant,
    updated_at: Instant,
    /// Only in the answer that made it: what senders sign with.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Only in the answer that made it: what door 1 asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_secret: Option<String>,
    /// Only in the answer that made it: what the app's platform signs with.
    #[serde(skip_serializing_if = "Option::is_none")]
    app_secret: Option<String>,
    /// Only in the answer that made it: what a handshake of the source's, or its app's, must show.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_token: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifyView {
    provider: Option<String>,
    scheme: Option<Value>,
    mode: VerifyMode,
    secrets: Vec<SecretView>,
}

/// That a secret came with a handshake and waits to be accepted, without the secret.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct CapturedView {
    captured_at: Instant,
    remote_address: Option<String>,
}

/// A secret's life, without the secret.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretView {
    id: String,
    created_at: Instant,
    expires_at: Option<Instant>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct DedupeView {
    headers: Vec<String>,
    body: Option<String>,
    #[serde(serialize_with = "duration::serialize")]
    window: Duration,
    request_id: bool,
    #[serde(serialize_with = "duration::optional::serialize")]
    same_body: Option<Duration>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChannelView {
    direct_ingest: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct AppView {
    id: AppId,
    /// A built-in adapter's name, or the URL of one of the operator's own.
    adapter: String,
    scheme: Option<Value>,
    contacts: ContactPolicy,
    /// A playbook's slug.
    doorkeeper: Option<String>,
    secrets: Vec<SecretView>,
}

impl AppView {
    fn of(spec: AppSpec, secrets: &[SigningSecret], directory: &Directory) -> Self {
        let playbook = |id: &PlaybookId| directory.playbooks.slug(id).unwrap_or(id.as_str()).to_owned();
        Self {
            id: spec.id,
            adapter: match spec.adapter {
                Adapter::Slack => "slack".to_owned(),
                Adapter::Whatsapp => "whatsapp".to_owned(),
                Adapter::Telegram => "telegram".to_owned(),
                Adapter::Custom => "custom".to_owned(),
                Adapter::External(url) => url,
            },
            scheme: spec.scheme,
            contacts: spec.contacts,
            doorkeeper: spec.doorkeeper.as_ref().map(playbook),
            secrets: secrets.iter().map(SecretView::of).collect(),
        }
    }
}

impl SecretView {
    fn of(secret: &SigningSecret) -> Self {
        Self {
            id: secret.id.clone(),
            created_at: secret.created_at,
            expires_at: secret.expires_at,
        }
    }
}

impl SourceView {
    /// The source without its secrets.
    pub(crate) fn of(row: &Source, directory: &Directory) -> Self {
        let spec = row.spec.clone();
        Self {
            id: row.id.clone(),
            slug: spec.slug,
            token: row.token.expose_secret().to_owned(),
            enabled: spec.enabled,
            environment_id: row.environment_id.clone(),
            verify: spec.verify.map(|verify| VerifyView {
                provider: verify.provider,
                scheme: verify.scheme,
                mode: verify.mode,
                secrets: row.secrets.iter().map(SecretView::of).collect(),
            }),
            event_type: spec.event_type,
            dedupe: DedupeView {
                headers: spec.dedupe.headers,
                body: spec.dedupe.body,
                window: spec.dedupe.window,
                request_id: spec.dedupe.request_id,
                same_body: spec.dedupe.same_body,
            },
            channel: spec.channel.map(|channel| ChannelView {
                direct_ingest: channel.direct_ingest,
            }),
            app: spec
                .app
                .map(|app| AppView::of(app, &row.app_secrets.signing, directory)),
            max_body_bytes: spec.max_body_bytes,
            gzip: spec.gzip,
            handshakes: 0,
            last_handshake_at: None,
            captured_secret: None,
            created_at: row.created_at,
            updated_at: row.updated_at,
            secret: None,
            channel_secret: None,
            app_secret: None,
            verify_token: None,
        }
    }

    /// The source with what its handshakes came to.
    pub(crate) fn with_handshakes(self, known: Option<Handshakes>) -> Self {
        let Some(known) = known else { return self };
        Self {
            handshakes: known.answered,
            last_handshake_at: Some(known.last_at),
            captured_secret: known.captured.map(|captured| CapturedView {
                captured_at: captured.at,
                remote_address: captured.remote_address,
            }),
            ..self
        }
    }

    /// The source with what was made for it.
    pub(crate) fn with_made(row: &Source, made: &[Made], directory: &Directory) -> Self {
        let value = |field| value_of(made, field);
        Self {
            secret: value("verify.secrets"),
            channel_secret: value("channel.secret"),
            app_secret: value("app.signing_secret"),
            verify_token: value("verify.verify_token").or_else(|| value("app.verify_token")),
            ..Self::of(row, directory)
        }
    }
}

/// The secret that was made for a field, if one was.
pub(super) fn value_of(made: &[Made], field: &str) -> Option<String> {
    let made = made.iter().find(|made| made.field == field);
    made.map(|made| made.value.expose_secret().to_owned())
}

/// A route. Sources and playbooks by their slugs and endpoints by their ids, as in URLs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteView {
    id: RouteId,
    name: String,
    enabled: bool,
    position: i32,
    from: Vec<String>,
    event_types: Vec<EventTypePattern>,
    filter: Option<String>,
    transform: Option<String>,
    #[serde(serialize_with = "duration::serialize")]
    delay: Duration,
    delivery: DeliverySettingsView,
    to: TargetView,
    /// What holds of its deliveries, if it leads to an endpoint; where routes are read, not where they are saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_policy: Option<PolicyView>,
    created_at: Instant,
    updated_at: Instant,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
enum TargetView {
    Endpoint(EndpointId),
    Playbook(String),
}

impl RouteView {
    /// The route with what holds of its deliveries.
    pub(crate) fn with_policy(row: &Route, directory: &Directory, policy: Option<&EffectivePolicy>) -> Self {
        Self {
            effective_policy: policy.map(PolicyView::of),
            ..Self::of(row, directory)
        }
    }

    /// The route; what is gone is shown by its id.
    pub(crate) fn of(row: &Route, directory: &Directory) -> Self {
        let spec = row.spec.clone();
        let source = |id: &SourceId| directory.sources.slug(id).unwrap_or(id.as_str()).to_owned();
        Self {
            id: row.id.clone(),
            name: spec.name,
            enabled: spec.enabled,
            position: row.position,
            from: spec.from.iter().map(source).collect(),
            event_types: spec.event_types,
            filter: spec.filter,
            transform: spec.transform,
            delay: spec.delay,
            delivery: DeliverySettingsView::of(spec.delivery),
            effective_policy: None,
            to: match spec.to {
                Target::Endpoint(id) => TargetView::Endpoint(id),
                Target::Playbook(id) => {
                    TargetView::Playbook(directory.playbooks.slug(&id).unwrap_or(id.as_str()).to_owned())
                }
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// An environment, in Nahook's shape.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvironmentView {
    id: EnvironmentId,
    /// The same as the slug unless it has another.
    name: String,
    slug: String,
    is_default: bool,
    created_at: Instant,
    updated_at: Instant,
}

impl EnvironmentView {
    pub(crate) fn of(row: &Environment) -> Self {
        Self {
            id: row.id.clone(),
            name: row.name.clone().unwrap_or_else(|| row.slug.clone()),
            slug: row.slug.clone(),
            is_default: row.is_default,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
