//! The signatures that data cannot describe: keys fetched by URL, and canonical forms.
//!
//! A file each. They give the same reasons in the same order as the interpreter, and take notes on
//! the same trail. Contentful and Plivo only make the content; the rest of theirs is a scheme.

use crate::key::Secret;
use crate::reason::Reason;
use crate::request::Request;
use crate::verdict::Check;

use jwt::JwtRule;

mod adyen_payments;
pub(crate) mod aws_sns;
mod braintree;
pub(crate) mod contentful;
pub(crate) mod jwt;
mod paypal;
pub(crate) mod plivo;
mod published_key;

/// A verifier that is code from end to end.
#[derive(Debug, Clone)]
pub(crate) enum Code {
    AwsSns,
    Paypal,
    AdyenPayments,
    Braintree,
    Jwt(Box<JwtRule>),
    /// The provider's keys are out of reach, so nothing is valid. Such a source records.
    Unverifiable,
}

impl Code {
    pub(crate) fn verify(&self, check: &mut Check<'_>) -> Result<Option<usize>, Reason> {
        match self {
            Self::AwsSns => aws_sns::verify(check),
            Self::Paypal => paypal::verify(check).map(Some),
            Self::AdyenPayments => adyen_payments::verify(check).map(Some),
            Self::Braintree => braintree::verify(check).map(Some),
            Self::Jwt(rule) => rule.verify(check).map(Some),
            Self::Unverifiable => {
                check.trail.note("key", || {
                    "the provider gives its keys to its own clients only".to_owned()
                });
                Err(Reason::KeyUntrusted)
            }
        }
    }

    pub(crate) fn key_url(
        &self,
        request: &Request<'_>,
        secrets: &[Secret],
    ) -> Result<Option<String>, Reason> {
        match self {
            Self::AwsSns => aws_sns::key_url(request, secrets),
            Self::Paypal => paypal::key_url(request, secrets),
            Self::AdyenPayments | Self::Braintree | Self::Jwt(_) | Self::Unverifiable => Ok(None),
        }
    }

    pub(crate) fn authenticates_body(&self) -> bool {
        match self {
            Self::AwsSns | Self::Paypal | Self::Braintree => true,
            Self::Jwt(rule) => rule.authenticates_body(),
            Self::AdyenPayments | Self::Unverifiable => false,
        }
    }

    /// False where the key is Amazon's to publish, and where there is no key to be had.
    pub(crate) fn needs_secret(&self) -> bool {
        match self {
            Self::AwsSns | Self::Unverifiable => false,
            Self::Paypal | Self::AdyenPayments | Self::Braintree | Self::Jwt(_) => true,
        }
    }

    pub(crate) fn check_secret(&self, secret: &Secret) -> Result<(), &'static str> {
        match self {
            Self::AwsSns => aws_sns::check_secret(secret),
            Self::Paypal => paypal::check_secret(secret),
            Self::AdyenPayments => adyen_payments::check_secret(secret),
            Self::Braintree => braintree::check_secret(secret),
            Self::Jwt(_) if secret.text().is_empty() => Err("it is empty"),
            Self::Jwt(_) | Self::Unverifiable => Ok(()),
        }
    }
}
