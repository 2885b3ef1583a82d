//! Adyen payments: each notification in the body carries the HMAC of eight of its own fields.
//!
//! Source: *Verify HMAC signatures*, "payment webhooks". The other fields are not signed. Every
//! notification must be right; one forged item would otherwise ride along with a true one.

use ring::hmac;
use serde_json::Value;

use crate::algorithm::is_equal;
use crate::decode::Encoding;
use crate::key::Secret;
use crate::reason::Reason;
use crate::trail::shown;
use crate::verdict::Check;

/// The signed fields, in order.
const SIGNED: [&str; 8] = [
    "/pspReference",
    "/originalReference",
    "/merchantAccountCode",
    "/merchantReference",
    "/amount/value",
    "/amount/currency",
    "/eventCode",
    "/success",
];

/// The index of the secret that signed the last notification; all of them are right.
pub(crate) fn verify(check: &mut Check<'_>) -> Result<usize, Reason> {
    let body: Value = serde_json::from_slice(check.request.body).unwrap_or_default();
    let items = body
        .get("notificationItems")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut signed = Vec::with_capacity(items.len());
    for item in items {
        let item = item
            .get("NotificationRequestItem")
            .ok_or(Reason::SignatureMissing)?;
        let text = item
            .pointer("/additionalData/hmacSignature")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if text.is_empty() {
            return Err(Reason::SignatureMissing);
        }
        check.trail.note("signature", || {
            format!("hmacSignature: {}", shown(text.as_bytes()))
        });
        let signature = Encoding::Base64.decode(text).filter(|bytes| bytes.len() == 32);
        signed.push((signature.ok_or(Reason::SignatureMalformed)?, content(item)));
    }
    let mut matched = Err(Reason::SignatureMissing);
    for (signature, content) in &signed {
        check.trail.note("content", || shown(content.as_bytes()));
        let index = check
            .credentials
            .secrets
            .iter()
            .position(|secret| is_signed_with(secret, content, signature));
        check.trail.note("compare", || {
            match index.and_then(|index| check.credentials.secrets.get(index)) {
                Some(secret) => format!("secret `{}`: match", secret.id),
                None => "no secret matches".to_owned(),
            }
        });
        matched = Ok(index.ok_or(Reason::SignatureMismatch)?);
    }
    matched
}

pub(crate) fn check_secret(secret: &Secret) -> Result<(), &'static str> {
    key(secret)
        .map(|_| ())
        .ok_or("it is not the hexadecimal key of Adyen's customer area")
}

fn key(secret: &Secret) -> Option<hmac::Key> {
    let key = Encoding::Hex
        .decode(secret.text())
        .filter(|key| !key.is_empty())?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

fn is_signed_with(secret: &Secret, content: &str, signature: &[u8]) -> bool {
    key(secret).is_some_and(|key| is_equal(hmac::sign(&key, content.as_bytes()).as_ref(), signature))
}

fn content(item: &Value) -> String {
    let fields = SIGNED.map(|pointer| match item.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(scalar @ (Value::Number(_) | Value::Bool(_))) => scalar.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    });
    fields.join(":")
}
