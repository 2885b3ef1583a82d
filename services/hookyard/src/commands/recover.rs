//! `hookyard recover`: sending again what failed, and watching it.

use super::events::listed;
use crate::api::Api;
use crate::arguments::{OneRecovery, Recover, TheRecovery, Wanted};
use crate::screen::{Screen, of_state, plain, styled};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How often a recovery is looked at.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recovery {
    id: String,
    status: String,
    endpoint_id: Option<String>,
    per_second: u32,
    total: u64,
    recovered: u64,
    skipped: u64,
    deferred: u64,
    created_at: String,
    /// What this command has no use for.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecoveryPage {
    recoveries: Vec<Recovery>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Preview {
    count: u64,
    complete: bool,
    oldest: Option<String>,
    newest: Option<String>,
    /// What this command has no use for.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

pub(crate) async fn run(recover: Recover, screen: Screen) -> anyhow::Result<()> {
    let Some(other) = recover.other else {
        return begin(recover, screen).await;
    };
    match other {
        OneRecovery::List { page, connection } => {
            let limit = page.limit.to_string();
            let query = [("limit", Some(&*limit)), ("cursor", page.cursor.as_deref())];
            let page: RecoveryPage = Api::new(&connection)?.get(&["recoveries"], &query).await?;
            screen.show(&page, list)?;
        }
        OneRecovery::Show(the) => {
            let recovery: Recovery = Api::new(&the.connection)?
                .get(&["recoveries", &the.recovery], &[])
                .await?;
            screen.show(&recovery, line)?;
        }
        OneRecovery::Watch(the) => {
            let api = Api::new(&the.connection)?;
            watch(&api, &the.recovery, screen).await?;
        }
        OneRecovery::Pause(the) => steer(&the, "pause", screen).await?,
        OneRecovery::Resume(the) => steer(&the, "resume", screen).await?,
        OneRecovery::Cancel(the) => steer(&the, "cancel", screen).await?,
    }
    Ok(())
}

async fn begin(recover: Recover, screen: Screen) -> anyhow::Result<()> {
    let api = Api::new(&recover.connection)?;
    let mut body = wanted(&recover.wanted);
    if recover.dry_run {
        let found: Preview = api.post(&["recoveries", "preview"], &Value::Object(body)).await?;
        screen.show(&found, preview)?;
        return Ok(());
    }
    body.insert("start".to_owned(), json!(true));
    let recovery: Recovery = api.post(&["recoveries"], &Value::Object(body)).await?;
    if recover.detach {
        screen.show(&recovery, line)?;
        return Ok(());
    }
    screen.note(format_args!(
        "{} goes on without this command; `hookyard recover pause {0}` holds it",
        recovery.id
    ));
    watch(&api, &recovery.id, screen).await
}

fn wanted(wanted: &Wanted) -> Map<String, Value> {
    let mut body = Map::from_iter([
        ("statuses".to_owned(), json!(wanted.statuses)),
        ("perSecond".to_owned(), json!(wanted.rate)),
    ]);
    for (name, value) in [
        ("endpoint", &wanted.endpoint),
        ("errorKind", &wanted.error_kind),
        ("eventType", &wanted.event_type),
        ("from", &wanted.from),
        ("until", &wanted.until),
    ] {
        if let Some(value) = value {
            body.insert(name.to_owned(), json!(value));
        }
    }
    body
}

/// Looks at a recovery until it does not run any more.
async fn watch(api: &Api, id: &str, screen: Screen) -> anyhow::Result<()> {
    let mut recovery: Recovery = api.get(&["recoveries", id], &[]).await?;
    let bar = screen.progress(recovery.total);
    while recovery.status == "running" {
        bar.set_length(recovery.total.max(recovery.recovered));
        bar.set_position(recovery.recovered);
        tokio::time::sleep(EVERY).await;
        recovery = api.get(&["recoveries", id], &[]).await?;
    }
    bar.finish_and_clear();
    screen.show(&recovery, line)?;
    Ok(())
}

async fn steer(the: &TheRecovery, what: &str, screen: Screen) -> anyhow::Result<()> {
    let api = Api::new(&the.connection)?;
    let recovery: Recovery = api.post(&["recoveries", &the.recovery, what], &json!({})).await?;
    screen.show(&recovery, line)?;
    Ok(())
}

fn preview(found: &Preview) -> String {
    let least = if found.complete { "" } else { "at least " };
    match (&found.oldest, &found.newest) {
        (Some(oldest), Some(newest)) => format!(
            "{least}{} deliveries would be sent again, of events from {} to {}",
            found.count,
            plain(oldest),
            plain(newest)
        ),
        _ => format!("{least}{} deliveries would be sent again", found.count),
    }
}

fn line(recovery: &Recovery) -> String {
    let sent = format!(
        "{} {}: {} of {} sent again",
        plain(&recovery.id),
        styled(of_state(&recovery.status), plain(&recovery.status)),
        recovery.recovered,
        recovery.total.max(recovery.recovered)
    );
    let others = [
        (recovery.skipped, "without an event or endpoint any more"),
        (recovery.deferred, "behind fresh traffic"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0);
    std::iter::once(sent)
        .chain(others.map(|(count, why)| format!("{count} {why}")))
        .collect::<Vec<_>>()
        .join(", ")
}

fn list(page: &RecoveryPage) -> String {
    let rows = page.recoveries.iter().map(|recovery| {
        vec![
            recovery.id.clone(),
            recovery.created_at.clone(),
            recovery.endpoint_id.clone().unwrap_or_default(),
            recovery.status.clone(),
            format!(
                "{}/{}",
                recovery.recovered,
                recovery.total.max(recovery.recovered)
            ),
            recovery.per_second.to_string(),
        ]
    });
    let headings = [
        "recovery",
        "created",
        "endpoint",
        "status",
        "sent again",
        "a second",
    ];
    listed(
        "recoveries",
        &headings,
        rows.collect(),
        page.next_cursor.as_deref(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_is_told_in_a_line() {
        let recovery = json!({"id": "rec_1", "status": "running", "endpointId": null, "perSecond": 5, "total": 10,
            "recovered": 4, "skipped": 1, "deferred": 0, "createdAt": "2026-11-29T10:00:00.000Z", "updatedAt": "x"});
        let text = line(&serde_json::from_value(recovery).unwrap());
        assert!(
            text.ends_with(": 4 of 10 sent again, 1 without an event or endpoint any more"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_said_is_left_to_the_server() {
        let asked = Wanted {
            endpoint: Some("billing".to_owned()),
            statuses: vec!["failed".to_owned()],
            error_kind: None,
            event_type: None,
            from: None,
            until: None,
            rate: 5,
        };
        let body = Value::Object(wanted(&asked));
        assert_eq!(
            body,
            json!({"endpoint": "billing", "statuses": ["failed"], "perSecond": 5})
        );
    }
}
