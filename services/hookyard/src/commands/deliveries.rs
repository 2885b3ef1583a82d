//! `hookyard deliveries` and `retry`: what goes out, and trying it again.

use super::events::{listed, told};
use crate::api::{Api, Delivery, DeliveryPage};
use crate::arguments::{Deliveries, OneDelivery, Retry};
use crate::screen::{Screen, plain};
use serde_json::{Value, json};

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
                outlook(delivery),
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

/// Why it is where it is, and what comes next.
fn outlook(delivery: &Delivery) -> String {
    match (&delivery.recovery_id, &delivery.reason, &delivery.next_retry_at) {
        // However it ended, it is seen to.
        (Some(recovery), ..) => format!("sent again by {recovery}"),
        (None, Some(reason), _) => reason.clone(),
        (None, None, next) => next.clone().unwrap_or_default(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_why_what_is_next_and_what_was_sent_again() {
        let of = |more: Value| {
            let mut delivery = json!({
                "id": "del_1", "eventId": "msg_1", "endpointId": "ep_1", "status": "dead_letter",
                "createdAt": "2026-11-29T10:00:00.000Z", "updatedAt": "2026-11-29T10:00:00.000Z",
            });
            delivery
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            outlook(&serde_json::from_value(delivery).unwrap())
        };
        assert_eq!(of(json!({"reason": "circuit_open"})), "circuit_open");
        assert_eq!(
            of(json!({"nextRetryAt": "2026-11-29T10:00:05.000Z"})),
            "2026-11-29T10:00:05.000Z"
        );
        assert_eq!(
            of(json!({"reason": "circuit_open", "recoveryId": "rec_1"})),
            "sent again by rec_1"
        );
        assert_eq!(of(json!({})), "");
    }
}
