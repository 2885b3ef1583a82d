//! `hookyard keys`: keys that an operator needs before anything runs.

use crate::arguments::Keys;
use crate::screen::Screen;
use anyhow::ensure;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use store::KeyRing;
use wire::Instant;

/// The key itself goes to standard output, so that it can be put where it is kept; the rest is a note.
pub(crate) fn run(keys: Keys, screen: Screen) -> anyhow::Result<()> {
    let Keys::Generate { id } = keys;
    let id = id.unwrap_or_else(today);
    let key = master_key(&id)?;
    screen.show(&json!({"masterKey": key.expose_secret()}), |_| {
        key.expose_secret().to_owned()
    })?;
    screen.note(
        "Give it to every service as HOOKYARD__SECRETS__MASTER_KEYS (or a file, …__MASTER_KEYS_FILE), and keep a copy: \
         without it the secrets in the ledger cannot be read. To rotate, put the new key before the old one.",
    );
    Ok(())
}

/// A new master key of this name.
pub(crate) fn master_key(id: &str) -> anyhow::Result<SecretString> {
    let key = KeyRing::new_key(id, rand::random());
    let parsed = KeyRing::parse(std::slice::from_ref(&key)).is_ok();
    ensure!(
        parsed && !id.contains([':', ',', '\n']),
        "`{id}` cannot name a key: a name has 1 to 64 bytes, and no colon, comma or line break"
    );
    Ok(key)
}

/// Keys are told apart by the day they were made on.
fn today() -> String {
    Instant::now()
        .to_string()
        .chars()
        .take(10)
        .filter(char::is_ascii_digit)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_one_that_the_services_take() {
        let key = master_key(&today()).unwrap();
        assert!(KeyRing::parse(&[key]).is_ok());
    }

    #[test]
    fn two_keys_are_never_the_same() {
        let keys = [master_key("a").unwrap(), master_key("a").unwrap()];
        assert_ne!(keys[0].expose_secret(), keys[1].expose_secret());
    }

    #[test]
    fn a_name_that_the_setting_could_not_hold_is_refused() {
        for bad in ["", "a:b", "a,b", &"x".repeat(65)] {
            assert!(master_key(bad).is_err(), "{bad}");
        }
    }
}
