//! The doctor's look at a platform that runs, from the outside: what it says of itself, and whether a token opens it.

use super::Findings;
use crate::api::{self, Api};
use crate::arguments::Connection;
use serde::Deserialize;

/// `/version`.
#[derive(Deserialize)]
struct Version {
    name: String,
    version: String,
}

/// `/readyz?verbose`.
#[derive(Deserialize)]
struct Readiness {
    status: String,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    ok: bool,
    /// Why not.
    error: Option<String>,
}

/// What the token opens.
#[derive(Deserialize)]
struct Workspace {
    slug: String,
}

pub(super) async fn examine(url: &str, connection: &Connection) -> Findings {
    const WAY_OUT: &str = "is --url (HOOKYARD_URL) right, and does `hookyard dev` or a console run there?";
    let mut findings = Findings::default();
    match health(url, &mut findings).await {
        Ok(()) => {}
        // An ingress need not pass the pages on.
        Err(api::Error::Foreign { .. }) => findings.warning(
            "platform",
            format!("{url} does not show how it is"),
            "ask the service itself, at its port for health pages",
        ),
        Err(error) => {
            findings.problem("platform", boot::report(&error), WAY_OUT);
            return findings;
        }
    }
    token(connection, &mut findings).await;
    findings
}

async fn health(url: &str, findings: &mut Findings) -> Result<(), api::Error> {
    let version: Version = api::page(url, "version").await?;
    let own = env!("CARGO_PKG_VERSION");
    let runs = format!("{} {}", version.name, version.version);
    if version.version == own {
        findings.ok("platform", runs);
    } else {
        let detail = format!("{runs}, and this is {own}");
        findings.warning("platform", detail, "use the same release for both");
    }
    let readiness: Readiness = api::page(url, "readyz?verbose").await?;
    if readiness.status == "ready" {
        findings.ok("readiness", readiness.status);
    } else {
        findings.problem("readiness", readiness.status, "its checks and its log say why");
    }
    for Check { name, ok, error } in readiness.checks {
        if ok {
            findings.ok("check", name);
        } else {
            let detail = format!("{name}: {}", error.as_deref().unwrap_or("failed"));
            findings.problem(
                "check",
                detail,
                "run `hookyard doctor` where that service runs, with its settings",
            );
        }
    }
    Ok(())
}

async fn token(connection: &Connection, findings: &mut Findings) {
    const CHECK: &str = "token";
    if connection.token.as_deref().unwrap_or_default().is_empty() {
        return findings.warning(
            CHECK,
            "none is given, so none is tried",
            "use --token or set HOOKYARD_TOKEN",
        );
    }
    let opened: Result<Workspace, api::Error> = match Api::new(connection) {
        Ok(api) => api.get(&[], &[]).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(workspace) => findings.ok(CHECK, format!("opens the workspace {}", workspace.slug)),
        Err(error) => findings.problem(
            CHECK,
            error.to_string(),
            "make one with `hookyard apply` or the management API, or name its --workspace",
        ),
    }
}
