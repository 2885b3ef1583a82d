//! `hookyard rejections`: what was refused at a door, and letting it in once the reason is mended.

use super::events::listed;
use crate::api::{Accepted, Api, Rejection, RejectionPage};
use crate::arguments::{OneRejection, PageOf, RejectionList, Rejections};
use crate::screen::{BAD, DIM, GOOD, Screen, plain, styled};
use serde_json::json;
use std::fmt::Write as _;

pub(crate) async fn run(rejections: Rejections, screen: Screen) -> anyhow::Result<()> {
    match rejections.one {
        None => list(rejections.list, screen).await,
        Some(OneRejection::List(wanted)) => list(wanted, screen).await,
        Some(OneRejection::Show {
            rejection,
            connection,
        }) => {
            let api = Api::new(&connection)?;
            let found: Rejection = api.get(&["rejections", &rejection], &[]).await?;
            screen.show(&found, told)?;
            Ok(())
        }
        Some(OneRejection::Accept {
            rejection,
            connection,
        }) => {
            let api = Api::new(&connection)?;
            let accepted: Accepted = api
                .post(&["rejections", &rejection, "accept"], &json!({}))
                .await?;
            screen.show(&accepted, let_in)?;
            Ok(())
        }
    }
}

async fn list(wanted: RejectionList, screen: Screen) -> anyhow::Result<()> {
    let RejectionList {
        source,
        cause,
        page: PageOf { limit, cursor },
        connection,
    } = wanted;
    let api = Api::new(&connection)?;
    let page: RejectionPage = api
        .get(
            &["rejections"],
            &[
                ("source", source.as_deref()),
                ("cause", cause.as_deref()),
                ("limit", Some(&limit.to_string())),
                ("cursor", cursor.as_deref()),
            ],
        )
        .await?;
    screen.show(&page, |page| {
        let rows = page.rejections.iter().map(|rejection| {
            vec![
                rejection.id.clone(),
                rejection.received_at.clone(),
                rejection.source().to_owned(),
                rejection.cause.clone(),
                rejection.outcome().to_owned(),
                rejection.detail.clone().unwrap_or_default(),
            ]
        });
        let headings = ["rejection", "received", "source", "cause", "whole", "detail"];
        listed(
            "rejections",
            &headings,
            rows.collect(),
            page.next_cursor.as_deref(),
        )
    })?;
    Ok(())
}

/// What was refused, why, and what can be done about it.
fn told(rejection: &Rejection) -> String {
    let mut text = format!(
        "{} {}  {}  at door {}, source {}",
        styled(DIM, plain(&rejection.received_at)),
        rejection.id,
        styled(BAD, plain(&rejection.cause)),
        plain(rejection.door.as_deref().unwrap_or("unknown")),
        plain(rejection.source()),
    );
    if let Some(detail) = &rejection.detail {
        let _ = write!(text, "\n{}", plain(detail));
    }
    text.push('\n');
    for (name, value) in rejection.headers.iter().flatten() {
        let _ = write!(text, "\n{}: {}", plain(name), plain(value));
    }
    if let Some(body) = rejection.body_preview.as_deref().filter(|body| !body.is_empty()) {
        let lines: Vec<_> = body.lines().map(plain).collect();
        let _ = write!(text, "\n\n{}", lines.join("\n"));
    }
    let next = match (&rejection.event_id, rejection.acceptable) {
        (Some(event), _) => format!("it became {event}"),
        (None, true) => format!(
            "once the cause is mended: hookyard rejections accept {}",
            rejection.id
        ),
        (None, false) => "it was not kept whole, so it cannot be let in".to_owned(),
    };
    let _ = write!(text, "\n\n{}", styled(DIM, plain(&next)));
    text
}

fn let_in(accepted: &Accepted) -> String {
    let what = if accepted.status == "duplicate" {
        "it was recorded before"
    } else {
        "it is in"
    };
    format!("{} as {}", styled(GOOD, what), accepted.event_id)
}
