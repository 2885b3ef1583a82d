//! Contentful's canonical request: method, path, the headers that the request says are signed, body.
//!
//! The timestamp and the list of signed headers are always among the signed ones, whatever the list
//! says, so neither can be changed. The rest of the verification is an ordinary scheme.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::reason::Reason;
use crate::request::Request;
use crate::url::Parts;

const SIGNED_HEADERS: &str = "x-contentful-signed-headers";
const TIMESTAMP: &str = "x-contentful-timestamp";

/// What `encodeURIComponent` escapes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What `encodeURI` escapes: less, but still the percent sign.
const URI: &AsciiSet = &COMPONENT
    .remove(b';')
    .remove(b',')
    .remove(b'/')
    .remove(b'?')
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b'#');

/// The signed content.
pub(crate) fn canonical(request: &Request<'_>) -> Result<Vec<u8>, Reason> {
    let listed = request.header(SIGNED_HEADERS)?.ok_or(Reason::FieldMissing)?;
    let listed = std::str::from_utf8(listed)
        .ok()
        .ok_or(Reason::SignatureMalformed)?;
    let mut names: Vec<String> = listed
        .split(',')
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .collect();
    names.extend([SIGNED_HEADERS.to_owned(), TIMESTAMP.to_owned()]);
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();

    let mut canonical = Vec::with_capacity(request.body.len().saturating_add(512));
    canonical.extend_from_slice(request.method.as_bytes());
    canonical.push(b'\n');
    canonical.extend_from_slice(path(request.url).as_bytes());
    canonical.push(b'\n');
    let signed_headers = names.join(",");
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            canonical.push(b';');
        }
        canonical.extend_from_slice(name.as_bytes());
        canonical.push(b':');
        let value = match name.as_str() {
            SIGNED_HEADERS => signed_headers.as_bytes(),
            name => request.header(name)?.ok_or(Reason::FieldMissing)?,
        };
        canonical.extend_from_slice(value);
    }
    canonical.push(b'\n');
    canonical.extend_from_slice(request.body);
    Ok(canonical)
}

/// The path as Contentful's toolkit escapes it; the query is escaped twice, and so are we.
fn path(url: &str) -> String {
    let parts = Parts::of(url);
    let path = utf8_percent_encode(parts.path, URI).to_string();
    if parts.query.is_empty() {
        return path;
    }
    let query = utf8_percent_encode(parts.query, COMPONENT).to_string();
    format!("{path}?{}", utf8_percent_encode(&query, URI))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_escaped_as_the_toolkit_does() {
        assert_eq!(path("https://h/a/b"), "/a/b");
        assert_eq!(path("https://h/a%20b?c=d"), "/a%2520b?c%253Dd");
    }

    #[test]
    fn the_headers_are_sorted_and_the_list_is_rewritten() {
        let headers: [(&str, &[u8]); 3] = [
            ("X-Contentful-Signed-Headers", b"x-b, X-Contentful-Timestamp"),
            ("x-contentful-timestamp", b"1"),
            ("X-B", b" two "),
        ];
        let request = Request {
            method: "POST",
            url: "https://h/p",
            headers: &headers,
            body: b"{}",
        };
        let expected = "POST\n/p\nx-b:two;x-contentful-signed-headers:x-b,x-contentful-signed-headers,\
                        x-contentful-timestamp;x-contentful-timestamp:1\n{}";
        assert_eq!(canonical(&request), Ok(expected.as_bytes().to_vec()));
    }
}
