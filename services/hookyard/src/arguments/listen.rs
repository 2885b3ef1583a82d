//! `hookyard listen` and what it takes.

use super::Connection;
use clap::Args;

/// `hookyard listen`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example: hookyard listen --forward-to http://localhost:3000/hook --type 'payment.*'\n\n\
    Each event's exact body is posted with the sender's headers; webhook-id is the event's id. No endpoint and no tunnel is \
    needed, and deliveries to endpoints go their way besides."
)]
pub struct Listen {
    /// Where each event is posted; without it, they are shown with their bodies.
    #[arg(short, long, value_name = "URL", value_parser = local_url)]
    pub forward_to: Option<reqwest::Url>,
    /// Only of these event types, such as payment.*.
    #[arg(long = "type", value_name = "PATTERN")]
    pub event_type: Option<wire::EventTypePattern>,
    /// Only of this source (its slug).
    #[arg(long, value_name = "SLUG")]
    pub source: Option<String>,
    /// How often to look.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = wire::resource::duration::parse)]
    pub every: std::time::Duration,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// `localhost:3000/hook` is short for `http://localhost:3000/hook`.
fn local_url(text: &str) -> Result<reqwest::Url, String> {
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    reqwest::Url::parse(&whole)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| "must be a URL such as http://localhost:3000/hook".to_owned())
}
