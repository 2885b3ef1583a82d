//! Plivo's content for signatures of version 3: the URL with its query sorted, the form sorted, and a nonce.
//!
//! The rest of the verification is an ordinary scheme.

use crate::form;
use crate::reason::Reason;
use crate::request::Request;
use crate::url::Parts;

/// `url[?sorted query]` and, for a form, `?[sorted query.]sorted form`; then `.nonce`.
pub(crate) fn canonical(request: &Request<'_>) -> Result<Vec<u8>, Reason> {
    let nonce = request
        .header("X-Plivo-Signature-V3-Nonce")?
        .filter(|nonce| !nonce.is_empty());
    let nonce = nonce.ok_or(Reason::FieldMissing)?;
    let parts = Parts::of(request.url);
    let query = form::sorted(parts.query.as_bytes());
    let fields = if request.method == "GET" {
        Vec::new()
    } else {
        form::sorted(request.form_body())
    };

    let mut canonical = parts.without_query().into_bytes();
    if !query.is_empty() || !fields.is_empty() {
        canonical.push(b'?');
    }
    for (index, (key, value)) in query.iter().enumerate() {
        if index > 0 {
            canonical.push(b'&');
        }
        canonical.extend_from_slice(key);
        canonical.push(b'=');
        canonical.extend_from_slice(value);
    }
    if !query.is_empty() && !fields.is_empty() {
        canonical.push(b'.');
    }
    for (key, value) in &fields {
        canonical.extend_from_slice(key);
        canonical.extend_from_slice(value);
    }
    canonical.push(b'.');
    canonical.extend_from_slice(nonce);
    Ok(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(method: &str, url: &str, body: &[u8]) -> String {
        let headers: [(&str, &[u8]); 1] = [("X-Plivo-Signature-V3-Nonce", b"n")];
        let request = Request {
            method,
            url,
            headers: &headers,
            body,
        };
        String::from_utf8(canonical(&request).expect("a nonce is there")).expect("text")
    }

    #[test]
    fn query_and_form_are_sorted_and_joined_as_plivo_does() {
        assert_eq!(
            content("POST", "https://h/p", b"b=2&a=1&a=0"),
            "https://h/p?a0a1b2.n"
        );
        assert_eq!(
            content("POST", "https://h/p?d=4&c=%33", b"a=1"),
            "https://h/p?c=3&d=4.a1.n"
        );
        assert_eq!(
            content("POST", "https://h/p?d=4&c=3", b""),
            "https://h/p?c=3&d=4.n"
        );
        assert_eq!(
            content("GET", "https://h/p?d=4&c=3", b"a=1"),
            "https://h/p?c=3&d=4.n"
        );
        assert_eq!(content("GET", "https://h/p", b""), "https://h/p.n");
    }
}
