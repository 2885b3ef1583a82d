//! Amazon SNS: an RSA signature inside the JSON body, over some of its fields, with a certificate
//! that is fetched from Amazon.
//!
//! Source: *Verifying the signatures of Amazon SNS messages*. The certificate is trusted because it
//! came over TLS from a host that only Amazon can answer for; hence the strict host rule.
//!
//! Any AWS account can make SNS send any text anywhere, correctly signed. A source that has topic
//! ARNs among its secrets takes messages of those topics only.

use ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
};
use serde::Deserialize;

use super::published_key::PublishedKey;
use crate::decode::Encoding;
use crate::key::Secret;
use crate::reason::Reason;
use crate::request::Request;
use crate::trail::shown;
use crate::url::Parts;
use crate::verdict::Check;

/// The fields of a message that are signed, or say how.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Envelope {
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "MessageId")]
    id: Option<String>,
    topic_arn: Option<String>,
    subject: Option<String>,
    message: Option<String>,
    timestamp: Option<String>,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    #[serde(rename = "SigningCertURL")]
    certificate_url: Option<String>,
    signature_version: Option<String>,
    signature: Option<String>,
}

pub(crate) fn verify(check: &mut Check<'_>) -> Result<Option<usize>, Reason> {
    let envelope = Envelope::of(check.request);
    let text = envelope
        .signature
        .as_deref()
        .filter(|text| !text.is_empty())
        .ok_or(Reason::SignatureMissing)?;
    check.trail.note("signature", || {
        format!("json:/Signature: {}", shown(text.as_bytes()))
    });
    let signature = Encoding::Base64.decode(text).ok_or(Reason::SignatureMalformed)?;
    let algorithm = envelope.algorithm()?;
    let url = envelope.certificate_url()?;
    check.trail.note("key", || format!("certificate at {url}"));
    let content = envelope.canonical()?;
    check.trail.note("content", || shown(content.as_bytes()));

    let pinned = check.credentials.secrets.iter().enumerate();
    let pinned =
        pinned.filter_map(|(index, secret)| Some((Some(index), PublishedKey::from_pem(secret.text())?)));
    let mut keys: Vec<(Option<usize>, PublishedKey)> = pinned.collect();
    if keys.is_empty() {
        keys.extend(
            check
                .credentials
                .fetched_key
                .and_then(PublishedKey::from_pem)
                .map(|key| (None, key)),
        );
    }
    let mut outcome = Err(Reason::KeyUntrusted);
    for (index, key) in &keys {
        let verdict = key.verify(algorithm, content.as_bytes(), &signature);
        check.trail.note("compare", || {
            let whose = if index.is_some() {
                "pinned certificate"
            } else {
                "fetched certificate"
            };
            format!("{whose}: {}", if verdict.is_ok() { "match" } else { "no match" })
        });
        outcome = verdict.map(|()| *index);
        if outcome.is_ok() {
            break;
        }
    }
    let certificate = outcome?;
    let topic = allowed_topic(check, envelope.topic_arn.as_deref().unwrap_or_default())?;
    Ok(certificate.or(topic))
}

/// The topic's index among the secrets, if topics are listed there.
fn allowed_topic(check: &mut Check<'_>, topic: &str) -> Result<Option<usize>, Reason> {
    let is_listed = |secret: &Secret| secret.text() == topic;
    let secrets = check.credentials.secrets;
    match secrets.iter().position(is_listed) {
        None if secrets.iter().any(is_topic) => {
            check.trail.note("topic", || {
                format!("{} is not one of the source's", shown(topic.as_bytes()))
            });
            Err(Reason::SignatureMismatch)
        }
        found => Ok(found),
    }
}

fn is_topic(secret: &Secret) -> bool {
    secret.text().starts_with("arn:")
}

pub(crate) fn check_secret(secret: &Secret) -> Result<(), &'static str> {
    if is_topic(secret) || PublishedKey::from_pem(secret.text()).is_some() {
        return Ok(());
    }
    Err("it is neither a topic ARN nor a certificate in PEM")
}

