//! Braintree: a form with a payload and, for each of the merchant's keys, `public key|HMAC-SHA1`.
//! The HMAC's key is the SHA-1 of the private key; a secret is `public key:private key`.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::hmac;

use crate::algorithm::is_equal;
use crate::decode::Encoding;
use crate::key::Secret;
use crate::reason::Reason;
use crate::trail::shown;
use crate::verdict::Check;

/// As for every scheme.
const MAX_CANDIDATES: usize = 8;

/// The index of the secret that matched.
pub(crate) fn verify(check: &mut Check<'_>) -> Result<usize, Reason> {
    let written = check.request.form("bt_signature")?.unwrap_or_default();
    let written = std::str::from_utf8(&written)
        .ok()
        .ok_or(Reason::SignatureMalformed)?;
    if written.is_empty() {
        return Err(Reason::SignatureMissing);
    }
    check.trail.note("signature", || {
        format!("form:bt_signature: {}", shown(written.as_bytes()))
    });
    let mut signatures = Vec::new();
    for pair in written.split('&') {
        let (public_key, text) = pair.split_once('|').ok_or(Reason::SignatureMalformed)?;
        let signature = Encoding::Hex.decode(text).filter(|bytes| bytes.len() == 20);
        signatures.push((public_key, signature.ok_or(Reason::SignatureMalformed)?));
        if signatures.len() > MAX_CANDIDATES {
            return Err(Reason::HeaderDuplicated);
        }
    }
    let payload = check.request.form("bt_payload")?.ok_or(Reason::FieldMissing)?;
    check.trail.note("content", || shown(&payload));
    for (index, secret) in check.credentials.secrets.iter().enumerate() {
        let Some((public_key, private_key)) = keys(secret) else {
            check.trail.note("compare", || {
                format!("secret `{}` is not `public key:private key`", secret.id)
            });
            continue;
        };
        let key = digest(&SHA1_FOR_LEGACY_USE_ONLY, private_key.as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_ref());
        let own = signatures.iter().filter(|(name, _)| *name == public_key);
        let is_match = own
            .into_iter()
            .any(|(_, signature)| is_signed(&key, &payload, signature));
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

pub(crate) fn check_secret(secret: &Secret) -> Result<(), &'static str> {
    keys(secret)
        .map(|_| ())
        .ok_or("it is not `public key:private key`")
}

fn keys(secret: &Secret) -> Option<(&str, &str)> {
    secret
        .text()
        .split_once(':')
        .filter(|(public, private)| !public.is_empty() && !private.is_empty())
}

/// The payload is signed with its line break, which some form decoders drop.
fn is_signed(key: &hmac::Key, payload: &[u8], signature: &[u8]) -> bool {
    let with_line_break = [payload, b"\n"].concat();
    [payload, &with_line_break]
        .iter()
        .any(|payload| is_equal(hmac::sign(key, payload).as_ref(), signature))
}
