//! What a signature check said stays with the event.

use crate::given::{self, delivery, event, workspace};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Acceptance, Accepted, EventFilter, NewEvent, Verification};
use std::collections::HashMap;
use wire::{EventId, Instant};

/// As the columns have it: whether it is valid, why not, and by which secret.
type Kept = (Option<bool>, Option<String>, Option<String>);

fn valid(secret: Option<&str>) -> Verification {
    Verification::Valid {
        secret_id: secret.map(str::to_owned),
    }
}

/// Each thing that a check may say, and what is kept of it.
fn checks() -> [(Option<Verification>, Kept); 5] {
    let text = |text: &str| Some(text.to_owned());
    let invalid = |reason| Some(Verification::Invalid { reason });
    [
        (None, (None, None, None)),
        (Some(valid(Some("sec_old"))), (Some(true), None, text("sec_old"))),
        (
            invalid("signature_missing"),
            (Some(false), text("signature_missing"), None),
        ),
        (Some(valid(None)), (Some(true), None, None)),
        (Some(valid(Some("sec_new"))), (Some(true), None, text("sec_new"))),
    ]
}

/// Accepts an event for each check in one batch, decided by their doors if `is_decided`, and says what is to be kept.
async fn accepted(yard: &Yard, is_decided: bool) -> HashMap<EventId, Kept> {
    let (rows, kept): (Vec<_>, HashMap<_, _>) = checks()
        .into_iter()
        .map(|(verified, kept)| {
            let event = NewEvent {
                verified,
                ..event("{}")
            };
            let id = event.id;
            let routed = is_decided.then(|| given::routed(id, vec![delivery(id, "one", Instant::now())]));
            (
                Acceptance {
                    claim: None,
                    event,
                    routed,
                },
                (id, kept),
            )
        })
        .unzip();
    for answer in yard.accept_in_one_batch(rows).await {
        assert_eq!(answer.unwrap(), Accepted::Created);
    }
    kept
}

on_both! {
    async fn a_verdict_its_reason_and_its_secret_come_back_with_the_event(yard: &Yard) {
        for is_decided in [false, true] {
            for (id, kept) in accepted(yard, is_decided).await {
                let event = yard.store.event(&workspace(), id).await.unwrap().unwrap();
                assert_eq!((event.verified, event.verify_reason, event.verify_secret_id), kept);
            }
        }
    }

    async fn a_list_of_events_has_their_verdicts(yard: &Yard) {
        let kept = accepted(yard, false).await;
        let page = yard.store.events(&workspace(), EventFilter::default(), None, 10).await.unwrap();
        let rows = page.rows.into_iter().filter(|row| kept.contains_key(&row.id));
        let listed = rows.map(|row| (row.id, (row.verified, row.verify_reason, row.verify_secret_id)));
        assert_eq!(listed.collect::<HashMap<_, _>>(), kept);
    }
}
