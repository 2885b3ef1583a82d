//! `hookyard runs`: what playbooks do and did, and having a say in it.

use super::events::listed;
use crate::api::{Api, Run, RunPage, Step, StepPage};
use crate::arguments::{OneRun, PageOf, RunList, Runs, TheRun};
use crate::screen::{DIM, Screen, of_state, plain, styled};
use crate::timeline::{self, Timeline};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// How often a run that is followed is looked at.
const GLANCE: Duration = Duration::from_millis(500);
/// The largest page of steps.
const PAGE: &str = "100";

pub(crate) async fn run(runs: Runs, screen: Screen) -> anyhow::Result<ExitCode> {
    match runs.one {
        None => list(runs.list, screen).await?,
        Some(OneRun::List(wanted)) => list(wanted, screen).await?,
        Some(OneRun::Show { run, data, watch }) => {
            let api = Api::new(&run.connection)?;
            if watch {
                return watched(&api, &run.run, data, screen).await;
            }
            let timeline = Timeline {
                run: api.get(&["runs", &run.run], &[]).await?,
                steps: Journal::default().rest(&api, &run.run).await?,
            };
            screen.show(&timeline, |timeline| timeline.text(data))?;
        }
        Some(OneRun::Cancel(run)) => control(&run, "cancel", &json!({}), screen).await?,
        Some(OneRun::Pause(run)) => control(&run, "pause", &json!({}), screen).await?,
        Some(OneRun::Resume(run)) => control(&run, "resume", &json!({}), screen).await?,
        Some(OneRun::Retry { run, keys }) => {
            control(&run, "retry", &json!({"keys": keys.as_str()}), screen).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(wanted: RunList, screen: Screen) -> anyhow::Result<()> {
    let RunList {
        playbook,
        status,
        page: PageOf { limit, cursor },
        connection,
    } = wanted;
    let api = Api::new(&connection)?;
    let path = match &playbook {
        Some(playbook) => vec!["playbooks", playbook, "runs"],
        None => vec!["runs"],
    };
    let page: RunPage = api
        .get(
            &path,
            &[
                ("status", status.as_deref()),
                ("limit", Some(&limit.to_string())),
                ("cursor", cursor.as_deref()),
            ],
        )
        .await?;
    screen.show(&page, |page| {
        let rows = page.runs.iter().map(|run| {
            vec![
                run.id.clone(),
                run.created_at.clone(),
                run.playbook.clone(),
                run.version.map(|version| version.to_string()).unwrap_or_default(),
                state(run),
                run.steps.to_string(),
                run.trigger.clone(),
                run.ended_at.clone().unwrap_or_default(),
            ]
        });
        let headings = [
            "run", "created", "playbook", "version", "status", "steps", "trigger", "ended",
        ];
        listed("runs", &headings, rows.collect(), page.next_cursor.as_deref())
    })?;
    Ok(())
}

fn state(run: &Run) -> String {
    if run.queued {
        format!("{} (queued)", run.status)
    } else {
        run.status.clone()
    }
}

async fn control(run: &TheRun, what: &str, body: &Value, screen: Screen) -> anyhow::Result<()> {
    let api = Api::new(&run.connection)?;
    let found: Run = api.post(&["runs", &run.run, what], body).await?;
    screen.show(&found, |run| {
        let past = match what {
            "cancel" => "is told to end",
            "pause" => "is told to stand still",
            "resume" => "is told to go on",
            _ => "is told to do its last step again",
        };
        format!(
            "{} {past}\nhookyard runs show {} tells how it goes",
            run.id, run.id
        )
    })?;
    Ok(())
}

/// Where somebody who reads a run's steps is.
#[derive(Debug, Default)]
struct Journal {
    cursor: Option<String>,
    /// How many steps of the cursor's page were read before: a page that was not full has no cursor yet.
    read: usize,
}

impl Journal {
    /// The steps that were not read before.
    async fn rest(&mut self, api: &Api, run: &str) -> anyhow::Result<Vec<Step>> {
        let mut all = Vec::new();
        loop {
            let page: StepPage = api
                .get(
                    &["runs", run, "steps"],
                    &[("limit", Some(PAGE)), ("cursor", self.cursor.as_deref())],
                )
                .await?;
            let count = page.steps.len();
            all.extend(page.steps.into_iter().skip(self.read));
            let Some(next) = page.next_cursor else {
                self.read = count;
                return Ok(all);
            };
            (self.cursor, self.read) = (Some(next), 0);
        }
    }
}

/// Prints a run's steps as they end, and how it ended.
pub(super) async fn watched(api: &Api, id: &str, data: bool, screen: Screen) -> anyhow::Result<ExitCode> {
    let mut journal = Journal::default();
    let mut last = String::new();
    loop {
        // First where it is: what it did until then is in the journal by now.
        let run: Run = api.get(&["runs", id], &[]).await?;
        if last.is_empty() {
            screen.note(timeline::headline(&run));
        }
        for step in journal.rest(api, id).await? {
            screen.stream(&step, |step| timeline::line(step, &run, data))?;
        }
        if run.is_over() {
            screen.stream(&run, timeline::ending)?;
            let is_good = run.status == "completed";
            return Ok(if is_good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        if run.status != last {
            let now = styled(of_state(&run.status), plain(&run.status));
            screen.note(format_args!("{} {now}", styled(DIM, "now")));
            last.clone_from(&run.status);
        }
        tokio::time::sleep(GLANCE).await;
    }
}
