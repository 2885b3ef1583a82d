//! OpenAPI documents of others, fetched when a playbook that calls them is saved.
//!
//! Their addresses are a stranger's, so they are fetched through the guarded client like everything else that leaves.

use egress::{Client, Deadlines, Method, Request};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many documents one definition may call.
const MOST: usize = 10;
/// The largest document. Of the public ones, few are larger than 2 MiB; GitHub's, with 12 MiB, is not for this.
const LARGEST: usize = 4 << 20;
/// For a document to arrive, while somebody waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fetches the documents at these addresses, all at once. What is had is its text; what is not, a clause that says why.
pub async fn fetch(client: &Client, uris: Vec<String>) -> BTreeMap<String, Result<String, String>> {
    let fetches = uris.into_iter().enumerate().map(async |(index, uri)| {
        let fetched = if index < MOST {
            one(client, &uri).await
        } else {
            Err(format!("a definition may call at most {MOST} documents"))
        };
        (uri, fetched)
    });
    join_all(fetches).await.into_iter().collect()
}

async fn one(client: &Client, uri: &str) -> Result<String, String> {
    let request = Request {
        deadlines: Deadlines::within(PATIENCE),
        max_answer_bytes: LARGEST,
        ..Request::new(Method::GET, uri, "")
    };
    let answer = client
        .send(request)
        .await
        .map_err(|error| format!("it cannot be fetched ({error})"))?;
    let status = answer.status;
    if status.is_redirection() {
        return Err(format!(
            "its server answered {}, which is not followed; write the address that it leads to",
            status.as_u16()
        ));
    }
    if !status.is_success() {
        return Err(format!("its server answered {}", status.as_u16()));
    }
    if answer.body_truncated {
        return Err(format!(
            "it has more than {LARGEST} bytes, or did not arrive whole within {} s",
            PATIENCE.as_secs()
        ));
    }
    String::from_utf8(answer.body.to_vec()).map_err(|_binary| "it is no text in UTF-8".to_owned())
}
