//! A source's app: a platform whose messages come in at door 5.

use super::{Around, Fields, Made, value};
use crate::secret;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use signature::Profile;
use store::{AppSecrets, Source};
use wire::resource::{Adapter, AppSpec, ContactPolicy};
use wire::{AppId, Instant};

/// The adapters that are built in.
const BUILT_IN: [&str; 4] = ["slack", "whatsapp", "telegram", "custom"];
/// The longest secret token that Telegram takes.
const LONGEST_TELEGRAM: usize = 256;

/// The secrets of an app, as a document describes them.
#[derive(Debug, Default)]
pub(crate) struct AppDraft {
    signing: Option<SecretString>,
    verify_token: Option<SecretString>,
}

/// Reads `app` over what stands in `slot`. The id and the secrets of `existing` stay also where a document replaces the
/// rest as a whole.
pub(crate) fn read(
    fields: &mut Fields<'_>,
    around: Around<'_>,
    slot: &mut Option<AppSpec>,
    existing: Option<&Source>,
) -> AppDraft {
    let mut draft = AppDraft::default();
    let base = slot.clone();
    let known = existing.and_then(|source| source.spec.app.as_ref());
    let no_secrets = AppSecrets::default();
    let secrets = existing.map_or(&no_secrets, |source| &source.app_secrets);
    fields.set_object("app", slot, |app| {
        let id = app
            .optional("id", value::id::<AppId>)
            .or_else(|| known.map(|known| known.id.clone()));
        let spec = read_spec(app, around, id, base);
        draft = read_secrets(app, spec.as_ref(), secrets);
        spec
    });
    draft
}

fn read_spec(
    app: &mut Fields<'_>,
    around: Around<'_>,
    id: Option<AppId>,
    base: Option<AppSpec>,
) -> Option<AppSpec> {
    let mut adapter = base.as_ref().map(|base| base.adapter.clone());
    if app.has("adapter") || adapter.is_none() {
        adapter = app.required("adapter", |value| read_adapter(value, around));
    }
    let (mut contacts, mut scheme, mut doorkeeper) = match base {
        Some(base) => (base.contacts, base.scheme, base.doorkeeper),
        None => (ContactPolicy::default(), None, None),
    };
    app.set("contacts", &mut contacts, read_contacts);
    app.set_optional("doorkeeper", &mut doorkeeper, |value| {
        around.directory.playbook(value)
    });
    read_scheme(app, adapter.as_ref(), &mut scheme);
    Some(AppSpec {
        id: id.unwrap_or_else(AppId::generate),
        adapter: adapter?,
        scheme,
        contacts,
        doorkeeper,
    })
}

/// The name of a built-in adapter, or the address of one of the operator's own.
fn read_adapter(value: &Value, around: Around<'_>) -> Result<Adapter, value::Refused> {
    match value::any_text(value)? {
        "slack" => Ok(Adapter::Slack),
        "whatsapp" => Ok(Adapter::Whatsapp),
        "telegram" => Ok(Adapter::Telegram),
        "custom" => Ok(Adapter::Custom),
        url if url.contains("://") => {
            let url = around.policy.check_url(url)?;
            Ok(Adapter::External(url.as_str().to_owned()))
        }
        other => Err(value::one_of(
            BUILT_IN,
            other,
            "built-in adapter, and no URL of one",
        )),
    }
}

fn read_contacts(value: &Value) -> Result<ContactPolicy, value::Refused> {
    match value::any_text(value)? {
        "required" => Ok(ContactPolicy::Required),
        "optional" => Ok(ContactPolicy::Optional),
        _ => Err(value::Refused::new("must be `required` or `optional`")),
    }
}

/// Only the adapter `custom` has one; of every other the scheme is known.
fn read_scheme(app: &mut Fields<'_>, adapter: Option<&Adapter>, slot: &mut Option<Value>) {
    let given = app.get("scheme");
    if adapter.is_some_and(|adapter| *adapter != Adapter::Custom) {
        *slot = None;
        if given.is_some_and(|given| !given.is_null()) {
            app.refuse("scheme", "goes with the adapter `custom` alone");
        }
        return;
    }
    match given {
        None => {}
        Some(Value::Null) => *slot = None,
        Some(scheme) => {
            super::verify::read_scheme(app, scheme);
            *slot = Some(scheme.clone());
        }
    }
}

