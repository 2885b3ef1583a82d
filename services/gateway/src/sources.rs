//! Sources as the doors need them, remembered for a while.
//!
//! Every entry, also that there is no such source, is kept for some seconds and forgotten at once when the console says
//! that something changed: the conveyor's count of changes is part of the key.

use crate::adapters::App;
use crate::verify::Guard;
use boot::settings::ByteSize;
use broker::Generation;
use moka::future::Cache;
use secrecy::ExposeSecret;
use signature::{Profile, Secret};
use std::sync::Arc;
use std::time::Duration;
use store::{SigningSecret, Source, Store};
use wire::resource::VerifyMode;
use wire::{Instant, SourceId};

/// Look-ups that are remembered. A flood of made-up tokens must not fill the memory.
pub(crate) const REMEMBERED: u64 = 10_000;

/// A source whose doors are open.
#[derive(Debug)]
pub(crate) struct OpenSource {
    pub(crate) source: Source,
    /// What is known of its senders and how they are verified; none: nothing.
    pub(crate) check: Option<Check>,
    /// For metrics: a built-in profile's name, `custom` or `none`.
    pub(crate) provider: &'static str,
    /// What listens at door 5; none: it is not open.
    pub(crate) app: Option<App>,
}

/// A signature check, ready to run.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) profile: Arc<Profile>,
    /// Also without a check, the profile says how events are called and which headers are secrets.
    mode: VerifyMode,
}

impl OpenSource {
    /// The most bytes of a body: the source's own limit up to `most`, else the door's.
    pub(crate) fn body_limit(&self, door: ByteSize, most: ByteSize) -> u64 {
        let (door, most) = (door.bytes() as u64, most.bytes() as u64);
        self.source.spec.max_body_bytes.map_or(door, |own| own.min(most))
    }

    /// How door 4's requests are checked; none: nothing is known of their senders.
    pub(crate) fn guard(&self) -> Option<Guard<'_>> {
        let check = self.check.as_ref()?;
        Some(Guard {
            source: &self.source,
            profile: &check.profile,
            mode: check.mode,
            provider: self.provider,
            secrets: live(&self.source.secrets, Instant::now()),
            verify_token: self.source.verify_token.as_ref(),
        })
    }

    /// Whether a header is itself the secret that authenticates this source's senders.
    pub(crate) fn is_secret(&self, header: &str) -> bool {
        let (check, app) = (self.check.as_ref(), self.app.as_ref());
        check.is_some_and(|check| check.profile.reveals_the_secret(header))
            || app.is_some_and(|app| app.is_secret(header))
    }
}

/// The signing secrets that count at `now`.
pub(crate) fn live(secrets: &[SigningSecret], now: Instant) -> Vec<Secret> {
    secrets
        .iter()
        .filter(|secret| secret.is_live(now))
        .map(|secret| Secret::new(secret.id.clone(), secret.value.expose_secret()))
        .collect()
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Door {
    Token(Arc<str>),
    Channel(Arc<str>, Arc<str>),
    App(Arc<str>),
}

#[derive(Debug, Clone)]
pub(crate) struct Sources {
    store: Store,
    generation: Generation,
    open: Cache<(u64, Door), Option<Arc<OpenSource>>>,
}

impl Sources {
    pub(crate) fn new(store: Store, generation: Generation, ttl: Duration) -> Self {
        Self {
            store,
            generation,
            open: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(ttl)
                .build(),
        }
    }

    /// The source behind door 4's token, if its door is open.
    pub(crate) async fn by_token(&self, token: &str) -> Result<Option<Arc<OpenSource>>, Arc<store::Error>> {
        let key = (self.generation.now(), Door::Token(token.into()));
        self.open
            .try_get_with(key, async { open(self.store.source_by_token(token).await?) })
            .await
    }

    /// The source behind door 1's slugs, if its door is open.
    pub(crate) async fn by_slugs(
        &self,
        workspace: &str,
        slug: &str,
    ) -> Result<Option<Arc<OpenSource>>, Arc<store::Error>> {
        let key = (
            self.generation.now(),
            Door::Channel(workspace.into(), slug.into()),
        );
        self.open
            .try_get_with(key, async {
                open(self.store.source_by_slugs(workspace, slug).await?)
            })
            .await
    }

    /// The source of an app, if its door is open.
    pub(crate) async fn by_app(&self, app: &str) -> Result<Option<Arc<OpenSource>>, Arc<store::Error>> {
        let key = (self.generation.now(), Door::App(app.into()));
        self.open
            .try_get_with(key, async { open(self.store.source_by_app(app).await?) })
            .await
    }

    /// The source with this id as it is at this very moment, if its doors are open.
    pub(crate) async fn by_id(&self, id: &SourceId) -> Result<Option<Arc<OpenSource>>, Arc<store::Error>> {
        let Some(source) = self.store.source(id).await? else {
            return Ok(None);
        };
        let workspace = self.store.workspace(source.workspace_id.as_str()).await?;
        let accepting = workspace.is_some_and(|workspace| workspace.accepting);
        Ok(open(Some((source, accepting)))?)
    }
}

/// A disabled source and a closed workspace are the same as nothing.
fn open(found: Option<(Source, bool)>) -> Result<Option<Arc<OpenSource>>, store::Error> {
    let Some((source, accepting)) = found else {
        return Ok(None);
    };
    if !accepting || !source.spec.enabled {
        return Ok(None);
    }
    let corrupt = || store::Error::Corrupt {
        what: "the signature scheme of a source",
        source: "no such profile, or a scheme that does not parse".into(),
    };
    let (check, provider) = match &source.spec.verify {
        Some(verify) => {
            let (profile, provider) = profile(verify).ok_or_else(corrupt)?;
            let mode = verify.mode;
            (Some(Check { profile, mode }), provider)
        }
        None => (None, "none"),
    };
    let app = source.spec.app.as_ref().map(App::of).transpose();
    Ok(Some(Arc::new(OpenSource {
        app: app.map_err(|_scheme| corrupt())?,
        source,
        check,
        provider,
    })))
}

fn profile(verify: &wire::resource::VerifySpec) -> Option<(Arc<Profile>, &'static str)> {
    if let Some(name) = &verify.provider {
        let known = signature::builtin_names().find(|known| known == name)?;
        return Some((Arc::new(Profile::builtin(name)?.clone()), known));
    }
    let profile = Profile::from_json(verify.scheme.as_ref()?).ok()?;
    Some((Arc::new(profile), "custom"))
}
