//! `hookyard playbook list`, `versions` and `start`: playbooks on a server.

use crate::api::{Api, Playbook, PlaybookVersion, Run, VersionPage};
use crate::arguments::{Connection, PageOf, Start, Versions};
use crate::commands::events::listed;
use crate::commands::runs::watched;
use crate::commands::send;
use crate::screen::{Screen, WARN, plain, styled};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) async fn list(connection: &Connection, screen: Screen) -> anyhow::Result<ExitCode> {
    let api = Api::new(connection)?;
    let playbooks: Vec<Playbook> = api.get(&["playbooks"], &[]).await?;
    screen.show(&playbooks, |playbooks| {
        let rows = playbooks.iter().map(|playbook| {
            vec![
                playbook.slug.clone(),
                playbook.id.clone(),
                playbook.number.to_string(),
                playbook.version.to_string(),
                if playbook.enabled { "yes" } else { "no" }.to_owned(),
                at_once(playbook),
                playbook.updated_at.clone(),
            ]
        });
        let headings = [
            "playbook", "id", "number", "version", "enabled", "at once", "changed",
        ];
        let mut text = listed("playbooks", &headings, rows.collect(), None);
        for playbook in playbooks {
            for warning in &playbook.warnings {
                let line = format!("{}: {}", playbook.slug, warning.message);
                text.push('\n');
                text.push_str(&styled(WARN, plain(&line)));
            }
        }
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

/// How many of its runs go on at the same time.
fn at_once(playbook: &Playbook) -> String {
    match (playbook.concurrency, &playbook.concurrency_key) {
        (None, _) => "all".to_owned(),
        (Some(most), None) => most.to_string(),
        (Some(most), Some(key)) => format!("{most} per {key}"),
    }
}

pub(super) async fn versions(options: Versions, screen: Screen) -> anyhow::Result<ExitCode> {
    let Versions {
        playbook,
        version,
        activate,
        page: PageOf { limit, cursor },
        connection,
    } = options;
    let api = Api::new(&connection)?;
    let path = ["playbooks", playbook.as_str(), "versions"];
    let Some(version) = version.map(|version| version.to_string()) else {
        let limit = limit.to_string();
        let query = [("limit", Some(limit.as_str())), ("cursor", cursor.as_deref())];
        let page: VersionPage = api.get(&path, &query).await?;
        screen.show(&page, |page| {
            let rows = page.versions.iter().map(|version| {
                let active = if version.active { "active" } else { "" };
                vec![
                    version.version.to_string(),
                    version.created_at.clone(),
                    active.to_owned(),
                ]
            });
            let headings = ["version", "saved", ""];
            listed("versions", &headings, rows.collect(), page.next_cursor.as_deref())
        })?;
        return Ok(ExitCode::SUCCESS);
    };
    let [playbooks, slug, versions] = path;
    if activate {
        let path = [playbooks, slug, versions, version.as_str(), "activate"];
        let found: Playbook = api.post(&path, &json!({})).await?;
        screen.show(&found, |found| {
            format!("new runs of {} begin with version {}", found.slug, found.version)
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let found: PlaybookVersion = api.get(&[playbooks, slug, versions, &version], &[]).await?;
    screen.show(&found, |found| {
        let definition = found.definition.clone().unwrap_or_default();
        // A definition has lines; everything else that could move a cursor is shown as a mark.
        let lines: Vec<_> = definition.lines().map(plain).collect();
        lines.join("\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn start(options: Start, screen: Screen) -> anyhow::Result<ExitCode> {
    let api = Api::new(&options.connection)?;
    let body = match &options.data {
        None => json!({}),
        Some(data) => {
            let text = send::read(data)?;
            let input: Value = serde_json::from_slice(&text).context("the input is not JSON")?;
            json!({ "input": input })
        }
    };
    let run: Run = api.post(&["playbooks", &options.playbook, "runs"], &body).await?;
    if options.watch {
        return watched(&api, &run.id, false, screen).await;
    }
    screen.show(&run, |run| {
        format!(
            "{} has begun\nhookyard runs show {} tells how it goes",
            run.id, run.id
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
