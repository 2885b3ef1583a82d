//! `hookyard tail`: events and deliveries as they happen.
//!
//! The management API is asked again and again for its newest rows; what was not there before, or has changed, is
//! printed. The newest hundred deliveries are watched for changes, so a retry of an older one goes unnoticed.

use super::watch::{BREATH, PAGE, REMEMBERED, Reach, Seen};
use crate::api::{Api, Delivery, DeliveryPage, Event};
use crate::arguments::Tail;
use crate::screen::Screen;
use crate::story;
use serde::Serialize;
use std::collections::BTreeMap;

pub(crate) async fn run(tail: Tail, screen: Screen) -> anyhow::Result<()> {
    let api = Api::new(&tail.connection)?;
    let every = tail.every.max(BREATH);
    let mut watch = Watch::default();
    let already = watch.events.look(&api).await?;
    let newest = already.len().saturating_sub(usize::from(tail.lines));
    for event in already.iter().skip(newest) {
        screen.stream(&Line::Event { event }, Line::text)?;
    }
    watch.changes(&api).await?;
    screen.note(format_args!(
        "waiting for events at {} (stop with Ctrl-C)",
        api.origin()
    ));
    let mut reach = Reach::default();
    loop {
        tokio::time::sleep(every).await;
        reach.bear(once(&mut watch, &api, screen).await, screen)?;
    }
}

async fn once(watch: &mut Watch, api: &Api, screen: Screen) -> anyhow::Result<()> {
    for event in &watch.events.look(api).await? {
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
    events: Seen,
    deliveries: BTreeMap<String, (String, u64)>,
}

impl Watch {
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
