//! `hookyard deliveries`, `retry` and `replay`: what goes out, and sending it again.

use super::events::{listed, told};
use crate::api::{Api, Delivery, DeliveryPage};
use crate::arguments::{Deliveries, OneDelivery, Replay, Retry};
use crate::screen::{Screen, plain};
use crate::story;
use serde_json::{Map, Value, json};

pub(crate) async fn run(deliveries: Deliveries, screen: Screen) -> anyhow::Result<()> {
    match deliveries.one {
        Some(OneDelivery::Show { delivery, connection }) => {
            let api = Api::new(&connection)?;
            let delivery: Delivery = api.get(&["deliveries", &delivery], &[]).await?;
            let told = told(&api, delivery).await?;
            screen.show(&told, |told| {
                let last = told
                    .attempts
                    .last()
                    .and_then(|attempt| attempt.response_body.as_deref());
                let answer = last.filter(|body| !body.is_empty());
                let answer = answer.map(|body| format!("the receiver's last words: {}", plain(body)));
                told.text() + &answer.unwrap_or_default()
            })?;
        }
        None => list(&deliveries, screen).await?,
    }
    Ok(())
}

async fn list(deliveries: &Deliveries, screen: Screen) -> anyhow::Result<()> {
    let api = Api::new(&deliveries.connection)?;
    let limit = deliveries.page.limit.to_string();
    let page: DeliveryPage = api
        .get(
            &["deliveries"],
            &[
                ("endpointId", deliveries.endpoint.as_deref()),
                ("eventId", deliveries.event.as_deref()),
                ("status", deliveries.status.as_deref()),
                ("limit", Some(&limit)),
                ("cursor", deliveries.page.cursor.as_deref()),
            ],
        )
        .await?;
    screen.show(&page, |page| {
        let rows = page.deliveries.iter().map(|delivery| {
            vec![
                delivery.id.clone(),
                delivery.created_at.clone(),
                delivery.event_type.clone().unwrap_or_default(),
                delivery.endpoint_id.clone(),
                delivery.status.clone(),
                delivery.total_attempts.to_string(),
                delivery
                    .reason
                    .clone()
                    .or_else(|| delivery.next_retry_at.clone())
                    .unwrap_or_default(),
            ]
        });
        let headings = [
            "delivery",
            "created",
            "type",
            "endpoint",
            "status",
            "attempts",
            "reason or next try",
        ];
        listed(
            "deliveries",
            &headings,
            rows.collect(),
            page.next_cursor.as_deref(),
        )
    })?;
    Ok(())
}

pub(crate) async fn retry(retry: Retry, screen: Screen) -> anyhow::Result<()> {
    let api = Api::new(&retry.connection)?;
    let delivery: Value = api
        .post(&["deliveries", &retry.delivery, "retry"], &json!({}))
        .await?;
    screen.show(&delivery, |_| {
        format!(
            "{} is due now; `hookyard deliveries show {0}` tells how it went",
            retry.delivery
        )
    })?;
    Ok(())
}

pub(crate) async fn replay(replay: Replay, screen: Screen) -> anyhow::Result<()> {
    let Replay {
        id,
        endpoints,
        connection,
    } = replay;
    let of_what = match id.split_once('_') {
        Some(("msg", _)) => "events",
        Some(("del", _)) => "deliveries",
        _ => anyhow::bail!(
            "`{}` is neither an event (msg_…) nor a delivery (del_…)",
            plain(&id)
        ),
    };
    let api = Api::new(&connection)?;
    let mut body = Map::new();
    if !endpoints.is_empty() {
        body.insert("endpoints".to_owned(), endpoints.into());
    }
    let answer: Value = api.post(&[of_what, &id, "replay"], &Value::Object(body)).await?;
    screen.show(&answer, replayed)?;
    Ok(())
}

fn replayed(answer: &Value) -> String {
    let made: Vec<String> = answer
        .get("deliveries")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|delivery| match delivery {
            Value::String(id) => Some(id.clone()),
            whole => serde_json::from_value(whole.clone())
                .ok()
                .map(|delivery| story::progress(&delivery)),
        })
        .collect();
    if made.is_empty() {
        "there was nothing to deliver".to_owned()
    } else {
        made.join("\n")
    }
}
