//! Where an operation's server is.

use super::Missing;
use super::find::{Version, Way};
use serde_json::Value;
use url::Url;

/// The URL before an operation's path.
pub(super) fn base(uri: &str, document: &Value, version: Version, way: &Way<'_>) -> Result<String, Missing> {
    let broken = |error: url::ParseError| Missing::Broken(format!("names a server that is no URL ({error})"));
    let own = Url::parse(uri).map_err(broken)?;
    let base = match version {
        Version::Two => two(&own, document, way).map_err(broken),
        Version::Three => {
            let server = [way.operation, way.item, document]
                .into_iter()
                .find_map(|part| part.get("servers")?.as_array()?.first());
            let Some(server) = server else {
                return own.join("/").map(String::from).map_err(broken);
            };
            own.join(&filled(server)?).map(String::from).map_err(broken)
        }
    }?;
    if base.starts_with("https://") || base.starts_with("http://") {
        return Ok(base);
    }
    Err(Missing::Unsupported(format!(
        "the operation's server is {base}, and calls go to http and https"
    )))
}

/// `schemes`, `host` and `basePath`; what is missing is the document's own.
fn two(own: &Url, document: &Value, way: &Way<'_>) -> Result<String, url::ParseError> {
    let schemes = [way.operation, document]
        .into_iter()
        .find_map(|part| part.get("schemes")?.as_array());
    let offered = |scheme: &str| schemes.is_some_and(|all| all.iter().any(|one| one == scheme));
    let scheme = match (offered("https"), offered("http")) {
        (true, _) => "https",
        (false, true) => "http",
        (false, false) => own.scheme(),
    };
    let text = |name| document.get(name).and_then(Value::as_str);
    let authority = text("host").map_or_else(|| own.authority().to_owned(), str::to_owned);
    let path = text("basePath").unwrap_or("/");
    Url::parse(&format!("{scheme}://{authority}"))?
        .join(path)
        .map(String::from)
}

/// A server's URL with the defaults of its variables.
fn filled(server: &Value) -> Result<String, Missing> {
    let url = server.get("url").and_then(Value::as_str);
    let mut url = url
        .ok_or_else(|| Missing::Broken("has a server without `url`".to_owned()))?
        .to_owned();
    for (name, variable) in server
        .get("variables")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let default = variable.get("default").and_then(Value::as_str);
        url = url.replace(&format!("{{{name}}}"), default.unwrap_or_default());
    }
    if url.contains(['{', '}']) {
        return Err(Missing::Unsupported(
            "the server of the operation has a variable without a default; use `call: http`".to_owned(),
        ));
    }
    Ok(url)
}
