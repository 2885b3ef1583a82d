//! JSON Web Tokens signed with a shared secret (RFC 7515, RFC 7519), as `MessageBird` and monday send them.
//!
//! Only `HS256`, `HS384` and `HS512` are known. The token must expire; claims may bind it to this URL
//! and body. Claims are read after the signature was found right, never before.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use ring::hmac;
use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::is_equal;
use crate::decode::Encoding;
use crate::reason::Reason;
use crate::request::Request;
use crate::select::Selector;
use crate::trail::shown;
use crate::verdict::Check;

/// The `jwt:` of a profile.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtRule {
    from: Selector,
    /// Dropped if it is there: `Bearer `.
    #[serde(default)]
    strip: String,
    issuer: Option<String>,
    /// Claims that hold the SHA-256, in hexadecimal, of a part of the request.
    #[serde(default)]
    sha256: BTreeMap<String, Bound>,
}

/// What a claim binds a token to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Bound {
    Url,
    Body,
}

/// How far ahead a sender's clock may be. A token that has expired has expired: it was made to be
/// sent at once, so its whole life is leeway.
const LEEWAY_SECONDS: f64 = 5.0;

impl JwtRule {
    pub(crate) fn authenticates_body(&self) -> bool {
        self.sha256.values().any(|bound| *bound == Bound::Body)
    }

    /// The index of the secret that matched.
    pub(crate) fn verify(&self, check: &mut Check<'_>) -> Result<usize, Reason> {
        let token = self
            .from
            .find(check.request, &[])?
            .ok_or(Reason::SignatureMissing)?;
        let token = std::str::from_utf8(&token)
            .ok()
            .ok_or(Reason::SignatureMalformed)?;
        let token = token.strip_prefix(self.strip.as_str()).unwrap_or(token);
        if token.is_empty() {
            return Err(Reason::SignatureMissing);
        }
        check.trail.note("signature", || {
            format!("{}: a token of {} characters", self.from, token.len())
        });
        let (signed, signature) = token.rsplit_once('.').ok_or(Reason::SignatureMalformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Reason::SignatureMalformed)?;
        let header = decoded_json(header)?;
        let claims = decoded_json(claims)?;
        let (algorithm, length) = algorithm(&header).ok_or(Reason::SignatureMalformed)?;
        let signature = Encoding::Base64url
            .decode(signature)
            .filter(|bytes| bytes.len() == length);
        let signature = signature.ok_or(Reason::SignatureMalformed)?;
        let secret = find_secret(check, algorithm, signed.as_bytes(), &signature)?;
        check
            .trail
            .note("claims", || shown(claims.to_string().as_bytes()));
        check_times(&claims, check.now_ms)?;
        self.check_claims(check, &claims)?;
        Ok(secret)
    }

    fn check_claims(&self, check: &mut Check<'_>, claims: &Value) -> Result<(), Reason> {
        if let Some(issuer) = &self.issuer {
            let found = claims
                .get("iss")
                .and_then(Value::as_str)
                .ok_or(Reason::FieldMissing)?;
            if found != issuer {
                check
                    .trail
                    .note("claims", || format!("the issuer should be `{issuer}`"));
                return Err(Reason::SignatureMismatch);
            }
        }
        for (claim, bound) in &self.sha256 {
            let part = bound.of(check.request);
            let Some(text) = claims.get(claim).and_then(Value::as_str) else {
                if *bound == Bound::Body && part.is_empty() {
                    continue;
                }
                return Err(Reason::FieldMissing);
            };
            let named = Encoding::Hex.decode(text).ok_or(Reason::SignatureMalformed)?;
            if !is_equal(digest(&SHA256, part).as_ref(), &named) {
                check.trail.note("claims", || {
                    format!("`{claim}` is not the hash of this request's {}", bound.name())
                });
                return Err(Reason::SignatureMismatch);
            }
        }
        Ok(())
    }
}

impl Bound {
    fn of<'a>(self, request: &Request<'a>) -> &'a [u8] {
        match self {
            Self::Url => request.url.as_bytes(),
            Self::Body => request.body,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Url => "URL",
            Self::Body => "body",
        }
    }
}

fn decoded_json(text: &str) -> Result<Value, Reason> {
    let bytes = Encoding::Base64url
        .decode(text)
        .ok_or(Reason::SignatureMalformed)?;
    let value: Value = serde_json::from_slice(&bytes)
        .ok()
        .ok_or(Reason::SignatureMalformed)?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Reason::SignatureMalformed)
    }
}

/// The algorithm and its signature's length. A `crit` header asks for rules that we do not know.
fn algorithm(header: &Value) -> Option<(hmac::Algorithm, usize)> {
    if header.get("crit").is_some() {
        return None;
    }
    match header.get("alg")?.as_str()? {
        "HS256" => Some((hmac::HMAC_SHA256, 32)),
        "HS384" => Some((hmac::HMAC_SHA384, 48)),
        "HS512" => Some((hmac::HMAC_SHA512, 64)),
        _ => None,
    }
}

fn find_secret(
    check: &mut Check<'_>,
    algorithm: hmac::Algorithm,
    signed: &[u8],
    signature: &[u8],
) -> Result<usize, Reason> {
    for (index, secret) in check.credentials.secrets.iter().enumerate() {
        let key = hmac::Key::new(algorithm, secret.text().as_bytes());
        let is_match = !secret.text().is_empty() && is_equal(hmac::sign(&key, signed).as_ref(), signature);
        check.trail.note("compare", || {
            format!(
                "secret `{}`: {}",
                secret.id,
                if is_match { "match" } else { "no match" }
            )
        });
        if is_match {
            return Ok(index);
        }
    }
    Err(Reason::SignatureMismatch)
}

/// `exp` must be there and ahead of us; `nbf` and `iat`, if there, must not be.
fn check_times(claims: &Value, now_ms: i64) -> Result<(), Reason> {
    let time = |claim: &str| match claims.get(claim) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Reason::TimestampMalformed),
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 fit in 53 bits until the year 287396"
    )]
    let now = now_ms as f64 / 1000.0;
    let expires = time("exp")?.ok_or(Reason::TimestampMissing)?;
    let begins = [time("nbf")?, time("iat")?].into_iter().flatten();
    if expires <= now || begins.into_iter().any(|begin| begin > now + LEEWAY_SECONDS) {
        return Err(Reason::TimestampOutOfTolerance);
    }
    Ok(())
}
