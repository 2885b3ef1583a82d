//! The management API as the commands use it.
//!
//! This is the operator's own client for the operator's own URL, so it is not the guarded client that deliveries go out
//! through: a console on a private network is the usual case. It follows no redirect, since a token must not follow one.

mod model;
mod playbooks;

pub(crate) use model::{
    Accepted, Attempt, Decision, Delivery, DeliveryPage, Doorkeeper, Event, EventPage, Rejection,
    RejectionPage, Source, Trace, Waited,
};

pub(crate) use playbooks::{Playbook, PlaybookVersion, Run, RunPage, Step, StepPage, VersionPage};

use crate::arguments::Connection;
use console::Problem;
use reqwest::{Method, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// To reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole answer; the slowest are lists and applies of large files.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The workspace whose token is shown, to the management API.
const OWN_WORKSPACE: &str = "-";
/// How much of a foreign answer is quoted.
const QUOTED: usize = 200;

/// Why the management API did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An option that every command of this kind needs.
    #[error("no {what} is given: use {option} or set {variable}{way_out}")]
    Missing {
        what: &'static str,
        option: &'static str,
        variable: &'static str,
        way_out: &'static str,
    },
    /// The URL cannot be one.
    #[error("`{url}` is not an http:// or https:// URL (from --url or HOOKYARD_URL)")]
    Url { url: String },
    /// No client for any URL.
    #[error("no HTTPS client can be made on this machine")]
    Client(#[source] reqwest::Error),
    /// Nobody answered.
    #[error("{origin} cannot be reached; is it running, and is --url (HOOKYARD_URL) right?")]
    Unreachable { origin: String, source: reqwest::Error },
    /// The answer was an error.
    #[error("{message} ({code}, HTTP {status})")]
    Refused {
        status: StatusCode,
        code: String,
        message: String,
        problems: Vec<Problem>,
    },
    /// The answer was not the management API's.
    #[error(
        "{origin} answered HTTP {status} with `{quoted}`, which is not the management API's; is --url right?"
    )]
    Foreign {
        origin: String,
        status: StatusCode,
        quoted: String,
    },
}

impl Error {
    /// Whether the same request may succeed in a moment: the server is away, or something behind it is.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } | Self::Foreign { status, .. } => status.is_server_error(),
            Self::Missing { .. } | Self::Url { .. } | Self::Client(_) => false,
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Deserialize)]
struct RefusalError {
    code: String,
    message: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    path: String,
    message: String,
}

/// A connection to one workspace's management API.
#[derive(Debug)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: Url,
    token: SecretString,
}

/// A client for the operator's own URLs.
#[expect(
    clippy::disallowed_methods,
    reason = "the operator's own URL, typed by the operator; egress guards against URLs of strangers"
)]
pub(crate) fn client() -> Result<reqwest::Client, Error> {
    // The commands that start no platform have no TLS provider yet; a second one is refused, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("hookyard-cli/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(Error::Client)
}

/// A page that everybody may see, as JSON, whatever its status.
pub(crate) async fn page<T: DeserializeOwned>(url: &str, path: &str) -> Result<T, Error> {
    let origin = url.trim_end_matches('/');
    let address = Url::parse(&format!("{origin}/{path}"))
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| Error::Url { url: url.to_owned() })?;
    let origin = address.origin().ascii_serialization();
    let unreachable = |source: reqwest::Error| Error::Unreachable {
        origin: origin.clone(),
        source: source.without_url(),
    };
    let answer = client()?.get(address).send().await.map_err(unreachable)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(unreachable)?;
    serde_json::from_slice(&body).map_err(|_foreign| Error::Foreign {
        origin: origin.clone(),
        status,
        quoted: String::from_utf8_lossy(&body).chars().take(QUOTED).collect(),
    })
}

impl Api {
    /// Takes what the command line or the environment says; asks nobody yet.
    pub(crate) fn new(connection: &Connection) -> Result<Self, Error> {
        let given = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
        let missing = |what, option, variable, way_out| Error::Missing {
            what,
            option,
            variable,
            way_out,
        };
        let url = given(&connection.url)
            .ok_or_else(|| missing("URL", "--url", "HOOKYARD_URL", "; `hookyard dev` prints one"))?;
        let token = given(&connection.token).ok_or_else(|| {
            missing(
                "management token",
                "--token",
                "HOOKYARD_TOKEN",
                "; `hookyard dev` prints one",
            )
        })?;
        let workspace = given(&connection.workspace);
        let mut base = Url::parse(&url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or(Error::Url { url })?;
        if let Ok(mut segments) = base.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(["management", "v1", "workspaces"])
                .push(workspace.as_deref().unwrap_or(OWN_WORKSPACE));
        }
        Ok(Self {
            http: client()?,
            base,
            token: token.into(),
        })
    }

    /// `GET`s a thing of the workspace. `path` is relative to it, a segment each; an absent parameter is left out.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, Option<&str>)],
    ) -> Result<T, Error> {
        self.ask(self.http.request(Method::GET, self.url(path, query)))
            .await
    }

    /// `PUT`s a text.
    pub(crate) async fn put_text<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, Option<&str>)],
        text: String,
    ) -> Result<T, Error> {
        self.ask(self.http.request(Method::PUT, self.url(path, query)).body(text))
            .await
    }

    /// `POST`s to a thing of the workspace.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T, Error> {
        self.ask(self.http.request(Method::POST, self.url(path, &[])).json(body))
            .await
    }

    /// Where doors are, as far as this client knows: at the same origin.
    pub(crate) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    fn url(&self, path: &[&str], query: &[(&str, Option<&str>)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        let given: Vec<_> = query
            .iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)))
            .collect();
        if !given.is_empty() {
            url.query_pairs_mut().extend_pairs(given);
        }
        url
    }

    async fn ask<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Error> {
        let unreachable = |source: reqwest::Error| Error::Unreachable {
            origin: self.origin(),
            // The URL is in the message already, and a path may hold a token.
            source: source.without_url(),
        };
        let answer = request
            .bearer_auth(self.token.expose_secret())
            .send()
            .await
            .map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        let body = if body.is_empty() {
            b"null".as_slice()
        } else {
            &body
        };
        if status.is_success()
            && let Ok(value) = serde_json::from_slice(body)
        {
            return Ok(value);
        }
        match serde_json::from_slice::<Refusal>(body) {
            Ok(Refusal { error }) if !status.is_success() => Err(Error::Refused {
                status,
                code: error.code,
                message: error.message,
                problems: error
                    .details
                    .into_iter()
                    .map(|detail| Problem::new(detail.path, detail.message))
                    .collect(),
            }),
            _ => Err(Error::Foreign {
                origin: self.origin(),
                status,
                quoted: String::from_utf8_lossy(body).chars().take(QUOTED).collect(),
            }),
        }
    }
}
