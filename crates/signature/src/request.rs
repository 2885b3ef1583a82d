//! The request as the verifier sees it: raw bytes, nothing normalised, nothing joined.

use std::borrow::Cow;

use crate::{form, url};

/// One inbound HTTP request, borrowed from whoever received it.
///
/// `headers` keeps every line in order, repeated names included: a joined header would hide the
/// second value from the duplicate check. `url` is the public URL that the sender used, built from
/// the configured base URL and never from `Host`.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method in upper case, such as `POST`.
    pub method: &'a str,
    /// The public URL with its query string.
    pub url: &'a str,
    /// Names and values as received. Names are compared without regard to case.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The exact bytes of the body.
    pub body: &'a [u8],
}

/// A name occurred more than once where exactly one value was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeated;

impl<'a> Request<'a> {
    /// Every value whose header name `accepts` says yes to, without surrounding blanks.
    pub(crate) fn headers_where(
        &self,
        accepts: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.headers
            .iter()
            .filter(move |(name, _)| accepts(name))
            .map(|(name, value)| (*name, value.trim_ascii()))
    }

    /// The value of the one header called `name`.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        only(
            self.headers_where(|other| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| value),
        )
    }

    /// The decoded value of the one query parameter called `name`.
    pub(crate) fn query(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, Repeated> {
        only(named(
            form::pairs(url::Parts::of(self.url).query.as_bytes()),
            name,
        ))
    }

    /// The decoded value of the one form field called `name`.
    pub(crate) fn form(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, Repeated> {
        only(named(form::pairs(self.form_body()), name))
    }

    /// The body, if it can be a form: a JSON text that happens to contain `&` and `=` is not one.
    pub(crate) fn form_body(&self) -> &'a [u8] {
        match self.header("content-type") {
            Ok(None) => self.body,
            Ok(Some(kind)) if is_form(kind) => self.body,
            Ok(Some(_)) | Err(Repeated) => &[],
        }
    }
}

/// The only item of `found`, or nothing; a second item is refused.
pub(crate) fn only<T>(mut found: impl Iterator<Item = T>) -> Result<Option<T>, Repeated> {
    let first = found.next();
    if found.next().is_some() {
        Err(Repeated)
    } else {
        Ok(first)
    }
}

fn named<'a>(
    pairs: impl Iterator<Item = (Cow<'a, [u8]>, Cow<'a, [u8]>)>,
    name: &str,
) -> impl Iterator<Item = Cow<'a, [u8]>> {
    pairs
        .filter(move |(key, _)| key.as_ref() == name.as_bytes())
        .map(|(_, value)| value)
}

fn is_form(content_type: &[u8]) -> bool {
    let kind = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    kind.trim_ascii()
        .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}
