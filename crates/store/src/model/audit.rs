//! Who did what.

use serde_json::{Map, Value};
use wire::{AuditId, Instant, ManagementTokenId, PortalSessionId, WorkspaceId};

/// Something that somebody did, as the audit tells it. No secret stands in it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// `aud_…`, which has the time.
    pub id: AuditId,
    /// Where it was done.
    pub workspace_id: WorkspaceId,
    /// Who did it.
    pub actor: Actor,
    /// What was done: the kind of its target, a point and a verb, such as `endpoint.create`.
    pub action: String,
    /// To what: its id.
    pub target_id: String,
    /// What else there is to say, such as `{"name":"billing","fields":["timeout"]}`.
    pub detail: Map<String, Value>,
}

/// Who did something, as they were then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Whether it was a program, an operator or a customer.
    pub kind: ActorKind,
    /// Which of them, where there are several.
    pub id: Option<String>,
    /// What it was called.
    pub name: Option<String>,
}

/// What can do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// Whoever shows a management token of the workspace.
    ManagementToken,
    /// Whoever shows the operator's token.
    Operator,
    /// A customer, on a visit to the portal.
    Portal,
    /// A command that goes straight to the ledger.
    Command,
}

impl ActorKind {
    const ALL: [Self; 4] = [Self::ManagementToken, Self::Operator, Self::Portal, Self::Command];

    /// The word in the ledger and in the management API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManagementToken => "management_token",
            Self::Operator => "operator",
            Self::Portal => "portal",
            Self::Command => "command",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Actor {
    /// Whoever shows this token.
    pub fn token(id: &ManagementTokenId, name: &str) -> Self {
        Self {
            kind: ActorKind::ManagementToken,
            id: Some(id.to_string()),
            name: Some(name.to_owned()),
        }
    }

    /// Whoever shows the operator's token.
    pub const fn operator() -> Self {
        Self {
            kind: ActorKind::Operator,
            id: None,
            name: None,
        }
    }

    /// A customer of this name on this visit.
    pub fn portal(visit: &PortalSessionId, customer: &str) -> Self {
        Self {
            kind: ActorKind::Portal,
            id: Some(visit.to_string()),
            name: Some(customer.to_owned()),
        }
    }

    /// A command, such as `hookyard apply`.
    pub fn command(name: &str) -> Self {
        Self {
            kind: ActorKind::Command,
            id: None,
            name: Some(name.to_owned()),
        }
    }
}

impl AuditEntry {
    /// That `actor` does `action` now.
    pub fn new(workspace: &WorkspaceId, actor: &Actor, action: &str, target_id: &impl ToString) -> Self {
        let at = Instant::now();
        // Of one millisecond, they are told in the order of their microseconds.
        let micros = usize::try_from(at.unix_micros() % 1_000).unwrap_or(0);
        Self {
            id: AuditId::numbered(at, micros, rand::random()),
            workspace_id: workspace.clone(),
            actor: actor.clone(),
            action: action.to_owned(),
            target_id: target_id.to_string(),
            detail: Map::new(),
        }
    }

    /// The same with what the target is called.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.with("name", name)
    }

    /// The same with something else to say.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(field.to_owned(), value.into());
        self
    }

    /// The kind of the target, such as `endpoint`.
    pub fn target_kind(&self) -> &str {
        self.action.split_once('.').map_or(&self.action, |(kind, _)| kind)
    }
}
