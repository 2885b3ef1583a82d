//! How attempts say who they are, without anything that is secret.

use egress::{Certificate, Certificates};
use serde::Serialize;
use std::time::Duration;
use wire::Instant;
use wire::resource::AuthSpec;

/// A certificate is shown as expiring from so long before its end: time to have it renewed by hand.
const NOTICE: Duration = Duration::from_hours(30 * 24);

/// `{bearer: {}, clientCertificate: {…}}`, of which one may be missing.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthView {
    #[serde(flatten)]
    kind: Option<KindView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<CertificateView>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
enum KindView {
    Basic {
        username: String,
    },
    Bearer {},
    Header {
        name: String,
    },
    #[serde(rename_all = "camelCase")]
    Oauth2 {
        token_url: String,
        client_id: String,
        scope: Option<String>,
        audience: Option<String>,
    },
}

/// A certificate as its owner knows it again.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateView {
    subject: String,
    /// SHA-256, in hexadecimal.
    fingerprint: String,
    not_before: Instant,
    expires_at: Instant,
    state: CertificateState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CertificateState {
    Valid,
    /// It ends within 30 days.
    Expiring,
    Expired,
}

impl AuthView {
    /// None where attempts say nothing but their signature.
    pub(super) fn of(spec: Option<AuthSpec>, certificate: Option<&str>, now: Instant) -> Option<Self> {
        let client_certificate = CertificateView::all(certificate, now).into_iter().next();
        if spec.is_none() && client_certificate.is_none() {
            return None;
        }
        Some(Self {
            kind: spec.map(KindView::of),
            client_certificate,
        })
    }
}

impl KindView {
    fn of(spec: AuthSpec) -> Self {
        match spec {
            AuthSpec::Basic { username } => Self::Basic { username },
            AuthSpec::Bearer => Self::Bearer {},
            AuthSpec::Header { name } => Self::Header { name },
            AuthSpec::Oauth2(client) => Self::Oauth2 {
                token_url: client.token_url,
                client_id: client.client_id,
                scope: client.scope,
                audience: client.audience,
            },
        }
    }
}

impl CertificateView {
    /// Those in a PEM that was checked when it was saved.
    pub(super) fn all(pem: Option<&str>, now: Instant) -> Vec<Self> {
        let read = pem.map(Certificates::read).and_then(Result::ok);
        let shown = read.as_ref().map(Certificates::shown).unwrap_or_default();
        shown
            .iter()
            .map(|certificate| Self::of(certificate, now))
            .collect()
    }

    fn of(certificate: &Certificate, now: Instant) -> Self {
        let at = |seconds: i64| Instant::from_unix_micros(seconds.saturating_mul(1_000_000));
        let expires_at = at(certificate.not_after);
        Self {
            subject: certificate.subject.clone(),
            fingerprint: certificate.fingerprint.clone(),
            not_before: at(certificate.not_before),
            expires_at,
            state: if now > expires_at {
                CertificateState::Expired
            } else if now + NOTICE > expires_at {
                CertificateState::Expiring
            } else {
                CertificateState::Valid
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_expiring_for_thirty_days_before_its_end() {
        let certificate = Certificate {
            subject: "CN=shop".to_owned(),
            not_before: 0,
            not_after: 100 * 86_400,
            fingerprint: "ab".repeat(32),
        };
        let state = |days: i64| {
            let now = Instant::from_unix_micros(days * 86_400 * 1_000_000);
            CertificateView::of(&certificate, now).state
        };
        assert_eq!(state(69), CertificateState::Valid);
        assert_eq!(state(71), CertificateState::Expiring);
        assert_eq!(state(101), CertificateState::Expired);
    }
}
