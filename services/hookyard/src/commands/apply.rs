//! `hookyard apply`: a workspace as a file says.
//!
//! Over the management API when there is a URL; else straight into the configured ledger, for whoever has that in hand
//! needs nobody's leave, and the first workspace has no token yet. Both ways have the same checks.

use super::doctor::trouble;
use super::migrate::settings;
use crate::api::{self, Api};
use crate::arguments::{Apply, Connection};
use crate::screen::{BAD, BOLD, DIM, GOOD, Screen, WARN, styled};
use anyhow::Context as _;
use boot::Settings;
use console::Checks;
use console::apply::{self, Action, Applied, Inputs, Outside, Scope};
use expression::Jail;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;
use store::{Actor, Store};
use tokio::time::timeout;
use wire::WorkspaceId;

/// For a ledger and a broker that answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(options: Apply, screen: Screen) -> anyhow::Result<()> {
    let (name, text) = read(&options.file)?;
    let variables = variables();
    let is_file = options.file != Path::new("-");
    let outside = Outside {
        variables: Some(&variables),
        folder: if is_file { folder_of(&options.file) } else { None },
    };
    let url = options.connection.url.as_deref().filter(|url| !url.is_empty());
    let applied = match url {
        Some(_) => over_the_api(&options, &text, outside).await,
        None => into_the_ledger(&options, &text, outside, screen).await,
    };
    let applied = applied.with_context(|| format!("{name} was not applied, and nothing has changed"))?;
    screen.show(&applied, applied_text)?;
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<(String, String)> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input cannot be read as text")?;
        return Ok(("standard input".to_owned(), text));
    }
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    Ok((name, text))
}

async fn over_the_api(options: &Apply, text: &str, outside: Outside<'_>) -> anyhow::Result<Applied> {
    let (inlined, unfilled) = apply::inline(text, outside).await?;
    let connection = Connection {
        // A file is about one workspace, so it names the one to ask for.
        workspace: options
            .connection
            .workspace
            .clone()
            .or_else(|| workspace_of(&inlined)),
        ..options.connection.clone()
    };
    let api = Api::new(&connection)?;
    let flag = |is_set: bool| is_set.then_some("true");
    // What lacks something is not applied, and checked all the same: whoever mends it wants to know of everything.
    let is_checked_only = options.dry_run || !unfilled.is_empty();
    let query = [("dryRun", flag(is_checked_only)), ("prune", flag(options.prune))];
    match api.put_text(&["configuration"], &query, inlined).await {
        Ok(applied) if unfilled.is_empty() => Ok(applied),
        Err(api::Error::Refused {
            status,
            code,
            message,
            mut problems,
        }) if unfilled.is_empty() || !problems.is_empty() => {
            // The server has not seen the file as it is written.
            apply::locate(&mut problems, text);
            Err(api::Error::Refused {
                status,
                code,
                message,
                problems: apply::together(unfilled, problems),
            }
            .into())
        }
        Err(error) if unfilled.is_empty() => Err(error.into()),
        Ok(_) => Err(console::Error::Invalid(unfilled).into()),
        Err(error) => {
            let unfilled = anyhow::Error::from(console::Error::Invalid(unfilled));
            Err(unfilled.context(format!(
                "the rest could not be checked, for {}",
                boot::report(&error)
            )))
        }
    }
}

/// The workspace of a file that was made JSON: its id where that is pinned, since the file may be about to change the slug.
fn workspace_of(inlined: &str) -> Option<String> {
    let document: Value = serde_json::from_str(inlined).ok()?;
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    // What cannot be an id is for the server to refuse.
    let id = text("/workspace/id").filter(|id| id.parse::<WorkspaceId>().is_ok());
    id.or_else(|| text("/workspace/slug")).map(str::to_owned)
}

async fn into_the_ledger(
    options: &Apply,
    text: &str,
    outside: Outside<'_>,
    screen: Screen,
) -> anyhow::Result<Applied> {
    let settings = settings(options.settings.config.as_deref())?;
    anyhow::ensure!(
        settings.database.url.is_some(),
        "there is nothing to apply it to: use --url (HOOKYARD_URL) for a running platform, or set \
         HOOKYARD__DATABASE__URL to write into a ledger"
    );
    let store = ledger(&settings).await?;
    let egress = egress::Client::new(egress::Settings {
        policy: egress::Policy::new(settings.egress.allow.iter().copied()),
        ..egress::Settings::default()
    });
    let checks = Checks::new(Jail::new(expression::Options::default()), egress);
    let inputs = Inputs {
        scope: Scope::Any,
        outside,
        prune: options.prune,
    };
    let plan = apply::plan(&store, &checks, text, inputs).await?;
    if options.dry_run || plan.is_empty() {
        // What changes nothing is done already, and nobody has to hear of it.
        return Ok(Applied {
            dry_run: options.dry_run,
            ..plan.preview()
        });
    }
    let conveyor = boot::conveyor(&settings.broker, "hookyard apply")?;
    if timeout(PATIENCE, conveyor.connected()).await != Ok(true) {
        let trouble = trouble(&conveyor);
        screen.note(styled(
            WARN,
            format_args!("the change cannot be announced ({trouble}); running services notice it within their gateway.cache_ttl"),
        ));
    }
    let applied = plan
        .execute(&Actor::command("hookyard apply"), &store, &conveyor)
        .await;
    conveyor.close().await;
    Ok(applied?)
}

async fn ledger(settings: &Settings) -> anyhow::Result<Store> {
    let place = settings.database.place();
    let opening = timeout(PATIENCE, boot::ledger(&settings.database, &settings.secrets)).await;
    let store = opening.with_context(|| format!("{place} does not answer"))??;
    let pending = store.pending_migrations().await?;
    anyhow::ensure!(
        pending.is_empty(),
        "the schema of {place} lacks {} migrations of this release: run `hookyard migrate` first",
        pending.len()
    );
    Ok(store)
}

/// The environment, for `${NAME}`. What is not text cannot be written there.
pub(crate) fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().map(|folder| {
        if folder == Path::new("") {
            Path::new(".")
        } else {
            folder
        }
    })
}

/// The difference, and the secrets that were made: this is the only time they are shown.
pub(crate) fn applied_text(applied: &Applied) -> String {
    let Applied {
        workspace,
        dry_run,
        changes,
        generated,
        unchanged,
        ..
    } = applied;
    let mut text = String::new();
    for change in changes {
        let style = match change.action {
            Action::Create => GOOD,
            Action::Update => WARN,
            Action::Delete => BAD,
        };
        let _ = writeln!(text, "{}", styled(style, change));
    }
    let verb = if *dry_run { "would change" } else { "changed" };
    let _ = writeln!(
        text,
        "workspace {workspace}: {} {verb}, {unchanged} as they were",
        changes.len()
    );
    if generated.iter().any(|made| made.value.is_some()) {
        let _ = writeln!(text, "\n{}", styled(BOLD, "Made now, and shown only this once:"));
    }
    for made in generated {
        let name = format!("{} {} {}", made.kind, made.name, made.field);
        let _ = match &made.value {
            Some(value) => writeln!(text, "  {name}: {}", value.expose_secret()),
            None => writeln!(text, "  {}", styled(DIM, format_args!("{name} would be made"))),
        };
    }
    text
}