/// Where the certificate is, unless one is pinned.
pub(crate) fn key_url(request: &Request<'_>, secrets: &[Secret]) -> Result<Option<String>, Reason> {
    if secrets
        .iter()
        .any(|secret| PublishedKey::from_pem(secret.text()).is_some())
    {
        return Ok(None);
    }
    match Envelope::of(request).certificate_url() {
        Ok(url) => Ok(Some(url.to_owned())),
        Err(Reason::FieldMissing) => Ok(None),
        Err(reason) => Err(reason),
    }
}

/// True for `https://sns.REGION.amazonaws.com/…` and its Chinese twin, and for nothing that only
/// looks like them: `^sns\.[a-z0-9-]{3,}\.amazonaws\.com(\.cn)?$`, without user or port.
pub(crate) fn is_sns_url(url: &str) -> bool {
    let parts = Parts::of(url);
    let host = parts.host.strip_suffix(".cn").unwrap_or(parts.host);
    let region = host
        .strip_prefix("sns.")
        .and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    let is_region = |region: &str| {
        region.len() >= 3
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    parts.scheme == "https"
        && parts.userinfo.is_empty()
        && parts.port.is_none()
        && parts.path.starts_with('/')
        && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && region.is_some_and(is_region)
}

impl Envelope {
    /// What the body says; nothing if it is not JSON.
    fn of(request: &Request<'_>) -> Self {
        serde_json::from_slice(request.body).unwrap_or_default()
    }

    fn algorithm(&self) -> Result<&'static RsaParameters, Reason> {
        match self.signature_version.as_deref() {
            Some("1") => Ok(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
            Some("2") => Ok(&RSA_PKCS1_2048_8192_SHA256),
            _ => Err(Reason::SignatureMalformed),
        }
    }

    fn certificate_url(&self) -> Result<&str, Reason> {
        let url = self.certificate_url.as_deref().ok_or(Reason::FieldMissing)?;
        if is_sns_url(url) && Parts::of(url).path.strip_suffix(".pem").is_some() {
            Ok(url)
        } else {
            Err(Reason::KeyUntrusted)
        }
    }

    /// The fields in their order, each as a line with its name and a line with its value.
    fn canonical(&self) -> Result<String, Reason> {
        let is_notification = self.kind.as_deref() == Some("Notification");
        let mut fields = vec![("Message", &self.message), ("MessageId", &self.id)];
        if is_notification {
            fields.extend(self.subject.is_some().then_some(("Subject", &self.subject)));
        } else {
            fields.push(("SubscribeURL", &self.subscribe_url));
        }
        fields.push(("Timestamp", &self.timestamp));
        if !is_notification {
            fields.push(("Token", &self.token));
        }
        fields.extend([("TopicArn", &self.topic_arn), ("Type", &self.kind)]);
        let mut canonical = String::new();
        for (name, value) in fields {
            let value = value.as_deref().ok_or(Reason::FieldMissing)?;
            canonical.extend([name, "\n", value, "\n"]);
        }
        Ok(canonical)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_amazon_sns_are_trusted() {
        for trusted in [
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-1.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/x.pem",
        ] {
            assert!(is_sns_url(trusted), "{trusted}");
        }
        for foreign in [
            "http://sns.us-west-2.amazonaws.com/x.pem",
            "https://sns.us-west-2.amazonaws.com.evil.test/x.pem",
            "https://sns.us-west-2.amazonaws.com@evil.test/x.pem",
            "https://user@sns.us-west-2.amazonaws.com/x.pem",
            "https://sns.us-west-2.amazonaws.com:444/x.pem",
            "https://sns.a.b.amazonaws.com/x.pem",
            "https://sns.us.amazonaws.com/x.pem",
            "https://sns.US-WEST-2.amazonaws.com/x.pem",
            "https://evil.test/sns.us-west-2.amazonaws.com/x.pem",
            "https://evil.test\\.sns.us-west-2.amazonaws.com/x.pem",
            "https://evil.test#.sns.us-west-2.amazonaws.com/x.pem",
            "https://s3.amazonaws.com/x.pem",
            "",
        ] {
            assert!(!is_sns_url(foreign), "{foreign}");
        }
    }
}
