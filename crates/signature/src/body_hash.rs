//! A hash of the body in a signed part of the request: how Twilio signs bodies that are not forms.

use ring::digest::{SHA256, digest};
use serde::Deserialize;

use crate::algorithm::is_equal;
use crate::decode::Encoding;
use crate::reason::Reason;
use crate::request::Request;
use crate::select::Selector;

/// The compiled `body_hash:` of a scheme.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodyHash {
    pub(crate) from: Selector,
    #[serde(default, rename = "hash")]
    _hash: HashName,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum HashName {
    #[default]
    Sha256,
}

impl BodyHash {
    /// Whether the body has the hash that the request names, if it names one.
    pub(crate) fn matches(&self, request: &Request<'_>) -> Result<Option<bool>, Reason> {
        let Some(text) = self.from.find(request, &[])? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&text).ok();
        let named = text
            .and_then(|text| self.encoding.decode(text))
            .ok_or(Reason::SignatureMalformed)?;
        Ok(Some(is_equal(digest(&SHA256, request.body).as_ref(), &named)))
    }
}
