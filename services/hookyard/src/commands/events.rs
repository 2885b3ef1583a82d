//! `hookyard events`: what came in.

use crate::api::{Api, Attempt, Delivery, DeliveryPage, Event, EventPage, Trace};
use crate::arguments::{Events, OneEvent};
use crate::screen::{DIM, Screen, plain, styled, table};
use crate::story::{Story, Told};

pub(crate) async fn run(events: Events, screen: Screen) -> anyhow::Result<()> {
    match events.one {
        Some(OneEvent::Show {
            event,
            payload,
            connection,
        }) => {
            let api = Api::new(&connection)?;
            let story = story(&api, &event).await?;
            screen.show(&story, |story| story.text(payload))?;
        }
        None => list(&events, screen).await?,
    }
    Ok(())
}

async fn list(events: &Events, screen: Screen) -> anyhow::Result<()> {
    let api = Api::new(&events.connection)?;
    let limit = events.page.limit.to_string();
    let page: EventPage = api
        .get(
            &["events"],
            &[
                ("source", events.source.as_deref()),
                ("type", events.event_type.as_deref()),
                ("status", events.status.as_deref()),
                ("limit", Some(&limit)),
                ("cursor", events.page.cursor.as_deref()),
            ],
        )
        .await?;
    screen.show(&page, |page| {
        let rows = page.events.iter().map(|event| {
            let verified = match event.verified {
                Some(true) => "yes",
                Some(false) => "no",
                None => "–",
            };
            vec![
                event.id.clone(),
                event.received_at.clone(),
                event.event_type.clone().unwrap_or_default(),
                event.source.clone().unwrap_or_default(),
                verified.to_owned(),
                event.status.clone(),
                event.deliveries.to_string(),
            ]
        });
        let headings = [
            "event",
            "received",
            "type",
            "source",
            "verified",
            "status",
            "deliveries",
        ];
        listed("events", &headings, rows.collect(), page.next_cursor.as_deref())
    })?;
    Ok(())
}

/// Everything about one event, over the management API.
pub(super) async fn story(api: &Api, id: &str) -> anyhow::Result<Story> {
    let event: Event = api.get(&["events", id], &[]).await?;
    let trace: Trace = api.get(&["events", id, "trace"], &[]).await?;
    let page: DeliveryPage = api
        .get(&["events", id, "deliveries"], &[("limit", Some("100"))])
        .await?;
    let mut deliveries = Vec::with_capacity(page.deliveries.len());
    for delivery in page.deliveries {
        deliveries.push(told(api, delivery).await?);
    }
    Ok(Story {
        event,
        trace,
        deliveries,
    })
}

/// A delivery with its attempts.
pub(super) async fn told(api: &Api, delivery: Delivery) -> anyhow::Result<Told> {
    let attempts: Vec<Attempt> = api.get(&["deliveries", &delivery.id, "attempts"], &[]).await?;
    Ok(Told { delivery, attempts })
}

/// A table, or a word about its absence, and how to go on.
pub(super) fn listed(what: &str, headings: &[&str], rows: Vec<Vec<String>>, next: Option<&str>) -> String {
    if rows.is_empty() {
        return styled(DIM, format_args!("no {what}"));
    }
    let mut text = table(headings, rows);
    if let Some(cursor) = next {
        let more = format!("\n\nmore: --cursor {}", plain(cursor));
        text.push_str(&styled(DIM, more));
    }
    text
}
