//! Schemes that the sender may follow instead of this one.

use std::borrow::Cow;

use super::Alternative;
use crate::algorithm::Algorithm;
use crate::clock::Unit;
use crate::decode::Encoding;
use crate::field::Shape;
use crate::key::KeyEncoding;
use crate::profile::{Profile, Verifier};
use crate::verify::Scheme;

const WAY_OUT: &str =
    "the provider is the wrong one, or the sender changed its signatures: choose another, or write a scheme";

/// Prefixes that senders put before a signature.
const PREFIXES: [&str; 5] = ["", "sha256=", "sha1=", "v0=", "v1="];

/// The profile as it is, and each with one thing that is easily confused.
pub(super) fn alternatives(profile: &Profile) -> Vec<Alternative<Cow<'_, Profile>>> {
    let mut all = vec![Alternative::as_it_is(Cow::Borrowed(profile))];
    let Verifier::Scheme(scheme) = &profile.verifier else {
        return all;
    };
    let mut add = |what: String, change: &dyn Fn(&mut Scheme)| {
        let mut scheme = scheme.clone();
        change(&mut scheme);
        let changed = Profile {
            verifier: Verifier::Scheme(scheme),
            ..profile.clone()
        };
        all.push(Alternative::new(Cow::Owned(changed), what, WAY_OUT));
    };
    if scheme.algorithm.reveals_the_secret() {
        return all;
    }
    for (encoding, name) in [
        (KeyEncoding::Utf8, "text"),
        (KeyEncoding::Hex, "hexadecimal"),
        (KeyEncoding::Base64, "base64"),
    ] {
        if scheme.key.encoding != encoding {
            add(format!("the secret taken for {name} (key.encoding)"), &|scheme| {
                scheme.key.encoding = encoding;
            });
        }
    }
    for (algorithm, name) in [
        (Algorithm::HmacSha1, "hmac-sha1"),
        (Algorithm::HmacSha256, "hmac-sha256"),
        (Algorithm::HmacSha384, "hmac-sha384"),
        (Algorithm::HmacSha512, "hmac-sha512"),
    ] {
        if scheme.algorithm.is_hmac() && scheme.algorithm != algorithm {
            add(format!("the algorithm {name}"), &|scheme| {
                scheme.algorithm = algorithm;
            });
        }
    }
    for (encoding, name) in [
        (Encoding::Hex, "hexadecimal"),
        (Encoding::Base64, "base64"),
        (Encoding::Base64url, "base64url"),
    ] {
        if scheme.signature.encoding != encoding {
            add(format!("the signature taken for {name}"), &|scheme| {
                scheme.signature.encoding = encoding;
            });
        }
    }
    if let Shape::Plain { prefix } = &scheme.signature.shape {
        for other in PREFIXES.into_iter().filter(|other| other != prefix) {
            let what = match other {
                "" => "a signature without a prefix".to_owned(),
                other => format!("a signature behind `{other}`"),
            };
            add(what, &|scheme| {
                scheme.signature.shape = Shape::Plain {
                    prefix: other.to_owned(),
                };
            });
        }
    }
    if scheme
        .timestamp
        .as_ref()
        .is_some_and(|rule| rule.unit != Unit::Auto)
    {
        add(
            "a timestamp in another unit (timestamp.unit)".to_owned(),
            &|scheme| {
                if let Some(rule) = &mut scheme.timestamp {
                    rule.unit = Unit::Auto;
                }
            },
        );
    }
    all
}
