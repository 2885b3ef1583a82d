//! What one request comes to, step by step.

use super::hint::Hint;
use crate::screen::{BAD, BOLD, DIM, GOOD, WARN, plain, styled};
use serde::Serialize;
use signature::{Credentials, Handshake, Profile, Reason, Request, Step, Verdict};
use std::fmt::Write as _;

/// What one request comes to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// `valid`, `invalid` or `handshake`.
    verdict: &'static str,
    /// The published reason of an invalid request, `handshake_refused`, or `ok`.
    #[serde(rename = "reason")]
    name: &'static str,
    /// The same, where a verification gave it.
    #[serde(skip)]
    pub(super) reason: Option<Reason>,
    /// Which secret matched, counted from 1.
    secret: Option<usize>,
    event_id: Option<String>,
    event_type: Option<String>,
    pub(super) steps: Vec<Step>,
    /// What is most likely wrong, the likeliest first.
    pub(super) hints: Vec<Hint>,
}

impl Report {
    /// Whether a source would take it.
    pub(super) fn is_good(&self) -> bool {
        self.verdict != "invalid"
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            let _ = writeln!(
                text,
                "{}  {}",
                styled(DIM, format_args!("{:<9}", step.name)),
                plain(&step.detail)
            );
        }
        for (name, value) in [("event id", &self.event_id), ("type", &self.event_type)] {
            if let Some(value) = value {
                let _ = writeln!(
                    text,
                    "{}  {}",
                    styled(DIM, format_args!("{name:<9}")),
                    plain(value)
                );
            }
        }
        for Hint { found, way_out } in &self.hints {
            let _ = writeln!(
                text,
                "{}  {}",
                styled(WARN, format_args!("{:<9}", "likely")),
                plain(found)
            );
            let _ = writeln!(
                text,
                "{:11}{}",
                "",
                styled(DIM, format_args!("→ {}", plain(way_out)))
            );
        }
        let verdict = match self.verdict {
            "invalid" => styled(BAD, format_args!("invalid ({})", self.name)),
            other => styled(GOOD, other),
        };
        let _ = write!(text, "{}", styled(BOLD, verdict));
        text
    }
}

/// In the order of a source: unsigned handshakes, the verdict, signed handshakes.
pub(super) fn judge(
    profile: &Profile,
    request: &Request<'_>,
    credentials: &Credentials<'_>,
    now: i64,
) -> Report {
    if let Some(handshake) = profile.unsigned_handshake(request, credentials) {
        return handshake_report(handshake, None, Vec::new());
    }
    let explanation = profile.explain(request, credentials, now);
    let (verdict, reason, secret) = match explanation.verdict {
        Verdict::Invalid(reason) => ("invalid", Some(reason), None),
        Verdict::Valid { secret } => {
            if let Some(handshake) = profile.signed_handshake(request, credentials, secret) {
                return handshake_report(handshake, secret, explanation.steps);
            }
            ("valid", None, secret)
        }
    };
    Report {
        verdict,
        name: reason.map_or("ok", Reason::as_str),
        reason,
        secret: secret.map(|index| index.saturating_add(1)),
        event_id: profile.event_id(request),
        event_type: profile.event_type(request),
        steps: explanation.steps,
        hints: Vec::new(),
    }
}

fn handshake_report(handshake: Handshake, secret: Option<usize>, mut steps: Vec<Step>) -> Report {
    let (verdict, name, detail) = match handshake {
        Handshake::Answer(answer) => {
            let body = if answer.body.is_empty() {
                String::new()
            } else {
                format!(" with {}", answer.body)
            };
            (
                "handshake",
                "ok",
                format!("a source would answer {}{body} and ingest nothing", answer.status),
            )
        }
        Handshake::Refused { status, cause } => (
            "invalid",
            "handshake_refused",
            format!("a source would answer {status}: {cause}"),
        ),
    };
    steps.push(Step {
        name: "handshake",
        detail,
    });
    let secret = secret.map(|index| index.saturating_add(1));
    Report {
        verdict,
        name,
        reason: None,
        secret,
        event_id: None,
        event_type: None,
        steps,
        hints: Vec::new(),
    }
}
