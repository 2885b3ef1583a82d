//! Certificates of endpoints: the one that attempts show, `auth.client_certificate: {certificate: …, key: …}`, and the
//! authorities that a receiver's own may come from, `ca: …`. Both are PEM.
//!
//! What is wrong is told when it is saved, at the part that is wrong: at three in the morning a receiver says no more than
//! that it ended the handshake.

use super::Fields;
use super::value::{Refused, any_text};
use egress::Certificates;
use secrecy::SecretString;
use serde_json::Value;
use wire::Instant;

/// What a document says about the certificate that attempts show.
#[derive(Debug, Default)]
pub(crate) enum Said {
    /// Nothing: it stays as it is.
    #[default]
    Nothing,
    /// There is none.
    None,
    /// This one.
    This {
        /// The chain, PEM, its own certificate first.
        certificate: String,
        /// Its private key, PEM.
        key: SecretString,
    },
}

/// Reads `{certificate: …, key: …}`.
pub(super) fn read_client(fields: &mut Fields<'_>, now: Instant) -> Option<Said> {
    let certificates = fields.required("certificate", |value| read(value, now));
    let key = fields.required("key", |value| {
        let key = any_text(value)?;
        if let Some(certificates) = &certificates {
            egress::check_key(certificates, key)?;
        }
        Ok(SecretString::from(key.trim()))
    });
    Some(Said::This {
        certificate: certificates?.to_pem(),
        key: key?,
    })
}

/// Reads the authorities of an endpoint.
pub(super) fn authorities(value: &Value, now: Instant) -> Result<String, Refused> {
    let certificates = read(value, now)?;
    egress::check_authorities(&certificates)?;
    Ok(certificates.to_pem())
}

fn read(value: &Value, now: Instant) -> Result<Certificates, Refused> {
    let certificates = Certificates::read(any_text(value)?)?;
    certificates.check_dates(now.unix_seconds())?;
    Ok(certificates)
}
