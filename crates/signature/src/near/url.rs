//! URLs that the sender may have had instead of this one.

use std::borrow::Cow;

use super::Alternative;
use crate::profile::Profile;
use crate::request::Request;
use crate::url::Parts;

const WAY_OUT: &str = "the sender signs the URL that it has: set gateway.public_url (HOOKYARD__GATEWAY__PUBLIC_URL) so that \
                       the source's URL is this one";

/// Headers in which proxies note what they were asked for.
const HOSTS: [&str; 4] = [
    "X-Forwarded-Host",
    "X-Original-Host",
    "X-Forwarded-Server",
    "Host",
];
const PATHS: [&str; 3] = ["X-Original-URI", "X-Original-URL", "X-Forwarded-Uri"];

/// The URL as it is, and as it may have been on the other side of a proxy; nothing else where no URL is signed.
pub(super) fn alternatives<'a>(profile: &Profile, request: &Request<'a>) -> Vec<Alternative<Cow<'a, str>>> {
    let mut all = vec![Alternative::as_it_is(Cow::Borrowed(request.url))];
    if !profile.signs_url() {
        return all;
    }
    for url in candidates(request) {
        if all.iter().all(|known| known.value != url) {
            let what = format!("the URL {url}");
            all.push(Alternative::new(Cow::Owned(url), what, WAY_OUT));
        }
    }
    all
}

fn candidates(request: &Request<'_>) -> Vec<String> {
    let parts = Parts::of(request.url);
    let authority = match parts.port {
        Some(port) => format!("{}:{port}", parts.host),
        None => parts.host.to_owned(),
    };
    let mut authorities = vec![authority, parts.host.to_owned()];
    authorities.extend(HOSTS.iter().filter_map(|name| first(request, name)));
    let mut paths = vec![parts.path.to_owned()];
    paths.extend(PATHS.iter().filter_map(|name| first(request, name)));
    if let Some(prefix) = first(request, "X-Forwarded-Prefix") {
        paths.push(format!("{}{}", prefix.trim_end_matches('/'), parts.path));
    }
    paths.push(match parts.path.strip_suffix('/') {
        Some(path) => path.to_owned(),
        None => format!("{}/", parts.path),
    });
    let query = if parts.query.is_empty() {
        String::new()
    } else {
        format!("?{}", parts.query)
    };
    let mut urls = Vec::new();
    for authority in &authorities {
        for path in &paths {
            for scheme in ["https", "http"] {
                let base = format!("{scheme}://{authority}{path}");
                urls.push(if path.contains('?') {
                    base.clone()
                } else {
                    format!("{base}{query}")
                });
                urls.push(base);
            }
        }
    }
    urls
}

/// A header's value, or the first of a list in it.
fn first(request: &Request<'_>, name: &str) -> Option<String> {
    let value = std::str::from_utf8(request.header(name).ok()??).ok()?;
    let value = value.split(',').next()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}
