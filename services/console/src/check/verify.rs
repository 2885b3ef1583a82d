//! How a source's requests are verified: a built-in profile or a scheme of the operator's, and the secrets.

use super::{Fields, Made, value};
use crate::secret::{self, MOST_SECRETS};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use signature::{Profile, SignatureError};
use store::SigningSecret;
use wire::Instant;
use wire::resource::{VerifyMode, VerifySpec};

/// The secrets of a source's check, as a document describes them.
#[derive(Debug)]
pub(crate) enum VerifyDraft {
    /// There is no check, so there are no secrets.
    Nothing,
    /// These very ones.
    Given(Vec<SecretString>),
    /// Those that are there; the document says nothing of them.
    Kept,
    /// One that was made for them.
    Made(SecretString),
}

/// What a handshake of the sender must show, as a document describes it.
#[derive(Debug)]
pub(crate) enum TokenDraft {
    /// No handshake asks for one.
    Nothing,
    /// This one.
    Given(SecretString),
    /// The one that is there, if there is one; the document says nothing of it.
    Kept,
    /// The one that is there; one is made where there is none.
    KeptOrMade,
}

/// Reads `verify` over what stands in `slot`; `existing` are the secrets that the source has.
pub(crate) fn read(
    fields: &mut Fields<'_>,
    slot: &mut Option<VerifySpec>,
    existing: &[SigningSecret],
) -> (VerifyDraft, TokenDraft) {
    let mut secrets = None;
    let mut token = None;
    let mut spec = slot.clone().unwrap_or_else(|| VerifySpec {
        provider: None,
        scheme: None,
        mode: VerifyMode::default(),
    });
    let is_given = fields.has("verify");
    fields.set_object("verify", slot, |verify| {
        let profile = read_profile(verify, &mut spec);
        verify.set("mode", &mut spec.mode, mode);
        secrets = Some(read_secrets(verify, profile.as_ref(), &spec, existing));
        token = Some(read_token(verify, profile.as_ref()));
        profile.map(|_checked| spec)
    });
    match (slot, secrets.zip(token)) {
        (None, _) => (VerifyDraft::Nothing, TokenDraft::Nothing),
        (Some(_), Some(read)) if is_given => read,
        (Some(_), _) => (VerifyDraft::Kept, TokenDraft::Kept),
    }
}

fn read_token(verify: &mut Fields<'_>, profile: Option<&Profile>) -> TokenDraft {
    let given = verify.optional("verify_token", value::secret);
    let is_asked = profile.is_none_or(Profile::asks_verify_token);
    match given {
        Some(given) if is_asked => TokenDraft::Given(given),
        Some(_) => {
            verify.refuse(
                "verify_token",
                "is asked for by no handshake of this sender; leave it out",
            );
            TokenDraft::Nothing
        }
        None if is_asked => TokenDraft::KeptOrMade,
        None => TokenDraft::Nothing,
    }
}

fn mode(value: &Value) -> Result<VerifyMode, value::Refused> {
    match value::any_text(value)? {
        "enforce" => Ok(VerifyMode::Enforce),
        "record" => Ok(VerifyMode::Record),
        "off" => Ok(VerifyMode::Off),
        _ => Err(value::Refused::new("must be `enforce`, `record` or `off`")),
    }
}

/// Exactly one of `provider` and `scheme`; naming one takes the place of the other.
fn read_profile(verify: &mut Fields<'_>, spec: &mut VerifySpec) -> Option<Profile> {
    let provider = verify.get("provider").filter(|value| !value.is_null());
    let scheme = verify.get("scheme").filter(|value| !value.is_null());
    match (provider, scheme) {
        (Some(_), Some(_)) => {
            verify.refuse("scheme", "goes without `provider`: a source has one or the other");
            return None;
        }
        (Some(_), None) => (spec.provider, spec.scheme) = (verify.optional("provider", value::text), None),
        (None, Some(scheme)) => (spec.provider, spec.scheme) = (None, Some(scheme.clone())),
        (None, None) => {}
    }
    match (&spec.provider, &spec.scheme) {
        (Some(name), _) => {
            let profile = Profile::builtin(name);
            if profile.is_none() {
                let refused = value::one_of(
                    signature::builtin_names(),
                    name,
                    "provider with a built-in profile",
                );
                verify.refuse("provider", refused.0);
            }
            profile.cloned()
        }
        (None, Some(scheme)) => read_scheme(verify, scheme),
        (None, None) => {
            if !verify.has("provider") {
                verify.refuse(
                    "provider",
                    "is missing; or write `scheme` with a scheme of your own",
                );
            }
            None
        }
    }
}

