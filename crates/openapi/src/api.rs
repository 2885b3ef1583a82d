//! Many operations as one document.

use crate::operation::{Auth, Operation, Parameter, Place};
use crate::refusal::{Family, Refusal};
use crate::shape::{Shape, text};
use std::collections::BTreeMap;
use utoipa::openapi::path::{self, OperationBuilder, ParameterBuilder, ParameterIn, PathsBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HeaderBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    PathItem, Ref, RefOr, Required, Server,
};

/// What stands in [`SecurityRequirement`]s for each kind of key.
const API_KEY: &str = "apiKey";
const MANAGEMENT_TOKEN: &str = "managementToken";

/// A group of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// What operations say.
    pub name: &'static str,
    /// What they are about.
    pub about: &'static str,
}

/// What a service answers.
#[derive(Debug, Clone, Default)]
pub struct Api {
    tags: Vec<Tag>,
    operations: Vec<Operation>,
    shapes: BTreeMap<&'static str, Shape>,
}

/// An answer that many operations have in common: each refusal of a family with this status and one of these codes.
type Shared = BTreeMap<String, Response>;

impl Api {
    /// Adds a group.
    pub fn tag(&mut self, name: &'static str, about: &'static str) {
        self.tags.push(Tag { name, about });
    }

    /// Adds an operation.
    pub fn add(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// Gives a shape a name, for [`named`](crate::named).
    pub fn shape(&mut self, name: &'static str, shape: Shape) {
        self.shapes.insert(name, shape);
    }

    /// Adds everything that another service answers.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.tags.extend(other.tags);
        self.operations.extend(other.operations);
        self.shapes.extend(other.shapes);
        self
    }

    /// Every operation.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The document. `about` is for people, in Markdown.
    pub fn document(&self, version: &str, about: &str) -> OpenApi {
        let mut shared = Shared::new();
        let mut items: BTreeMap<&str, PathItem> = BTreeMap::new();
        for operation in &self.operations {
            let item = PathItem::new(operation.method.into(), built(operation, &mut shared));
            items.entry(&operation.path).or_default().merge_operations(item);
        }
        let paths = items
            .into_iter()
            .fold(PathsBuilder::new(), |paths, (path, item)| paths.path(path, item));
        let license = LicenseBuilder::new()
            .name("Apache-2.0")
            .identifier(Some("Apache-2.0"))
            .build();
        let info = InfoBuilder::new()
            .title("Hookyard")
            .version(version)
            .description(Some(about))
            .license(Some(license));
        let tags = self.tags.iter().map(|tag| {
            TagBuilder::new()
                .name(tag.name)
                .description(Some(tag.about))
                .build()
        });
        OpenApiBuilder::new()
            .info(info.build())
            .servers(Some([Server::new("/")]))
            .paths(paths.build())
            .tags(Some(tags))
            .components(Some(self.components(shared).build()))
            .build()
    }

    fn components(&self, shared: Shared) -> ComponentsBuilder {
        let bearer = |format: &str, about: &str| {
            let scheme = HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format(format)
                .description(Some(about));
            SecurityScheme::Http(scheme.build())
        };
        let components = self
            .shapes
            .iter()
            .fold(ComponentsBuilder::new(), |components, (name, shape)| {
                components.schema(*name, shape.schema())
            })
            .responses_from_iter(shared)
            .security_scheme(API_KEY, bearer("nhk_…", "An API key of a workspace."));
        components.security_scheme(
            MANAGEMENT_TOKEN,
            bearer(
                "nhm_…",
                "A management token of the workspace, or the operator's token.",
            ),
        )
    }
}

fn built(operation: &Operation, shared: &mut Shared) -> path::Operation {
    let mut built = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .summary(Some(operation.summary))
        .description(operation.details)
        .tag(operation.tag)
        .request_body(operation.body.as_ref().map(request_body));
    for name in names_in(&operation.path) {
        let is_described = |known: &Parameter| known.place == Place::Path && known.name == name;
        if !operation.parameters.iter().any(is_described) {
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(text().schema()));
            built = built.parameter(parameter);
        }
    }
    for parameter in &operation.parameters {
        built = built.parameter(built_parameter(parameter));
    }
    built = match operation.auth {
        Auth::None => built,
        Auth::ApiKey => built.security(SecurityRequirement::new(API_KEY, NO_SCOPES)),
        Auth::ManagementToken => built.security(SecurityRequirement::new(MANAGEMENT_TOKEN, NO_SCOPES)),
    };
    for answer in &operation.answers {
        let mut response = ResponseBuilder::new().description(answer.about);
        for (media, shape) in &answer.content {
            response = response.content(*media, ContentBuilder::new().schema(Some(shape.schema())).build());
        }
        for (name, about) in &answer.headers {
            let header = HeaderBuilder::new().description(Some(*about)).build();
            response = response.header(*name, header);
        }
        built = built.response(answer.status.to_string(), response.build());
    }
    for (status, refusals) in by_status(&operation.refusals) {
        built = built.response(status.to_string(), refused(operation, status, &refusals, shared));
    }
    built.build()
}

