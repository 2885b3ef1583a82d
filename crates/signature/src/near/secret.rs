//! Secrets that may have been meant instead of these.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use super::Alternative;
use crate::decode::Encoding;
use crate::key::Secret;

const COPIED: &str = "the secret was copied with more than itself: store it again";
const ENCODED: &str =
    "the secret was stored in another form than the sender's: store it as the sender shows it";

type Change = fn(&str) -> Option<String>;

/// What is done to a secret, how it is called, and the way out.
const CHANGES: [(Change, &str, &str); 10] = [
    (
        |text| Some(text.trim().to_owned()),
        "the secret without the blanks around it",
        COPIED,
    ),
    (
        |text| Some(text.split_whitespace().collect()),
        "the secret without the blanks in it",
        COPIED,
    ),
    (unquoted, "the secret without its quotes", COPIED),
    (
        |text| text.trim().strip_prefix("whsec_").map(str::to_owned),
        "the secret without `whsec_`",
        ENCODED,
    ),
    (
        |text| Some(format!("whsec_{}", text.trim())),
        "the secret with `whsec_` before it",
        ENCODED,
    ),
    (
        |text| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned()),
        "the secret with its percent escapes undone",
        ENCODED,
    ),
    (padded, "the secret as padded base64", ENCODED),
    (
        |text| String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok(),
        "the secret decoded from base64",
        ENCODED,
    ),
    (
        |text| Some(STANDARD.encode(text.trim())),
        "the secret encoded in base64",
        ENCODED,
    ),
    (
        |text| String::from_utf8(hex::decode(text.trim()).ok()?).ok(),
        "the secret decoded from hexadecimal",
        ENCODED,
    ),
];

/// The secrets as they are, and what they may have been before somebody copied them.
pub(super) fn alternatives(secrets: &[Secret]) -> Vec<Alternative<Cow<'_, [Secret]>>> {
    let mut all = vec![Alternative::as_it_is(Cow::Borrowed(secrets))];
    for (change, what, way_out) in CHANGES {
        let changed = secrets.iter().filter_map(|secret| {
            let text = change(secret.text()).filter(|text| text != secret.text() && !text.is_empty())?;
            Some(Secret::new(secret.id.clone(), text))
        });
        let changed: Vec<Secret> = changed.collect();
        if !changed.is_empty() {
            all.push(Alternative::new(Cow::Owned(changed), what, way_out));
        }
    }
    all
}

fn unquoted(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = ['"', '\'', '`']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    inner.map(str::to_owned)
}

/// Base64 that lost its padding, or has the alphabet of URLs.
fn padded(text: &str) -> Option<String> {
    let text = text.trim();
    let (prefix, encoded) = match text.strip_prefix("whsec_") {
        Some(encoded) => ("whsec_", encoded),
        None => ("", text),
    };
    let bytes = Encoding::Base64url.decode(&encoded.replace('+', "-").replace('/', "_"))?;
    Some(format!("{prefix}{}", STANDARD.encode(bytes)))
}
