//! `hookyard endpoints`: what keeps an endpoint's deliveries, holding them, and letting them go.

use crate::api::Api;
use crate::arguments::Connection;
use crate::screen::{BAD, BOLD, DIM, GOOD, Screen, WARN, plain, styled, table};
use anstyle::Style;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What can be asked of endpoints.
#[derive(Debug, Clone, Subcommand)]
pub enum Endpoints {
    /// List them.
    List {
        /// How to reach the management API.
        #[command(flatten)]
        connection: Connection,
    },
    /// Show one, whether its deliveries go, and what they wait for.
    Show(One),
    /// Let it hold its deliveries. None is lost; `drain` lets them go.
    #[command(visible_alias = "pause")]
    Hold(One),
    /// Let what waits for it go, whoever made it wait: one first, and more as they succeed.
    #[command(visible_alias = "resume")]
    Drain(One),
}

/// One endpoint.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Its slug or its id (ep_…).
    pub endpoint: String,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Endpoint {
    id: String,
    slug: Option<String>,
    url: String,
    enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lane: Option<Lane>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lane {
    state: String,
    circuit: String,
    opened_at: Option<String>,
    next_probe_at: Option<String>,
    failing_since: Option<String>,
    limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_due_at: Option<String>,
    held: Option<Held>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Held {
    since: String,
    reason: String,
}

impl Lane {
    /// Since when its deliveries do not go as they come.
    fn since(&self) -> Option<&str> {
        let held = self.held.as_ref().map(|held| held.since.as_str());
        held.or(self.opened_at.as_deref())
    }
}

/// Asks for the lanes, too.
const WITH_LANE: &[(&str, Option<&str>)] = &[("include", Some("lane"))];

pub(crate) async fn run(command: Endpoints, screen: Screen) -> anyhow::Result<()> {
    let (one, action) = match command {
        Endpoints::List { connection } => return list(&connection, screen).await,
        Endpoints::Show(one) => (one, None),
        Endpoints::Hold(one) => (one, Some("hold")),
        Endpoints::Drain(one) => (one, Some("drain")),
    };
    let api = Api::new(&one.connection)?;
    let endpoint: Endpoint = match action {
        None => api.get(&["endpoints", &one.endpoint], WITH_LANE).await?,
        Some(action) => {
            api.post(&["endpoints", &one.endpoint, action], &json!({}))
                .await?
        }
    };
    screen.show(&endpoint, told)?;
    Ok(())
}

async fn list(connection: &Connection, screen: Screen) -> anyhow::Result<()> {
    let api = Api::new(connection)?;
    let endpoints: Vec<Endpoint> = api.get(&["endpoints"], WITH_LANE).await?;
    screen.show(&endpoints, |endpoints| {
        if endpoints.is_empty() {
            return "no endpoints".to_owned();
        }
        let rows = endpoints.iter().map(|endpoint| {
            let state = endpoint.lane.as_ref().map_or("", |lane| lane.state.as_str());
            let since = endpoint.lane.as_ref().and_then(Lane::since).unwrap_or_default();
            vec![
                endpoint.id.clone(),
                endpoint.slug.clone().unwrap_or_default(),
                state.to_owned(),
                since.to_owned(),
                endpoint.url.clone(),
            ]
        });
        table(&["endpoint", "slug", "state", "since", "url"], rows)
    })?;
    Ok(())
}

fn told(endpoint: &Endpoint) -> String {
    let name = endpoint.slug.as_deref().unwrap_or(&endpoint.id);
    let mut text = format!("{}  {}", styled(BOLD, plain(name)), plain(&endpoint.url));
    let Some(lane) = &endpoint.lane else {
        return text;
    };
    let (style, state) = state_of(lane);
    let _ = write!(text, "\n{}", styled(style, plain(&state)));
    if let (Some(waiting), Some(in_flight)) = (lane.waiting, lane.in_flight) {
        let _ = write!(
            text,
            "\n{waiting} waiting, {in_flight} in flight of at most {}",
            lane.limit
        );
    }
    for (what, time) in [
        ("the first of them is due since", &lane.oldest_due_at),
        ("every attempt fails since", &lane.failing_since),
        ("the next probe goes at", &lane.next_probe_at),
    ] {
        if let Some(time) = time {
            let _ = write!(text, "\n{}", styled(DIM, format!("{what} {}", plain(time))));
        }
    }
    text
}

fn state_of(lane: &Lane) -> (Style, String) {
    if let Some(held) = &lane.held {
        return (BAD, format!("held since {} ({})", held.since, held.reason));
    }
    let since = lane.opened_at.as_deref().unwrap_or("just now");
    match lane.state.as_str() {
        "open" => (
            BAD,
            format!("its circuit is open since {since}: its deliveries wait"),
        ),
        "recovering" => (WARN, format!("it recovers: it failed since {since}")),
        "limited" => (
            WARN,
            "it gets few requests at a time, and more as they succeed".to_owned(),
        ),
        "flowing" => (GOOD, "its deliveries go".to_owned()),
        other => (DIM, other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(state: &str) -> Lane {
        Lane {
            state: state.to_owned(),
            circuit: "open".to_owned(),
            opened_at: Some("2026-11-29T10:00:00.000Z".to_owned()),
            next_probe_at: Some("2026-11-29T10:05:00.000Z".to_owned()),
            failing_since: None,
            limit: 1,
            in_flight: Some(0),
            waiting: Some(5_000),
            oldest_due_at: None,
            held: None,
            rest: Map::new(),
        }
    }

    #[test]
    fn an_open_circuit_says_since_when_how_many_wait_and_when_it_is_tested() {
        let endpoint = Endpoint {
            id: "ep_one".to_owned(),
            slug: Some("billing".to_owned()),
            url: "https://billing.example/in".to_owned(),
            enabled: true,
            lane: Some(lane("open")),
            rest: Map::new(),
        };
        let text = anstream::adapter::strip_str(&told(&endpoint)).to_string();
        assert_eq!(
            text,
            "billing  https://billing.example/in\n\
             its circuit is open since 2026-11-29T10:00:00.000Z: its deliveries wait\n\
             5000 waiting, 0 in flight of at most 1\n\
             the next probe goes at 2026-11-29T10:05:00.000Z"
        );
    }

    #[test]
    fn what_is_held_says_why_whatever_its_circuit_is() {
        let held = Held {
            since: "2026-11-29T09:00:00.000Z".to_owned(),
            reason: "gone".to_owned(),
        };
        let lane = Lane {
            held: Some(held),
            ..lane("held")
        };
        assert_eq!(state_of(&lane).1, "held since 2026-11-29T09:00:00.000Z (gone)");
    }
}
