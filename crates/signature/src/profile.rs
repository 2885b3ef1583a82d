//! A profile: everything Hookyard knows about one kind of sender.

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::SignatureError;
use crate::algorithm::Algorithm;
use crate::catalogue;
use crate::code::Code;
use crate::content::Part;
use crate::handshake::{Handshake, HandshakeRule};
use crate::identity::{self, EventRules};
use crate::key::Secret;
use crate::reason::Reason;
use crate::request::Request;
use crate::scheme::Written;
use crate::sign::generate_secret;
use crate::trail::{Explanation, Trail};
use crate::verdict::{Check, Credentials, Verdict};
use crate::verify::Scheme;

/// How one kind of sender signs, shakes hands and names its events.
///
/// Built-in profiles and operators' own are the same type, written in the same language:
///
/// ```
/// let profile: hookyard_signature::Profile = serde_json::from_str(
///     r#"{"algorithm": "hmac-sha512", "signature": {"from": "header:X-Signature", "prefix": "sha512="}}"#,
/// )?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Profile {
    pub(crate) verifier: Verifier,
    pub(crate) event: EventRules,
    pub(crate) handshakes: Vec<HandshakeRule>,
    pub(crate) acknowledgement: Option<String>,
}

/// What decides a verdict.
#[derive(Debug, Clone)]
pub(crate) enum Verifier {
    Scheme(Box<Scheme>),
    Code(Code),
}

