//! Endpoints: where webhooks go out.

use super::auth::Said;
use super::{Around, Built, Fields, Made, auth, certificate, delivery, metadata, value};
use crate::secret::{self, Rotation, Signing};
use egress::Policy;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use store::{Endpoint, SigningSecret};
use wire::resource::{AuthSpec, EndpointSpec};
use wire::{ApplicationId, EndpointId, EnvironmentId, Instant, WorkspaceId};

/// An endpoint as a document describes it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: Option<EndpointId>,
    environment_id: EnvironmentId,
    /// The customer whose it is.
    pub(crate) application_id: Option<ApplicationId>,
    spec: EndpointSpec,
    secret: Option<SecretString>,
    auth: Said,
    certificate: certificate::Said,
    signing: Option<Signing>,
}

/// Reads an endpoint; over `base`, what the document leaves out stays as it is.
pub(crate) fn read(fields: &mut Fields<'_>, around: Around<'_>, base: Option<&Endpoint>) -> Option<Draft> {
    let id = super::workspace::read_id(fields, base.map(|base| &base.id));
    let environment_id =
        super::workspace::read_environment(fields, around, base.map(|base| &base.environment_id));
    let (secret, signing) = read_signing(fields);
    let url = |value: &serde_json::Value| {
        let url = value::any_text(value)?;
        Ok(around.policy.check_url(url)?.as_str().to_owned())
    };
    let mut spec = match base {
        Some(base) => {
            let mut spec = base.spec.clone();
            fields.set("url", &mut spec.url, url);
            spec
        }
        None => EndpointSpec::to(fields.required("url", url).unwrap_or_default()),
    };
    fields.set_optional("slug", &mut spec.slug, value::slug);
    fields.set_optional("description", &mut spec.description, value::text);
    fields.set("enabled", &mut spec.enabled, value::boolean);
    // Nahook's word for it.
    fields.set("is_active", &mut spec.enabled, value::boolean);
    read_headers(fields, &mut spec.headers);
    delivery::read(fields, &mut spec.delivery);
    delivery::read_ordered(fields, &mut spec.ordered);
    super::workspace::read_rate_limit(fields, &mut spec.rate_limit);
    if let Some(concurrency) = fields.optional("concurrency", value::integer(1..=1_000)) {
        spec.concurrency = u32::try_from(concurrency).unwrap_or(EndpointSpec::default_concurrency());
    }
    metadata::read(fields, &mut spec.metadata);
    metadata::read_config(fields, &mut spec.config);
    let now = Instant::now();
    let (auth, certificate) = read_auth(fields, &mut spec, around.policy, now);
    fields.set_optional("ca", &mut spec.ca, |value| certificate::authorities(value, now));
    check_is_secure(fields, &spec);
    let application_id = read_application(fields, around, base);
    read_kind(fields);
    Some(Draft {
        id,
        environment_id: environment_id?,
        application_id,
        spec,
        secret,
        auth,
        certificate,
        signing,
    })
}

/// Whose it is: an application by its id or its external id, else whose it was.
fn read_application(
    fields: &mut Fields<'_>,
    around: Around<'_>,
    base: Option<&Endpoint>,
) -> Option<ApplicationId> {
    let mut application = base.and_then(|base| base.application_id.clone());
    for name in ["application", "application_id"] {
        fields.set_optional(name, &mut application, |value| {
            around.directory.application(value)
        });
    }
    application
}

fn read_auth(
    fields: &mut Fields<'_>,
    spec: &mut EndpointSpec,
    policy: &Policy,
    now: Instant,
) -> (Said, certificate::Said) {
    let (said, shown) = auth::read(fields, spec.auth.as_ref(), policy, now);
    match &shown {
        certificate::Said::Nothing => {}
        certificate::Said::None => spec.client_certificate = None,
        certificate::Said::This { certificate, .. } => spec.client_certificate = Some(certificate.clone()),
    }
    match &said {
        Said::Nothing | Said::Password(_) => {}
        Said::None => spec.auth = None,
        Said::This((auth, _)) => spec.auth = Some(auth.clone()),
    }
    let header = match &spec.auth {
        None => return (said, shown),
        Some(AuthSpec::Basic { .. } | AuthSpec::Bearer | AuthSpec::Oauth2(_)) => "Authorization",
        Some(AuthSpec::Header { name }) => name,
    };
    if spec.headers.keys().any(|name| name.eq_ignore_ascii_case(header)) {
        let message = format!("sends the header {header}, which is in `headers`, too");
        fields.refuse("auth", message);
    }
    (said, shown)
}

/// Certificates are of no use where the connection is not encrypted.
fn check_is_secure(fields: &mut Fields<'_>, spec: &EndpointSpec) {
    let is_plain = spec.url.starts_with("http:");
    for (name, is_given) in [
        ("auth", spec.client_certificate.is_some()),
        ("ca", spec.ca.is_some()),
    ] {
        if is_plain && is_given {
            fields.refuse(name, "has a certificate, which only an https URL has a use for");
        }
    }
}

