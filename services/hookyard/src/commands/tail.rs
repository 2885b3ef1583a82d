//! `hookyard tail`: events and deliveries as they happen.
//!
//! The management API is asked again and again for its newest rows; what was not there before, or has changed, is
//! printed. The newest hundred deliveries are watched for changes, so a retry of an older one goes unnoticed.

use crate::api::{self, Api, Delivery, DeliveryPage, Event, EventPage};
use crate::arguments::Tail;
use crate::screen::{Screen, WARN, styled};
use crate::story;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The most that a page can have.
const PAGE: &str = "100";
/// How far one look goes back: a burst of more between two looks is not printed whole.
const PAGES: usize = 20;
/// How many ids are remembered; they sort by time, so the oldest are forgotten.
const REMEMBERED: usize = 4_000;
/// Between two looks at the most often.
const BREATH: Duration = Duration::from_millis(100);

pub(crate) async fn run(tail: Tail, screen: Screen) -> anyhow::Result<()> {
    let api = Api::new(&tail.connection)?;
    let every = tail.every.max(BREATH);
    let mut watch = Watch::default();
    let already = watch.look(&api).await?;
    let newest = already.len().saturating_sub(usize::from(tail.lines));
    for event in already.iter().skip(newest) {
        screen.stream(&Line::Event { event }, Line::text)?;
    }
    watch.changes(&api).await?;
    screen.note(format_args!(
        "waiting for events at {} (stop with Ctrl-C)",
        api.origin()
    ));
    let mut is_lost = false;
    loop {
        tokio::time::sleep(every).await;
        match once(&mut watch, &api, screen).await {
            Ok(()) => is_lost = false,
            // A server that restarts is worth waiting for; a token that was revoked is not.
            Err(error) if matches!(error.downcast_ref(), Some(api::Error::Unreachable { .. })) => {
                if !is_lost {
                    screen.note(styled(WARN, format_args!("{error:#}; trying again")));
                }
                is_lost = true;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn once(watch: &mut Watch, api: &Api, screen: Screen) -> anyhow::Result<()> {
    for event in &watch.look(api).await? {
        screen.stream(&Line::Event { event }, Line::text)?;
    }
    for delivery in &watch.changes(api).await? {
        screen.stream(&Line::Delivery { delivery }, Line::text)?;
    }
    Ok(())
}

/// One thing that happened.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Event { event: &'a Event },
    Delivery { delivery: &'a Delivery },
}

impl Line<'_> {
    fn text(&self) -> String {
        match self {
            Self::Event { event } => story::headline(event),
            Self::Delivery { delivery } => story::progress(delivery),
        }
    }
}

/// What was printed already.
#[derive(Default)]
struct Watch {
    events: BTreeSet<String>,
    deliveries: BTreeMap<String, (String, u64)>,
}

impl Watch {
    /// The events that were not there at the last look, oldest first.
    async fn look(&mut self, api: &Api) -> anyhow::Result<Vec<Event>> {
        let is_first = self.events.is_empty();
        let mut fresh = Vec::new();
        let mut cursor: Option<String> = None;
        for _page in 0..PAGES {
            let page: EventPage = api
                .get(
                    &["events"],
                    &[("limit", Some(PAGE)), ("cursor", cursor.as_deref())],
                )
                .await?;
            let there = page.events.len();
            let unseen = page
                .events
                .into_iter()
                .filter(|event| self.events.insert(event.id.clone()));
            let before = fresh.len();
            fresh.extend(unseen);
            let all_unseen = fresh.len() - before == there;
            cursor = page.next_cursor.filter(|_| all_unseen && !is_first);
            if cursor.is_none() {
                break;
            }
        }
        while self.events.len() > REMEMBERED {
            self.events.pop_first();
        }
        fresh.reverse();
        Ok(fresh)
    }

    /// The deliveries that are not as they were at the last look, oldest first.
    async fn changes(&mut self, api: &Api) -> anyhow::Result<Vec<Delivery>> {
        let page: DeliveryPage = api.get(&["deliveries"], &[("limit", Some(PAGE))]).await?;
        let mut changed: Vec<Delivery> = page
            .deliveries
            .into_iter()
            .filter(|delivery| self.is_news(delivery))
            .collect();
        while self.deliveries.len() > REMEMBERED {
            self.deliveries.pop_first();
        }
        changed.reverse();
        Ok(changed)
    }

    fn is_news(&mut self, delivery: &Delivery) -> bool {
        let now = (delivery.status.clone(), delivery.total_attempts);
        self.deliveries.insert(delivery.id.clone(), now.clone()) != Some(now)
    }
}
