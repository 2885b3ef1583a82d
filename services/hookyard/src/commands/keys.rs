//! `hookyard keys`: the master keys, from their making to their retirement.

use super::migrate::settings;
use crate::arguments::{Keys, SettingsFrom};
use crate::screen::{BAD, Screen, plain, styled, table};
use anyhow::{Context as _, ensure};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;
use std::process::ExitCode;
use store::{KeyRing, KeyUse, Store};
use wire::Instant;

pub(crate) async fn run(keys: Keys, screen: Screen) -> anyhow::Result<ExitCode> {
    match keys {
        Keys::Generate { id } => generate(id, screen),
        Keys::Status(from) => status(&from, screen).await,
        Keys::Reseal(from) => reseal(&from, screen).await,
    }
}

/// The key itself goes to standard output, so that it can be put where it is kept; the rest is a note.
fn generate(id: Option<String>, screen: Screen) -> anyhow::Result<ExitCode> {
    let id = id.unwrap_or_else(today);
    let key = master_key(&id)?;
    screen.show(&json!({"masterKey": key.expose_secret()}), |_| {
        key.expose_secret().to_owned()
    })?;
    screen.note(
        "Give it to every service as HOOKYARD__SECRETS__MASTER_KEYS (or a file, …__MASTER_KEYS_FILE), and keep a copy: \
         without it the secrets in the ledger cannot be read. To rotate, put the new key before the old one, and see \
         `hookyard keys reseal --help`.",
    );
    Ok(ExitCode::SUCCESS)
}

/// What a key holds, as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    id: String,
    values: u64,
    standing: Standing,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Standing {
    /// It is the first.
    Seals,
    /// It opens what is still under it.
    Opens,
    /// It holds nothing any more.
    Retired,
    /// It is not in the settings, so what it holds cannot be read.
    Missing,
}

impl Held {
    fn of(key: KeyUse) -> Self {
        let standing = match key.position {
            Some(0) => Standing::Seals,
            Some(_) if key.values > 0 => Standing::Opens,
            Some(_) => Standing::Retired,
            None => Standing::Missing,
        };
        Self {
            id: key.id,
            values: key.values,
            standing,
        }
    }

    fn cells(&self) -> Vec<String> {
        let standing = match self.standing {
            Standing::Seals => "seals what is new",
            Standing::Opens => "is needed until `hookyard keys reseal` has run",
            Standing::Retired => "holds nothing: it can be taken out of the settings",
            Standing::Missing => "is not in the settings: what it holds cannot be read",
        };
        vec![self.id.clone(), self.values.to_string(), standing.to_owned()]
    }
}

async fn status(from: &SettingsFrom, screen: Screen) -> anyhow::Result<ExitCode> {
    let store = ledger(from).await?;
    let spinner = screen.waiting("counting");
    let held = held(&store).await;
    spinner.finish_and_clear();
    let held = held?;
    screen.show(&json!({"keys": held}), |_| text(&held))?;
    let is_missing = held.iter().any(|key| key.standing == Standing::Missing);
    Ok(exit_code(!is_missing))
}

fn text(held: &[Held]) -> String {
    table(&["key", "secrets", ""], held.iter().map(Held::cells))
}

async fn held(store: &Store) -> anyhow::Result<Vec<Held>> {
    let uses = store.key_uses().await.context("the secrets were not counted")?;
    Ok(uses.into_iter().map(Held::of).collect())
}

/// What sealing anew came to, as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    resealed: u64,
    failed: u64,
    failures: Vec<String>,
    keys: Vec<Held>,
}

async fn reseal(from: &SettingsFrom, screen: Screen) -> anyhow::Result<ExitCode> {
    let store = ledger(from).await?;
    let before = held(&store).await?;
    let bar = screen.progress(before.iter().map(|key| key.values).sum());
    let resealed = store.reseal(|seen| bar.inc(seen)).await;
    bar.finish_and_clear();
    let resealed = resealed.context("not all was sealed anew; what was done stays, so run it again")?;
    let done = Done {
        resealed: resealed.resealed,
        failed: resealed.failed,
        failures: resealed.failures.iter().map(ToString::to_string).collect(),
        keys: held(&store).await?,
    };
    screen.show(&done, Done::text)?;
    Ok(exit_code(done.failed == 0))
}

impl Done {
    fn text(&self) -> String {
        let mut lines = vec![format!("{} secrets were sealed anew", self.resealed)];
        if self.failed > 0 {
            let count = format!("{} were not, and stay as they are", self.failed);
            lines.push(styled(BAD, count));
            lines.extend(
                self.failures
                    .iter()
                    .map(|failure| format!("  {}", plain(failure))),
            );
        }
        lines.push(text(&self.keys));
        lines.join("\n")
    }
}

/// The ledger with its keys, as a service opens it.
async fn ledger(from: &SettingsFrom) -> anyhow::Result<Store> {
    let settings = settings(from.config.as_deref())?;
    let keyring = KeyRing::parse(settings.secrets.required_master_keys()?).context("secrets.master_keys")?;
    let opened = store::Settings {
        url: settings.database.required_url()?.clone(),
        max_connections: 1,
        acquire_timeout: settings.database.acquire_timeout,
    };
    let place = settings.database.place();
    Store::connect(opened, keyring)
        .await
        .with_context(|| format!("{place} cannot be used"))
}

fn exit_code(is_good: bool) -> ExitCode {
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
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