/// Compiles the field `scheme`.
pub(super) fn read_scheme(fields: &mut Fields<'_>, scheme: &Value) -> Option<Profile> {
    match Profile::from_json(scheme) {
        Ok(profile) => Some(profile),
        Err(SignatureError::Scheme { path, message }) => {
            fields.refuse_below("scheme", &path, message);
            None
        }
        Err(other) => {
            fields.refuse("scheme", other.to_string());
            None
        }
    }
}

fn read_secrets(
    verify: &mut Fields<'_>,
    profile: Option<&Profile>,
    spec: &VerifySpec,
    existing: &[SigningSecret],
) -> VerifyDraft {
    let fits = |secret: &SecretString| profile.map_or(Ok(()), |profile| fits_profile(profile, secret));
    let given = verify.list("secrets", |value| {
        let secret = value::secret(value)?;
        fits(&secret)?;
        Ok(secret)
    });
    // Where the sender hands its secret over, it comes with a handshake and waits to be accepted.
    let needs_none = profile.is_some_and(|profile| !profile.needs_secret() || profile.captures_secret());
    if let Some(given) = given {
        if given.len() > MOST_SECRETS {
            verify.refuse("secrets", format!("may be at most {MOST_SECRETS}"));
        } else if given.is_empty() && !needs_none && verify.get("secrets") == Some(&Value::Array(Vec::new()))
        {
            verify.refuse(
                "secrets",
                "is empty, so nothing could verify; leave it out to have one made",
            );
        }
        return VerifyDraft::Given(given);
    }
    if existing.is_empty() {
        if needs_none || spec.mode == VerifyMode::Off {
            return VerifyDraft::Given(Vec::new());
        }
        let made = profile.map_or_else(secret::generate_signing, secret::generate_for);
        if fits(&made).is_err() {
            verify.refuse(
                "secrets",
                "is missing, and this sender's secrets come from the sender",
            );
        }
        return VerifyDraft::Made(made);
    }
    if let Some(Err(refused)) = existing
        .iter()
        .map(|secret| fits(&secret.value))
        .find(Result::is_err)
    {
        verify.refuse(
            "secrets",
            format!("is missing, and a secret that is there {}", refused.0),
        );
    }
    VerifyDraft::Kept
}

/// Refuses a secret with which nothing could verify.
pub(crate) fn fits(verify: &VerifySpec, secret: &SecretString) -> Result<(), value::Refused> {
    match profile(verify) {
        Some(profile) => fits_profile(&profile, secret),
        None => Err(value::Refused::new("has no check to be used in")),
    }
}

/// A new secret of the kind that this check takes, if it takes any.
pub(crate) fn made_for(verify: &VerifySpec) -> SecretString {
    profile(verify).map_or_else(secret::generate_signing, |profile| secret::generate_for(&profile))
}

fn profile(verify: &VerifySpec) -> Option<Profile> {
    match (&verify.provider, &verify.scheme) {
        (Some(name), _) => Profile::builtin(name).cloned(),
        (None, Some(scheme)) => Profile::from_json(scheme).ok(),
        (None, None) => None,
    }
}

pub(super) fn fits_profile(profile: &Profile, secret: &SecretString) -> Result<(), value::Refused> {
    let secret = signature::Secret::new("", secret.expose_secret());
    profile.check_secret(&secret).map_err(|error| match error {
        SignatureError::Secret { cause, .. } => value::Refused(format!("cannot be a key: {cause}")),
        other => value::Refused::from(other),
    })
}

impl TokenDraft {
    /// The token to keep.
    pub(crate) fn build(self, existing: Option<&SecretString>, made: &mut Vec<Made>) -> Option<SecretString> {
        match (self, existing) {
            (Self::Nothing, _) => None,
            (Self::Given(given), _) => Some(given),
            (Self::Kept, existing) => existing.cloned(),
            (Self::KeptOrMade, Some(existing)) => Some(existing.clone()),
            (Self::KeptOrMade, None) => {
                let value = secret::generate_token("vt_");
                made.push(Made {
                    field: "verify.verify_token",
                    value: value.clone(),
                });
                Some(value)
            }
        }
    }
}

impl VerifyDraft {
    /// The secrets to keep: given ones that are there already stay as they are, also beside one that is rotated out.
    pub(crate) fn build(
        self,
        existing: &[SigningSecret],
        now: Instant,
        made: &mut Vec<Made>,
    ) -> Vec<SigningSecret> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Kept => existing.to_vec(),
            Self::Given(given) => secret::replace(existing, given, now),
            Self::Made(value) => {
                made.push(Made {
                    field: "verify.secrets",
                    value: value.clone(),
                });
                vec![secret::signing(value, now)]
            }
        }
    }
}
