//! API keys: who sends at doors 3 and 7.

use crate::problem::Problem;
use crate::sources::REMEMBERED;
use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use broker::Generation;
use moka::future::Cache;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use store::{ApiKey, Store};
use wire::resource::KeyScope;

/// Longer texts are no keys of ours.
const LONGEST_KEY: usize = 512;

/// A known key.
#[derive(Debug)]
pub(crate) struct KnownKey {
    pub(crate) key: ApiKey,
    /// Whether its workspace accepts.
    accepting: bool,
}

/// Keys by their hash, remembered for a while, also that there is none.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    store: Store,
    generation: Generation,
    known: Cache<(u64, [u8; 32]), Option<Arc<KnownKey>>>,
}

impl Keys {
    pub(crate) fn new(store: Store, generation: Generation, ttl: Duration) -> Self {
        Self {
            store,
            generation,
            known: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(ttl)
                .build(),
        }
    }

    /// The key that a request shows, if it may do what `scope` says.
    ///
    /// A missing, malformed and unknown key are the same 401. A key of a closed workspace finds nothing: 404.
    pub(crate) async fn authenticate(
        &self,
        request: &HttpRequest,
        scope: KeyScope,
    ) -> Result<Arc<KnownKey>, Problem> {
        let shown = bearer(request).ok_or(Problem::UnknownKey)?;
        let hash: [u8; 32] = Sha256::digest(shown).into();
        let read = async {
            let found = self.store.api_key(hash).await?;
            Ok(found.map(|(key, accepting)| Arc::new(KnownKey { key, accepting })))
        };
        let known = self.known.try_get_with((self.generation.now(), hash), read).await;
        let known = known
            .map_err(|error: Arc<store::Error>| crate::doors::lookup_failed(&error))?
            .ok_or(Problem::UnknownKey)?;
        if !known.accepting {
            return Err(Problem::NotFound);
        }
        if !known.key.spec.enabled {
            return Err(Problem::KeyDisabled);
        }
        if !known.key.spec.scopes.contains(&scope) {
            return Err(Problem::InsufficientScope(scope));
        }
        Ok(known)
    }
}

/// The one key of `Authorization: Bearer nhk_…` (RFC 6750 §2.1; the scheme's case does not matter).
fn bearer(request: &HttpRequest) -> Option<&[u8]> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, key) = value.as_bytes().split_at_checked(7)?;
    let key = key.trim_ascii();
    let is_key = scheme.eq_ignore_ascii_case(b"bearer ")
        && key.starts_with(b"nhk_")
        && key.len() <= LONGEST_KEY
        && key.iter().all(u8::is_ascii_graphic);
    is_key.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn shown(values: &[&str]) -> Option<Vec<u8>> {
        let mut request = TestRequest::default();
        for value in values {
            request = request.append_header((AUTHORIZATION, *value));
        }
        bearer(&request.to_http_request()).map(<[u8]>::to_vec)
    }

    #[test]
    fn a_key_is_shown_once_as_a_bearer() {
        assert_eq!(shown(&["Bearer nhk_us_a"]).as_deref(), Some(&b"nhk_us_a"[..]));
        assert_eq!(shown(&["bearer  nhk_a "]).as_deref(), Some(&b"nhk_a"[..]));
        for bad in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["nhk_a"],
            &["Basic nhk_a"],
            &["Bearer nhm_a"],
            &["Bearer nhk_a nhk_b"],
            &["Bearer nhk_a", "Bearer nhk_a"],
            &["Bearer nhk_\u{e4}"],
        ] {
            assert_eq!(shown(bad), None, "{bad:?}");
        }
        assert_eq!(shown(&[&format!("Bearer nhk_{}", "a".repeat(600))]), None);
    }
}
