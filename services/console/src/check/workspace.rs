//! Workspaces, their environments and management tokens, and what every configured thing has.

use super::{Around, Fields, delivery, value};
use secrecy::SecretString;
use serde_json::Value;
use std::str::FromStr;
use std::time::Duration;
use wire::resource::{Ending, RateLimit, WorkspaceSpec};
use wire::{ConfiguredId, EnvironmentId, ManagementTokenId, WorkspaceId};

/// Reads `id`: pinned for a new thing, and unchangeable for one that exists.
pub(crate) fn read_id<Id>(fields: &mut Fields<'_>, existing: Option<&Id>) -> Option<Id>
where
    Id: ConfiguredId + FromStr<Err: std::error::Error> + PartialEq,
{
    let id = fields.optional("id", value::id::<Id>)?;
    if existing.is_some_and(|existing| *existing != id) {
        fields.refuse("id", "cannot be changed");
    }
    Some(id)
}

/// Reads the environment a thing is in, by slug or id: else where it is, else the workspace's default.
pub(crate) fn read_environment(
    fields: &mut Fields<'_>,
    around: Around<'_>,
    existing: Option<&EnvironmentId>,
) -> Option<EnvironmentId> {
    let refer = |value: &Value| around.directory.environment(value);
    let both = ["environment", "environment_id"];
    let is_given = both.map(|name| fields.has(name)).contains(&true);
    let [by_slug, by_id] = both.map(|name| fields.optional(name, refer));
    if is_given {
        return by_slug.or(by_id);
    }
    let environment = existing.or(around.directory.default_environment.as_ref());
    if environment.is_none() {
        fields.refuse(
            "environment",
            "is missing, and the workspace has no default environment",
        );
    }
    environment.cloned()
}

/// Reads `rate_limit` over what stands in `slot`.
pub(crate) fn read_rate_limit(fields: &mut Fields<'_>, slot: &mut Option<RateLimit>) {
    fields.set_object("rate_limit", slot, |limit| {
        let per_second = limit.required("per_second", value::number(0.001..=100_000.0));
        let mut burst = None;
        limit.set_optional("burst", &mut burst, value::integer(1..=1_000_000));
        // Only now: a field that is not asked for would be refused as unknown.
        Some(RateLimit {
            per_second: per_second?,
            burst: burst.and_then(|burst| u32::try_from(burst).ok()),
        })
    });
}

/// The shortest window: what is younger may still be under way.
const SHORTEST_RETENTION: Duration = Duration::from_hours(24);
/// The longest: the yard's own is shorter, and decides.
const LONGEST_RETENTION: Duration = Duration::from_hours(24 * 3_650);

/// Reads `retention` over what stands in `slot`.
pub(crate) fn read_retention(fields: &mut Fields<'_>, slot: &mut Option<Duration>) {
    fields.set_optional(
        "retention",
        slot,
        value::duration(SHORTEST_RETENTION..=LONGEST_RETENTION),
    );
}

/// Reads `runs` over what stands in `slot`: what becomes of them while `what` is off, which `is_on` says. To switch it on
/// again forgets what was said.
pub(crate) fn read_ending(fields: &mut Fields<'_>, slot: &mut Ending, is_on: bool, what: &str) {
    let said = fields.optional("runs", ending);
    if said == Some(Ending::Cancel) && is_on {
        fields.refuse(
            "runs",
            format!("cannot be cancelled while {what}; switch that off, too"),
        );
    }
    *slot = match said {
        Some(said) => said,
        None if is_on => Ending::Drain,
        None => *slot,
    };
}

fn ending(value: &Value) -> Result<Ending, value::Refused> {
    match value::any_text(value)? {
        "cancel" => Ok(Ending::Cancel),
        "drain" => Ok(Ending::Drain),
        _ => Err(value::Refused::new("must be `drain` or `cancel`")),
    }
}

/// A workspace as a document describes it.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) id: Option<WorkspaceId>,
    pub(crate) slug: String,
    pub(crate) name: Option<String>,
    pub(crate) accepting: bool,
    pub(crate) spec: WorkspaceSpec,
}

/// Reads a workspace.
pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Draft> {
    let id = read_id(fields, None);
    let slug = fields.required("slug", value::slug);
    let name = fields.optional("name", value::name);
    let accepting = fields.optional("accepting", value::boolean).unwrap_or(true);
    let mut spec = WorkspaceSpec::default();
    read_rate_limit(fields, &mut spec.rate_limit);
    read_retention(fields, &mut spec.retention);
    delivery::read_section(fields, &mut spec.delivery);
    read_ending(fields, &mut spec.runs, accepting, "the workspace accepts");
    Some(Draft {
        id,
        slug: slug?,
        name,
        accepting,
        spec,
    })
}

/// An environment as a document describes it.
#[derive(Debug)]
pub(crate) struct EnvironmentDraft {
    pub(crate) slug: String,
    pub(crate) name: Option<String>,
    pub(crate) is_default: Option<bool>,
}

/// Reads an environment.
pub(crate) fn read_environment_draft(fields: &mut Fields<'_>) -> Option<EnvironmentDraft> {
    read_id::<EnvironmentId>(fields, None);
    let slug = fields.required("slug", value::slug);
    let is_default = fields.optional("default", value::boolean);
    let mut name = None;
    fields.set_optional("name", &mut name, value::name);
    Some(EnvironmentDraft {
        slug: slug?,
        name,
        is_default,
    })
}

/// A management token as a document describes it.
#[derive(Debug)]
pub(crate) struct TokenDraft {
    pub(crate) id: Option<ManagementTokenId>,
    pub(crate) name: String,
    pub(crate) token: Option<SecretString>,
}

/// Reads a management token.
pub(crate) fn read_token(fields: &mut Fields<'_>) -> Option<TokenDraft> {
    let id = read_id(fields, None);
    let name = fields.required("name", value::name);
    let token = fields.optional("token", value::token("nhm_"));
    Some(TokenDraft {
        id,
        name: name?,
        token,
    })
}