const NO_SCOPES: [&str; 0] = [];

/// The names in braces.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0))
}

fn built_parameter(parameter: &Parameter) -> path::Parameter {
    let place = match parameter.place {
        Place::Path => ParameterIn::Path,
        Place::Query => ParameterIn::Query,
        Place::Header => ParameterIn::Header,
    };
    let required = if parameter.required {
        Required::True
    } else {
        Required::False
    };
    ParameterBuilder::new()
        .name(parameter.name)
        .parameter_in(place)
        .required(required)
        .description(Some(parameter.about))
        .schema(Some(parameter.shape.schema()))
        .build()
}

fn request_body(body: &crate::Body) -> RequestBody {
    let required = if body.required {
        Required::True
    } else {
        Required::False
    };
    let built = RequestBodyBuilder::new().required(Some(required));
    let built = body.content.iter().fold(built, |built, (media, shape)| {
        built.content(*media, ContentBuilder::new().schema(Some(shape.schema())).build())
    });
    built.build()
}

fn by_status(refusals: &[Refusal]) -> BTreeMap<u16, Vec<Refusal>> {
    let mut sorted: BTreeMap<u16, Vec<Refusal>> = BTreeMap::new();
    for refusal in refusals {
        sorted.entry(refusal.status).or_default().push(*refusal);
    }
    sorted
}

/// The answer, which all operations that refuse alike have in common. An answer to `HEAD` has no body.
fn refused(operation: &Operation, status: u16, refusals: &[Refusal], shared: &mut Shared) -> RefOr<Response> {
    let about: Vec<String> = refusals
        .iter()
        .map(|refusal| format!("`{}`: {}", refusal.code, refusal.when))
        .collect();
    let mut response = ResponseBuilder::new().description(about.join("\n\n"));
    if matches!(status, 429 | 503 | 504) {
        let seconds = HeaderBuilder::new().description(Some("Seconds to wait."));
        response = response.header("Retry-After", seconds.build());
    }
    if operation.method == crate::Method::Head {
        return response.build().into();
    }
    let codes: Vec<&'static str> = refusals.iter().map(|refusal| refusal.code).collect();
    let shape = operation.family.shape(status, &codes).schema();
    let response = response.content(
        "application/json",
        ContentBuilder::new().schema(Some(shape)).build(),
    );
    let name = shared_name(operation.family, status, &codes);
    shared.insert(name.clone(), response.build());
    Ref::from_response_name(name).into()
}

fn shared_name(family: Family, status: u16, codes: &[&str]) -> String {
    let mut sorted = codes.to_vec();
    sorted.sort_unstable();
    format!("{}.{status}.{}", family.name(), sorted.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, Method, field, object};
    use serde_json::{Value, json};

    const GONE: Refusal = Refusal::new(404, "not_found", "There is no such thing.");
    const BUSY: Refusal = Refusal::new(503, "unavailable", "Come again.");

    fn operation(method: Method, id: &'static str) -> Operation {
        Operation::new(method, "/things/{id}", id, Family::Plain)
            .about("Things", "A thing")
            .refuses(&[GONE, BUSY, GONE])
    }

    #[test]
    fn operations_of_one_address_stand_together_and_share_their_refusals() {
        let mut api = Api::default();
        api.tag("Things", "All things.");
        api.shape("Thing", object([field("id", text())]));
        api.add(operation(Method::Get, "getThing").answers(Answer::json(200, "It.", crate::named("Thing"))));
        api.add(operation(Method::Head, "headThing").answers(Answer::empty(200, "It.")));
        let document = serde_json::to_value(api.document("1.2.3", "About.")).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], "1.2.3");
        let item = &document["paths"]["/things/{id}"];
        let id = json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]);
        assert_eq!(
            (&item["get"]["parameters"], &item["head"]["parameters"]),
            (&id, &id)
        );
        let shared = "#/components/responses/plain.404.not_found";
        assert_eq!(item["get"]["responses"]["404"], json!({"$ref": shared}));
        let response = document.pointer(shared.trim_start_matches('#')).unwrap();
        assert_eq!(response["description"], "`not_found`: There is no such thing.");
        let code = &response["content"]["application/json"]["schema"]["properties"]["error"];
        assert_eq!(code["enum"], json!(["not_found"]));
        // An answer to HEAD has no body, so it cannot be the same.
        assert_eq!(item["head"]["responses"]["404"].get("content"), None::<&Value>);
        assert!(item["head"]["responses"]["503"]["headers"]["Retry-After"].is_object());
    }
}
