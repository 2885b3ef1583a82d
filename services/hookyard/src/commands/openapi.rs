//! `hookyard openapi`: what all doors and the management API take and answer.

use openapi::Api;
use std::io::{self, Write as _};

/// What stands at the top of the document.
const ABOUT: &str = "A self-hosted webhook yard: every webhook that reaches it is verified, recorded once, routed, and \
    delivered, signed and retried, never lost.\n\n\
    Every answer has `X-Request-Id`: the caller's, if it is 1 to 128 visible ASCII characters, else a new one. What can \
    be got at the management API can be asked for its head. A method that an address does not take is 405 \
    `method_not_allowed`.\n\n\
    What is refused has a stable code and a message for people. Doors 1 and 2 say \
    `{\"error\":\"<code>\",\"message\":\"…\"}`, and `issues` for a body that is not what it must be; door 3 and the \
    management API say `{\"error\":{\"code\":\"<code>\",\"message\":\"…\"}}`, and `details` for a 400; doors 4 to 7 say \
    `{\"error\":\"<code>\",\"message\":\"…\"}`. An answer may get new fields; none is taken away.";

/// Prints the document.
pub(super) fn run() -> anyhow::Result<()> {
    let document = api().document(env!("CARGO_PKG_VERSION"), ABOUT);
    writeln!(io::stdout(), "{}", document.to_pretty_json()?)?;
    Ok(())
}

fn api() -> Api {
    gateway::api().and(console::api())
}
