//! The way to the doors: a gateway of this installation, as the console reaches it.
//!
//! Nothing of a request's checks is here. A test event takes the path of every other, and a rejection is let in by the
//! gateway alone: the console asks for it with a ticket that only services of this installation can make.

use crate::Error;
use boot::settings::{HttpUrl, IpNet};
use egress::{Answer, Client, Deadlines, HeaderMap, HeaderValue, Method, Policy, Request};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;
use wire::{EventId, RejectionId};

/// For an answer: a door may have to ask an app's adapter twice, 5 s each.
const PATIENCE: Duration = Duration::from_secs(15);

/// A gateway, and the client that reaches it and nothing else.
#[derive(Debug)]
pub(crate) struct Doors {
    url: HttpUrl,
    /// Made when it is first needed: it reads the machine's certificates.
    client: OnceLock<Client>,
}

/// A rejection that was let in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accepted {
    pub(crate) event_id: EventId,
    /// `queued` or `duplicate`.
    pub(crate) status: String,
}

/// Why the gateway did not do it.
#[derive(Debug, Deserialize)]
struct Refused {
    error: String,
    message: String,
    #[serde(default)]
    reason: Option<String>,
}

impl Doors {
    pub(crate) fn at(url: &HttpUrl) -> Self {
        Self {
            url: url.clone(),
            client: OnceLock::new(),
        }
    }

    /// What the ticket of [`Doors::accept`] is for.
    pub(crate) fn errand(id: RejectionId) -> String {
        format!("POST /internal/rejections/{id}/accept")
    }

    /// Has a rejection let in, if its door takes it by now.
    pub(crate) async fn accept(&self, id: RejectionId, ticket: &SecretString) -> Result<Accepted, Error> {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {}", ticket.expose_secret()))
            .expect("a ticket is base64, which every header may hold");
        headers.insert("authorization", bearer);
        let path = format!("/internal/rejections/{id}/accept");
        let answer = self.post(&path, headers, Vec::new()).await?;
        let told = || serde_json::from_slice::<Refused>(&answer.body).ok();
        match answer.status.as_u16() {
            200 => serde_json::from_slice(&answer.body)
                .map_err(|_foreign| unreached("what answers there is no gateway of this release")),
            409 => Err(told().map_or_else(
                || unreached("what answers there is no gateway"),
                |told| Error::NotAcceptable(told.message),
            )),
            422 => Err(told().map_or_else(
                || unreached("what answers there is no gateway"),
                |told| Error::StillRefused {
                    code: match told.error.as_str() {
                        "invalid_signature" => "invalid_signature",
                        "unknown_sender" => "unknown_sender",
                        _ => "not_acceptable",
                    },
                    reason: told.reason.unwrap_or(told.error),
                    detail: told.message,
                },
            )),
            404 => Err(unreached(
                "it does not know the console; both must have the same master keys, and clocks within two minutes",
            )),
            status => Err(unreached(&format!("it answers {status}"))),
        }
    }

    /// Sends a request to a door, as anybody could, and returns whatever it answers.
    pub(crate) async fn post(&self, path: &str, headers: HeaderMap, body: Vec<u8>) -> Result<Answer, Error> {
        let mut request = Request::new(Method::POST, format!("{}{path}", self.url), body);
        request.headers = headers;
        request.deadlines = Deadlines::within(PATIENCE);
        let client = self.client.get_or_init(|| client(&self.url));
        let answered = client.send(request).await;
        answered.map_err(|error| unreached(&error.to_string()))
    }
}

fn unreached(why: &str) -> Error {
    Error::Unreached(why.to_owned())
}

/// The address is the operator's own word, so it may be any; where it is one and no name, it is the only one.
fn client(url: &HttpUrl) -> Client {
    let everywhere =
        || [[0_u8; 4].into(), IpAddr::from([0_u8; 16])].map(|address| IpNet::new_assert(address, 0));
    let anywhere = Policy::new(everywhere());
    let checked = anywhere.check_url(url.as_str()).ok();
    let address: Option<IpAddr> = checked.and_then(|url| url.host().parse().ok());
    let policy = address.map_or(anywhere, |address| Policy::new([IpNet::from(address)]));
    Client::new(egress::Settings {
        policy,
        ..egress::Settings::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_reaches_the_gateway_and_no_other_address() {
        let client = client(&"http://127.0.0.1:8080".parse().unwrap());
        assert!(
            client
                .policy()
                .check_url("http://127.0.0.1:8080/ingest/a")
                .is_ok()
        );
        assert!(client.policy().check_url("http://127.0.0.2/").is_err());
        let named = super::client(&"http://gateway:8080".parse().unwrap());
        assert!(named.policy().check_url("http://gateway:8080/").is_ok());
    }
}
