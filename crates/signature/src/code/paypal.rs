//! `PayPal`: an RSA signature over the transmission's id, time, the webhook's id and a checksum of the
//! body, with a certificate that is fetched from `PayPal`.
//!
//! Source: *Integrate webhooks*, "self verification method". A secret is the webhook's id, which is
//! what ties a signature to this source; on further lines it may pin the certificate.

use ring::signature::RSA_PKCS1_2048_8192_SHA256;

use super::published_key::PublishedKey;
use crate::clock::Unit;
use crate::decode::Encoding;
use crate::key::Secret;
use crate::reason::Reason;
use crate::request::Request;
use crate::trail::shown;
use crate::url::Parts;
use crate::verdict::Check;

const CERT_URL: &str = "Paypal-Cert-Url";

/// The hosts that serve `PayPal`'s certificates.
const HOSTS: [&str; 4] = [
    "api.paypal.com",
    "api-m.paypal.com",
    "api.sandbox.paypal.com",
    "api-m.sandbox.paypal.com",
];

/// The index of the secret that matched.
pub(crate) fn verify(check: &mut Check<'_>) -> Result<usize, Reason> {
    let request = check.request;
    let [signature, id, time, url, algorithm] = [
        "Paypal-Transmission-Sig",
        "Paypal-Transmission-Id",
        "Paypal-Transmission-Time",
        CERT_URL,
        "Paypal-Auth-Algo",
    ]
    .map(|name| text_of(request, name));
    let (id, time, url, algorithm) = (id?, time?, url?, algorithm?);
    let text = signature?.ok_or(Reason::SignatureMissing)?;
    check.trail.note("signature", || {
        format!("header:Paypal-Transmission-Sig: {}", shown(text.as_bytes()))
    });
    let signature = Encoding::Base64.decode(text).ok_or(Reason::SignatureMalformed)?;
    if algorithm.ok_or(Reason::FieldMissing)? != "SHA256withRSA" {
        return Err(Reason::SignatureMalformed);
    }
    let time = time.ok_or(Reason::TimestampMissing)?;
    Unit::Rfc3339.parse(time.as_bytes())?;
    let id = id.ok_or(Reason::FieldMissing)?;
    let url = trusted(url.ok_or(Reason::FieldMissing)?)?;
    check.trail.note("key", || format!("certificate at {url}"));

    let checksum = crc32fast::hash(request.body);
    check
        .trail
        .note("content", || format!("{id}|{time}|<webhook id>|{checksum}"));
    let fetched = check.credentials.fetched_key.and_then(PublishedKey::from_pem);
    let mut reason = if check.credentials.secrets.is_empty() {
        Reason::SignatureMismatch
    } else {
        Reason::KeyUntrusted
    };
    for (index, secret) in check.credentials.secrets.iter().enumerate() {
        let (webhook_id, pinned) = parts_of(secret);
        let Some(key) = pinned.as_ref().or(fetched.as_ref()) else {
            continue;
        };
        let content = format!("{id}|{time}|{webhook_id}|{checksum}");
        let verdict = key.verify(&RSA_PKCS1_2048_8192_SHA256, content.as_bytes(), &signature);
        check.trail.note("compare", || {
            format!(
                "webhook id of secret `{}`: {}",
                secret.id,
                if verdict.is_ok() { "match" } else { "no match" }
            )
        });
        match verdict {
            Ok(()) => return Ok(index),
            Err(cause) => reason = cause,
        }
    }
    Err(reason)
}

/// Where the certificate is, unless every secret pins one.
pub(crate) fn key_url(request: &Request<'_>, secrets: &[Secret]) -> Result<Option<String>, Reason> {
    if !secrets.is_empty() && secrets.iter().all(|secret| parts_of(secret).1.is_some()) {
        return Ok(None);
    }
    match text_of(request, CERT_URL)? {
        Some(url) => trusted(url).map(|url| Some(url.to_owned())),
        None => Ok(None),
    }
}

pub(crate) fn check_secret(secret: &Secret) -> Result<(), &'static str> {
    match parts_of(secret) {
        ("", _) => Err("it is empty; it is the id of the webhook, as PayPal's dashboard shows it"),
        _ => Ok(()),
    }
}

/// The webhook's id and the certificate pinned below it.
fn parts_of(secret: &Secret) -> (&str, Option<PublishedKey>) {
    let text = secret.text();
    match text.split_once('\n') {
        Some((id, rest)) => (id.trim_ascii(), PublishedKey::from_pem(rest)),
        None => (text.trim_ascii(), None),
    }
}

fn trusted(url: &str) -> Result<&str, Reason> {
    let parts = Parts::of(url);
    let is_trusted = parts.scheme == "https"
        && parts.userinfo.is_empty()
        && parts.port.is_none()
        && parts.path.starts_with('/')
        && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && HOSTS.contains(&parts.host);
    if is_trusted {
        Ok(url)
    } else {
        Err(Reason::KeyUntrusted)
    }
}

fn text_of<'a>(request: &Request<'a>, name: &str) -> Result<Option<&'a str>, Reason> {
    let value = request.header(name)?.filter(|value| !value.is_empty());
    value
        .map(|value| std::str::from_utf8(value).ok().ok_or(Reason::SignatureMalformed))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paypals_own_hosts_are_trusted() {
        assert!(trusted("https://api.paypal.com/v1/notifications/certs/CERT-1").is_ok());
        for foreign in [
            "http://api.paypal.com/x",
            "https://api.paypal.com.evil.test/x",
            "https://api.paypal.com@evil.test/x",
            "https://api.paypal.com:8443/x",
            "https://paypal.com/x",
            "https://evil.test\\@api.paypal.com/x",
        ] {
            assert_eq!(trusted(foreign), Err(Reason::KeyUntrusted), "{foreign}");
        }
    }
}
