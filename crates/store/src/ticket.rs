//! Tickets: how one service of an installation shows another that it belongs to it.
//!
//! All services have the same master keys, so a ticket is an errand and a time sealed under them: it needs no secret of
//! its own, is good for one errand and for minutes, and follows the rotation of the keys.

use crate::{Error, Store};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use wire::Instant;

/// How far a ticket's time may be from now, either way: for the trip, and for clocks that differ.
const GOOD_FOR: Duration = Duration::from_mins(2);

impl Store {
    /// A ticket for an errand, such as `POST /internal/rejections/rej_…/accept`.
    pub fn ticket(&self, errand: &str, now: Instant) -> Result<SecretString, Error> {
        let time = now.unix_micros().to_be_bytes();
        let sealed = self.keyring.seal(&place(errand), &time, rand::random())?;
        Ok(URL_SAFE_NO_PAD.encode(sealed).into())
    }

    /// Whether a ticket is for this errand, of this installation, and not of another time.
    pub fn is_ticket(&self, ticket: &SecretString, errand: &str, now: Instant) -> bool {
        let open = || {
            let sealed = URL_SAFE_NO_PAD.decode(ticket.expose_secret()).ok()?;
            let time = self.keyring.open(&place(errand), &sealed).ok()?;
            let made = Instant::from_unix_micros(i64::from_be_bytes(time.as_slice().try_into().ok()?));
            Some(made + GOOD_FOR >= now && made <= now + GOOD_FOR)
        };
        open().unwrap_or(false)
    }
}

fn place(errand: &str) -> String {
    crate::catalog::place("tickets", errand, "time")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyRing, Settings};

    async fn store(keys: &[(&str, u8)]) -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<SecretString> = keys
            .iter()
            .map(|(id, byte)| KeyRing::new_key(id, [*byte; 32]))
            .collect();
        let settings = Settings {
            url: format!("sqlite:{}/ledger.db", folder.path().display()).into(),
            max_connections: 1,
            acquire_timeout: Duration::from_secs(5),
        };
        let store = Store::connect(settings, KeyRing::parse(&keys).unwrap());
        (store.await.unwrap(), folder)
    }

    #[tokio::test]
    async fn a_ticket_is_good_for_its_errand_at_its_time() {
        let (store, _folder) = store(&[("one", 1)]).await;
        let now = Instant::now();
        let ticket = store.ticket("POST /a", now).unwrap();
        assert!(store.is_ticket(&ticket, "POST /a", now));
        assert!(store.is_ticket(&ticket, "POST /a", now + Duration::from_secs(119)));
        assert!(!store.is_ticket(&ticket, "POST /b", now));
        assert!(!store.is_ticket(&ticket, "POST /a", now + Duration::from_secs(121)));
        let early = store.ticket("POST /a", now + Duration::from_secs(121)).unwrap();
        assert!(!store.is_ticket(&early, "POST /a", now));
        for forged in ["", "AAAA", "no ticket"] {
            assert!(!store.is_ticket(&forged.into(), "POST /a", now), "{forged}");
        }
    }

    #[tokio::test]
    async fn a_ticket_follows_the_master_keys() {
        let (old, _one) = store(&[("one", 1)]).await;
        let (rotated, _two) = store(&[("two", 2), ("one", 1)]).await;
        let (stranger, _three) = store(&[("one", 3)]).await;
        let (keyless, _four) = store(&[]).await;
        let now = Instant::now();
        let ticket = old.ticket("errand", now).unwrap();
        assert!(rotated.is_ticket(&ticket, "errand", now));
        assert!(!stranger.is_ticket(&ticket, "errand", now));
        assert!(!keyless.is_ticket(&ticket, "errand", now));
        assert!(keyless.ticket("errand", now).is_err());
    }
}
