//! `hookyard replay`: sending what was sent before, or what today's rules make of it.

use crate::api::Api;
use crate::arguments::{Replay, ReplayMode};
use crate::screen::{DIM, Screen, plain, styled, table};
use crate::story;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(crate) async fn run(replay: Replay, screen: Screen) -> anyhow::Result<()> {
    let of_what = match replay.id.split_once('_') {
        Some(("msg", _)) => "events",
        Some(("del", _)) => "deliveries",
        _ => anyhow::bail!(
            "`{}` is neither an event (msg_…) nor a delivery (del_…)",
            plain(&replay.id)
        ),
    };
    let api = Api::new(&replay.connection)?;
    let mut body = Map::from_iter([("mode".to_owned(), json!(replay.mode.as_str()))]);
    if !replay.endpoints.is_empty() {
        body.insert("endpoints".to_owned(), replay.endpoints.into());
    }
    let answer: Value = api
        .post(&[of_what, &replay.id, "replay"], &Value::Object(body))
        .await?;
    let text = match replay.mode {
        ReplayMode::AsDelivered | ReplayMode::Current => replayed,
        ReplayMode::Diff => difference,
    };
    screen.show(&answer, text)?;
    Ok(())
}

fn replayed(answer: &Value) -> String {
    let list = |name: &str| answer.get(name).and_then(Value::as_array).into_iter().flatten();
    let deliveries = list("deliveries").filter_map(|delivery| match delivery {
        Value::String(id) => Some(id.clone()),
        whole => serde_json::from_value(whole.clone())
            .ok()
            .map(|delivery| story::progress(&delivery)),
    });
    let runs = list("runs").filter_map(|id| Some(format!("{} is started", plain(id.as_str()?))));
    let made: Vec<String> = deliveries.chain(runs).collect();
    if made.is_empty() {
        "there was nothing to deliver".to_owned()
    } else {
        made.join("\n")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    deliveries: Vec<DeliveryChange>,
    routes: Vec<RouteChange>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryChange {
    endpoint_id: String,
    change: String,
    was: Option<Sent>,
    now: Option<Sent>,
}

#[derive(Deserialize)]
struct Sent {
    status: String,
    payload: Option<Value>,
}

#[derive(Deserialize)]
struct RouteChange {
    name: String,
    change: String,
    was: Option<Decided>,
    now: Option<Decided>,
}

#[derive(Deserialize)]
struct Decided {
    reason: String,
}

/// How much of a payload is shown.
const SHOWN: usize = 60;

/// An answer of another release's is shown as it is.
fn difference(answer: &Value) -> String {
    let Ok(found) = Difference::deserialize(answer) else {
        return answer.to_string();
    };
    let deliveries = found.deliveries.iter().map(|row| {
        vec![
            row.endpoint_id.clone(),
            row.change.clone(),
            shown(row.was.as_ref()),
            shown(row.now.as_ref()),
        ]
    });
    let routes = found.routes.iter().map(|row| {
        let reason = |decided: &Option<Decided>| {
            decided
                .as_ref()
                .map_or_else(|| "–".to_owned(), |it| it.reason.clone())
        };
        vec![
            row.name.clone(),
            row.change.clone(),
            reason(&row.was),
            reason(&row.now),
        ]
    });
    let mut text = table(&["endpoint", "change", "was sent", "would be sent"], deliveries);
    text.push_str("\n\n");
    text.push_str(&table(&["route", "change", "then", "today"], routes));
    text.push_str("\n\n");
    text + &styled(DIM, "nothing was sent; `--mode current` sends it")
}

fn shown(sent: Option<&Sent>) -> String {
    let Some(sent) = sent else {
        return "–".to_owned();
    };
    match sent.payload.as_ref().and_then(|payload| payload.get("data")) {
        Some(data) => {
            let text: String = data.to_string();
            text.chars().take(SHOWN).collect()
        }
        None => sent.status.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_a_line_for_each_endpoint_and_each_route() {
        let text = difference(
            &json!({"eventId": "msg_1", "mode": "diff", "deliveriesOmitted": 0,
            "deliveries": [{"endpointId": "ep_a", "change": "changed",
                "was": {"status": "delivered", "payload": {"status": "available", "data": [1]}},
                "now": {"kind": "delivery", "status": "skipped", "payload": null}}],
            "routes": [{"routeId": "rt_a", "name": "paid", "change": "added", "was": null, "now": {"reason": "every clause holds"}}]}),
        );
        for part in [
            "ep_a",
            "changed",
            "[1]",
            "skipped",
            "paid",
            "every clause holds",
            "nothing was sent",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_a_replay_made_is_told_line_by_line() {
        assert_eq!(
            replayed(&json!({"deliveries": ["del_1"], "runs": ["run_1"]})),
            "del_1\nrun_1 is started"
        );
        assert_eq!(
            replayed(&json!({"deliveries": []})),
            "there was nothing to deliver"
        );
    }
}
