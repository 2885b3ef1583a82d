//! What an operation takes: parameters, and a body.

use super::find::{Version, Way, object, resolved};
use super::{Missing, Parameter, Place, RequestBody};
use serde_json::Value;

/// What an operation takes.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
}

const JSON: &str = "application/json";

/// Reads the parameters of an operation, and those of all operations at its path.
pub(super) fn of(document: &Value, version: Version, way: &Way<'_>) -> Result<Taken, Missing> {
    let mut taken = Taken::default();
    let mut form = Vec::new();
    // The operation's own come first: they replace those of the path.
    for part in [way.operation, way.item] {
        for given in part
            .get("parameters")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let given = resolved(document, given)?;
            let text = |name| given.get(name).and_then(Value::as_str).unwrap_or_default();
            let (name, place) = (text("name"), text("in"));
            let mut required = given.get("required").and_then(Value::as_bool).unwrap_or_default();
            let place = match place {
                "path" => {
                    required = true;
                    Place::Path
                }
                "query" => Place::Query,
                "header" => Place::Header,
                "body" if version == Version::Two => {
                    taken.body = Some(body_of_two(document, way, name, required, given)?);
                    continue;
                }
                "formData" => {
                    form.push((name, required));
                    continue;
                }
                _ if required => {
                    return Err(Missing::Unsupported(format!(
                        "the parameter `{name}` of the operation goes into `{place}`, which is not available; use \
                         `call: http`"
                    )));
                }
                _ => continue,
            };
            let is_known = |known: &Parameter| known.name == name && known.place == place;
            if taken.parameters.iter().any(is_known) {
                continue;
            }
            let separator = match separator(version, place, given) {
                Ok(separator) => separator,
                Err(unsupported) if required => return Err(unsupported),
                // What may be left out does no harm.
                Err(_) => continue,
            };
            taken.parameters.push(Parameter {
                name: name.to_owned(),
                place,
                required,
                separator,
            });
        }
    }
    if version == Version::Three
        && let Some(body) = way.operation.get("requestBody")
    {
        taken.body = body_of_three(document, resolved(document, body)?)?;
    }
    if let Some((name, _)) = form.iter().find(|(_, required)| *required) {
        return Err(no_form(name));
    }
    Ok(taken)
}

fn no_form(name: &str) -> Missing {
    Missing::Unsupported(format!(
        "the operation takes a form (`{name}`), which is not available; use `call: http`, with the header `content-type` \
         and a text as body: `${{ \"{name}=\\(.value | @uri)\" }}`"
    ))
}

/// What stands between the items of a list.
fn separator(version: Version, place: Place, given: &Value) -> Result<Option<String>, Missing> {
    let text = |name| given.get(name).and_then(Value::as_str);
    let style = match version {
        Version::Two => text("collectionFormat").unwrap_or("csv"),
        Version::Three if place == Place::Query => text("style").unwrap_or("form"),
        Version::Three => text("style").unwrap_or("simple"),
    };
    let exploded = given
        .get("explode")
        .and_then(Value::as_bool)
        .unwrap_or(style == "form");
    let separator = match style {
        "multi" => None,
        "form" | "spaceDelimited" | "pipeDelimited" if exploded => None,
        "csv" | "form" | "simple" => Some(","),
        "ssv" | "spaceDelimited" => Some(" "),
        "tsv" => Some("\t"),
        "pipes" | "pipeDelimited" => Some("|"),
        _ => {
            return Err(Missing::Unsupported(format!(
                "the parameter `{}` of the operation has the style `{style}`, which is not available; use `call: http`",
                text("name").unwrap_or_default()
            )));
        }
    };
    Ok(separator.map(str::to_owned))
}

fn body_of_two(
    document: &Value,
    way: &Way<'_>,
    name: &str,
    required: bool,
    given: &Value,
) -> Result<RequestBody, Missing> {
    let consumes = [way.operation, document]
        .into_iter()
        .find_map(|part| part.get("consumes")?.as_array());
    let consumes = consumes.into_iter().flatten().filter_map(Value::as_str);
    Ok(RequestBody {
        name: name.to_owned(),
        content_type: json_among(consumes)?,
        required,
        properties: properties(document, given.get("schema"))?,
    })
}

fn body_of_three(document: &Value, body: &Value) -> Result<Option<RequestBody>, Missing> {
    let required = body.get("required").and_then(Value::as_bool).unwrap_or_default();
    let Some(content) = object(body, "content") else {
        return Ok(None);
    };
    let content_type = match json_among(content.keys().map(String::as_str)) {
        Ok(content_type) => content_type,
        // What may be left out does no harm.
        Err(_) if !required => return Ok(None),
        Err(missing) => return Err(missing),
    };
    let schema = content.get(&content_type).and_then(|media| media.get("schema"));
    Ok(Some(RequestBody {
        name: "body".to_owned(),
        required,
        properties: properties(document, schema)?,
        content_type,
    }))
}

/// The media type among these that is JSON, or a text.
fn json_among<'m>(types: impl Iterator<Item = &'m str> + Clone) -> Result<String, Missing> {
    let bare = |media: &str| {
        media
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    };
    let mut all = types.clone().peekable();
    if all.peek().is_none() {
        return Ok(JSON.to_owned());
    }
    let is_json = |media: &&str| bare(media) == JSON || bare(media).ends_with("+json");
    let is_text = |media: &&str| bare(media).starts_with("text/");
    let is_any = |media: &&str| matches!(bare(media).as_str(), "*/*" | "application/*");
    let found = types
        .clone()
        .find(is_json)
        .or_else(|| types.clone().find(is_text));
    if let Some(found) = found {
        return Ok(found.to_owned());
    }
    if types.clone().any(|media| is_any(&media)) {
        return Ok(JSON.to_owned());
    }
    let all: Vec<&str> = types.collect();
    Err(Missing::Unsupported(format!(
        "the operation takes a body of {}, which is not available; use `call: http`, with the header `content-type` and a \
         text as body",
        all.join(", ")
    )))
}

/// The names of a schema's own properties.
fn properties(document: &Value, schema: Option<&Value>) -> Result<Vec<String>, Missing> {
    let Some(schema) = schema else {
        return Ok(Vec::new());
    };
    let schema = resolved(document, schema)?;
    Ok(object(schema, "properties")
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect())
}