/// Reads the secrets, each of which is given, or there already, or made; but some platforms make them themselves.
fn read_secrets(app: &mut Fields<'_>, spec: Option<&AppSpec>, existing: &AppSecrets) -> AppDraft {
    let draft = AppDraft {
        signing: app.optional("signing_secret", |value| {
            let secret = value::secret(value)?;
            spec.map_or(Ok(()), |spec| fits(spec, &secret))?;
            Ok(secret)
        }),
        verify_token: app.optional("verify_token", value::secret),
    };
    let Some(spec) = spec else { return draft };
    if draft.verify_token.is_some() && spec.adapter != Adapter::Whatsapp {
        app.refuse("verify_token", "goes with the adapter `whatsapp` alone");
    }
    if !matches!(spec.adapter, Adapter::External(_)) && !app.has("signing_secret") {
        check_existing(app, spec, existing);
    }
    draft
}

/// Whether an app without a secret in its document can do with those that are there, or with one that is made.
fn check_existing(app: &mut Fields<'_>, spec: &AppSpec, existing: &AppSecrets) {
    let unfit = existing
        .signing
        .iter()
        .find_map(|secret| fits(spec, &secret.value).err());
    if let Some(refused) = unfit {
        app.refuse(
            "signing_secret",
            format!("is missing, and the one that is there {}", refused.0),
        );
    } else if existing.signing.is_empty()
        && (matches!(spec.adapter, Adapter::Slack | Adapter::Whatsapp)
            || fits(spec, &made_for(spec)).is_err())
    {
        app.refuse(
            "signing_secret",
            "is missing, and this platform's secrets come from the platform",
        );
    }
}

/// A new signing secret, in letters that every platform takes.
pub(crate) fn made_for(spec: &AppSpec) -> SecretString {
    match spec.adapter {
        Adapter::Custom => secret::generate_signing(),
        _ => secret::generate_token("app-"),
    }
}

/// Refuses a secret with which nothing of this app's could verify.
pub(crate) fn fits(spec: &AppSpec, secret: &SecretString) -> Result<(), value::Refused> {
    let builtin = match spec.adapter {
        Adapter::Slack => "slack",
        Adapter::Whatsapp => "meta",
        Adapter::Telegram => return fits_telegram(secret.expose_secret()),
        Adapter::Custom => {
            let profile = spec
                .scheme
                .as_ref()
                .and_then(|scheme| Profile::from_json(scheme).ok());
            return profile.map_or(Ok(()), |profile| super::verify::fits_profile(&profile, secret));
        }
        Adapter::External(_) => {
            return Err(value::Refused::new(
                "has no use here: an adapter of your own checks signatures itself",
            ));
        }
    };
    Profile::builtin(builtin).map_or(Ok(()), |profile| super::verify::fits_profile(profile, secret))
}

/// What `setWebhook` takes as `secret_token` (Telegram Bot API).
fn fits_telegram(secret: &str) -> Result<(), value::Refused> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if secret.len() > LONGEST_TELEGRAM || !secret.bytes().all(plain) {
        return Err(value::Refused(format!(
            "must be 1 to {LONGEST_TELEGRAM} letters, digits, `-` or `_`, as Telegram has it"
        )));
    }
    Ok(())
}

impl AppDraft {
    /// The secrets to keep: none without an app, those that are there unless others are given, and made ones where there
    /// must be some.
    pub(crate) fn build(
        self,
        spec: Option<&AppSpec>,
        existing: &AppSecrets,
        now: Instant,
        made: &mut Vec<Made>,
    ) -> AppSecrets {
        let Some(spec) = spec else {
            return AppSecrets::default();
        };
        let mut note = |field, value: SecretString| {
            made.push(Made {
                field,
                value: value.clone(),
            });
            value
        };
        let signing = match self.signing {
            _ if matches!(spec.adapter, Adapter::External(_)) => Vec::new(),
            Some(given) => secret::replace(&existing.signing, vec![given], now),
            None if existing.signing.is_empty() => {
                vec![secret::signing(note("app.signing_secret", made_for(spec)), now)]
            }
            None => existing.signing.clone(),
        };
        let verify_token = (spec.adapter == Adapter::Whatsapp).then(|| {
            self.verify_token
                .or_else(|| existing.verify_token.clone())
                .unwrap_or_else(|| note("app.verify_token", secret::generate_token("app-")))
        });
        AppSecrets {
            signing,
            verify_token,
        }
    }
}