/// `secret` and `signing`, either of which says what the other would be.
fn read_signing(fields: &mut Fields<'_>) -> (Option<SecretString>, Option<Signing>) {
    let secret = fields.optional("secret", value::signing_secret);
    let signing = fields.optional("signing", Signing::read);
    if let (Some(secret), Some(signing)) = (&secret, signing)
        && Signing::of(secret) != signing
    {
        fields.refuse(
            "signing",
            "does not go with `secret`: `v1` signs with `whsec_…`, `v1a` with `whsk_…`",
        );
    }
    (secret, signing)
}

/// What Nahook has several kinds of.
fn read_kind(fields: &mut Fields<'_>) {
    if fields
        .optional("type", value::text)
        .is_some_and(|kind| kind != "webhook")
    {
        fields.refuse("type", "must be `webhook`, the only kind there is");
    }
}

fn read_headers(fields: &mut Fields<'_>, slot: &mut BTreeMap<String, String>) {
    let mut headers = BTreeMap::new();
    let is_given = fields.entries("headers", |name, value| {
        let text = value::any_text(value)?;
        value::sent_header(name, text)?;
        let is_repeated = headers
            .keys()
            .any(|known: &String| known.eq_ignore_ascii_case(name));
        if is_repeated {
            return Err(value::Refused::new("is the same header as another one here"));
        }
        headers.insert(name.to_owned(), text.to_owned());
        Ok(())
    });
    if headers.len() > egress::MAX_CUSTOM_HEADERS {
        let count = headers.len();
        fields.refuse("headers", egress::Error::HeaderCount { count }.to_string());
    }
    if is_given {
        *slot = headers;
    }
}

impl Draft {
    /// The row: `existing` with what the draft says, or a new one with a secret of its own.
    pub(crate) fn build(
        self,
        id: EndpointId,
        workspace_id: &WorkspaceId,
        existing: Option<&Endpoint>,
        now: Instant,
    ) -> Built<Endpoint> {
        let mut made = Vec::new();
        let mut generate = |signing: Signing| {
            let value = signing.generate();
            // The private half of a key pair is for nobody to know: receivers verify with what the endpoint shows.
            if signing == Signing::V1 {
                made.push(Made {
                    field: "secret",
                    value: value.clone(),
                });
            }
            value
        };
        let secrets = match (self.secret, existing) {
            (Some(given), Some(existing)) if is_current(&existing.secrets, &given) => {
                existing.secrets.clone()
            }
            (Some(given), _) => vec![secret::signing(given, now)],
            // A customer who has it no longer knows the secret, and could sign what its next owner gets.
            (None, Some(existing)) if is_given_away(existing, self.application_id.as_ref()) => {
                let signing = self
                    .signing
                    .unwrap_or_else(|| Signing::current(&existing.secrets));
                vec![secret::signing(generate(signing), now)]
            }
            (None, Some(existing)) => match self.signing {
                // Both sign for a while, so that receivers can follow.
                Some(wanted) if wanted != Signing::current(&existing.secrets) => {
                    Rotation::default().rotate(existing.secrets.clone(), generate(wanted), now)
                }
                _ => existing.secrets.clone(),
            },
            (None, None) => vec![secret::signing(
                generate(self.signing.unwrap_or(Signing::V1)),
                now,
            )],
        };
        let owned_since = match existing {
            Some(existing) if existing.application_id == self.application_id => existing.spec.owned_since,
            Some(_) => Some(now),
            None => None,
        };
        let kept = existing.and_then(|existing| existing.credential.clone());
        let kept_key = existing.and_then(|existing| existing.client_key.clone());
        let row = Endpoint {
            application_id: self.application_id,
            credential: match self.auth {
                Said::This((_, secret)) | Said::Password(secret) => Some(secret),
                // Without a kind there is no secret part either, whoever said so.
                Said::Nothing | Said::None => kept.filter(|_| self.spec.auth.is_some()),
            },
            client_key: match self.certificate {
                certificate::Said::This { key, .. } => Some(key),
                certificate::Said::Nothing | certificate::Said::None => {
                    kept_key.filter(|_| self.spec.client_certificate.is_some())
                }
            },
            id,
            workspace_id: workspace_id.clone(),
            environment_id: self.environment_id,
            spec: EndpointSpec {
                owned_since,
                ..self.spec
            },
            secrets,
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
            deleted_at: None,
        };
        Built { row, made }
    }
}

/// Whether a customer has it no longer.
fn is_given_away(existing: &Endpoint, owner: Option<&ApplicationId>) -> bool {
    existing.application_id.is_some() && existing.application_id.as_ref() != owner
}

/// Whether `given` is the one secret that is not being rotated out.
fn is_current(secrets: &[SigningSecret], given: &SecretString) -> bool {
    let mut current = secrets.iter().filter(|secret| secret.expires_at.is_none());
    let is_same = |secret: &SigningSecret| secret.value.expose_secret() == given.expose_secret();
    current.next().is_some_and(is_same) && current.next().is_none()
}