impl Profile {
    /// The built-in profile of this name, such as `stripe`.
    pub fn builtin(name: &str) -> Option<&'static Self> {
        catalogue::profile(name)
    }

    /// Reads a custom scheme in YAML, or in JSON, which is YAML.
    ///
    /// # Errors
    ///
    /// As [`Profile::from_json`]. Where the text is not YAML at all, the message says in which line.
    pub fn from_yaml(text: &str) -> Result<Self, SignatureError> {
        let scheme: serde_json::Value = serde_saphyr::from_str(text).map_err(|error| {
            let message = error.without_snippet().to_string();
            SignatureError::Scheme {
                path: "scheme".to_owned(),
                message,
            }
        })?;
        Self::from_json(&scheme)
    }

    /// Reads a custom scheme. Unknown fields are refused.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Scheme`] with the path of the mistake, such as `signature.encoding`.
    pub fn from_json(scheme: &serde_json::Value) -> Result<Self, SignatureError> {
        let written: Written =
            serde_path_to_error::deserialize(scheme).map_err(|error| SignatureError::Scheme {
                path: error.path().to_string(),
                message: error.inner().to_string(),
            })?;
        written.compile()
    }

    /// Whether `request` was sent by someone who has one of the secrets.
    ///
    /// `now_unix` is in seconds. The reason of an invalid verdict is that of the first step that
    /// failed.
    pub fn verify(&self, request: &Request<'_>, credentials: &Credentials<'_>, now_unix: i64) -> Verdict {
        self.run(&mut Check::new(request, credentials, now_unix, Trail::silent()))
    }

    /// The same verdict with every step towards it, for a person.
    pub fn explain(
        &self,
        request: &Request<'_>,
        credentials: &Credentials<'_>,
        now_unix: i64,
    ) -> Explanation {
        let mut check = Check::new(request, credentials, now_unix, Trail::writing());
        let verdict = self.run(&mut check);
        match verdict {
            Verdict::Valid { secret: Some(index) } => {
                let id = credentials
                    .secrets
                    .get(index)
                    .map(|secret| secret.id.as_str())
                    .unwrap_or_default();
                check
                    .trail
                    .note("verdict", || format!("valid, signed with secret `{id}`"));
            }
            Verdict::Valid { secret: None } => check.trail.note("verdict", || "valid".to_owned()),
            Verdict::Invalid(reason) => {
                check
                    .trail
                    .note("verdict", || format!("invalid, {reason}: {}", reason.advice()));
            }
        }
        Explanation {
            verdict,
            steps: check.trail.into_steps(),
        }
    }

    fn run(&self, check: &mut Check<'_>) -> Verdict {
        match &self.verifier {
            Verifier::Scheme(scheme) => scheme.verify(check),
            Verifier::Code(code) => code.verify(check),
        }
        .into()
    }

    /// The URL of the key that this request was signed with, for providers that publish theirs.
    ///
    /// The caller fetches it through the guarded client, keeps it, and passes the document as
    /// [`Credentials::fetched_key`]. `None` if no key is to be fetched: most profiles, and sources
    /// that pin a certificate among their secrets.
    ///
    /// # Errors
    ///
    /// [`Reason::KeyUntrusted`] if the URL is not on the provider's list; it must not be fetched.
    pub fn key_url(&self, request: &Request<'_>, secrets: &[Secret]) -> Result<Option<String>, Reason> {
        match &self.verifier {
            Verifier::Scheme(_) => Ok(None),
            Verifier::Code(code) => code.key_url(request, secrets),
        }
    }

    /// The methods that its requests come with, in their order: `POST`, and those of its handshakes.
    pub fn methods(&self) -> BTreeSet<&str> {
        // A signature is looked for in a `POST` alone.
        let unsigned = self.handshakes.iter().filter(|rule| !rule.signed);
        unsigned
            .filter_map(HandshakeRule::method)
            .chain(["POST"])
            .collect()
    }

    /// The answer to a handshake that carries no signature. Ask before verifying.
    pub fn unsigned_handshake(
        &self,
        request: &Request<'_>,
        credentials: &Credentials<'_>,
    ) -> Option<Handshake> {
        self.handshake(false, request, credentials, None)
    }

    /// The answer to a signed handshake. Ask after a valid verdict, with the secret that it named.
    pub fn signed_handshake(
        &self,
        request: &Request<'_>,
        credentials: &Credentials<'_>,
        secret: Option<usize>,
    ) -> Option<Handshake> {
        self.handshake(true, request, credentials, secret)
    }

    fn handshake(
        &self,
        signed: bool,
        request: &Request<'_>,
        credentials: &Credentials<'_>,
        secret: Option<usize>,
    ) -> Option<Handshake> {
        let mut rules = self.handshakes.iter().filter(|rule| rule.signed == signed);
        rules.find_map(|rule| rule.answer(request, credentials, secret))
    }

    /// False where a source does without a secret: the sender publishes its key (Amazon SNS), or
    /// keeps it to itself (eBay).
    pub fn needs_secret(&self) -> bool {
        match &self.verifier {
            Verifier::Scheme(_) => true,
            Verifier::Code(code) => code.needs_secret(),
        }
    }

    /// Makes a secret of 32 random bytes, for senders that take any: `whsec_…`, and `hookyard:…`
    /// where it is a user and a password.
    ///
    /// Where the sender makes the secret, [`Self::check_secret`] refuses this one.
    pub fn generate_secret(&self, random: &[u8; 32]) -> SecretString {
        match &self.verifier {
            Verifier::Scheme(scheme) if scheme.algorithm == Algorithm::Basic => {
                SecretString::from(format!("hookyard:{}", hex::encode(random)))
            }
            Verifier::Scheme(_) | Verifier::Code(_) => generate_secret(random),
        }
    }

    /// True where the sender makes the secret and hands it over in a handshake (Notion, Asana).
    pub fn captures_secret(&self) -> bool {
        self.handshakes.iter().any(HandshakeRule::captures)
    }

    /// True where a handshake takes [`Credentials::verify_token`] (Meta, Strava, eBay).
    pub fn asks_verify_token(&self) -> bool {
        self.handshakes.iter().any(HandshakeRule::asks_verify_token)
    }

    /// What the provider calls this event, if it has a name that survives retries.
    pub fn event_id(&self, request: &Request<'_>) -> Option<String> {
        identity::first(&self.event.id, request)
    }

    /// What the provider says this event is about.
    pub fn event_type(&self, request: &Request<'_>) -> Option<String> {
        identity::first(&self.event.kind, request)
    }

    /// The body that the provider wants in a success, if it insists on one (Adyen: `[accepted]`).
    pub fn acknowledgement(&self) -> Option<&str> {
        self.acknowledgement.as_deref()
    }

    /// False where a valid verdict says nothing about the body: shared tokens, and providers that
    /// sign only a few fields (Mailgun, Adyen payments, Mercado Pago). The console says so.
    pub fn authenticates_body(&self) -> bool {
        match &self.verifier {
            Verifier::Scheme(scheme) => {
                let covers = |part: &Part| {
                    matches!(
                        part,
                        Part::Body | Part::FormSorted | Part::Contentful | Part::PlivoV3
                    )
                };
                !scheme.algorithm.reveals_the_secret()
                    && (scheme.body_hash.is_some() || scheme.content.parts.iter().any(covers))
            }
            Verifier::Code(code) => code.authenticates_body(),
        }
    }

    /// True for a header whose value is the secret itself (`X-Gitlab-Token`): it must not be kept with an event.
    pub fn reveals_the_secret(&self, header: &str) -> bool {
        let Verifier::Scheme(scheme) = &self.verifier else {
            return false;
        };
        scheme.algorithm.reveals_the_secret()
            && scheme.signature.from.iter().any(|place| place.is_header(header))
    }

    /// True where the URL is a part of what is signed, so that a proxy in front matters.
    pub fn signs_url(&self) -> bool {
        match &self.verifier {
            Verifier::Scheme(scheme) => scheme
                .content
                .parts
                .iter()
                .any(|part| matches!(part, Part::Url | Part::PlivoV3 | Part::Contentful)),
            Verifier::Code(_) => false,
        }
    }

    /// Refuses a secret that could never match, before it is stored.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Secret`] with the secret's id, never its value.
    pub fn check_secret(&self, secret: &Secret) -> Result<(), SignatureError> {
        let usable = match &self.verifier {
            Verifier::Scheme(scheme) => scheme.check_secret(secret),
            Verifier::Code(code) => code.check_secret(secret),
        };
        usable.map_err(|cause| SignatureError::Secret {
            id: secret.id.clone(),
            cause,
        })
    }
}

impl<'a> Check<'a> {
    fn new(request: &'a Request<'a>, credentials: &'a Credentials<'a>, now_unix: i64, trail: Trail) -> Self {
        Self {
            request,
            credentials,
            now_ms: now_unix.saturating_mul(1000),
            trail,
        }
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?
            .compile()
            .map_err(serde::de::Error::custom)
    }
}
