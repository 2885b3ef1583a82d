//! Configuration as code, over HTTP.

use super::body::{CONFIGURATION_LIMIT, Parameters, whole};
use super::ok;
use crate::access::{Caller, Opened};
use crate::apply::{self, Inputs, Outside, Scope};
use crate::{Console, Error, Problem};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use store::Actor;

/// `PUT …/configuration?dryRun=true&prune=true` with the file's text. Its variables and files are filled in by the
/// sender. The operator may make a new workspace so.
pub(super) async fn apply(
    console: Data<Console>,
    caller: Caller,
    opened: Option<Opened>,
    mut parameters: Parameters,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let (scope, actor) = match (caller, opened) {
        (_, Some(opened)) => (Scope::Workspace(opened.workspace.id), opened.actor),
        (Caller::Operator, None) => {
            let name = request.match_info().query("workspace").to_owned();
            (Scope::New(name), Actor::operator())
        }
        (Caller::Token, None) => return Err(Error::Unauthorized),
    };
    let is_dry = parameters.take_flag("dryRun")?;
    let prune = parameters.take_flag("prune")?;
    parameters.finish()?;
    let body = whole(&request, payload.into_inner(), CONFIGURATION_LIMIT).await?;
    let text = std::str::from_utf8(&body);
    let text =
        text.map_err(|_binary| Error::Invalid(vec![Problem::new("", "the file must be text in UTF-8")]))?;
    let inputs = Inputs {
        scope,
        outside: Outside::default(),
        prune,
    };
    let plan = apply::plan(console.store(), console.checks(), text, inputs).await?;
    if is_dry {
        return Ok(ok(plan.preview()));
    }
    Ok(ok(console.execute(plan, &actor).await?))
}
