//! `call: http`, and `call: openapi` once its operation is known.

use super::{Expression, Template};

/// An HTTP call. Expressions in `headers`, `query`, `body` and `authentication` may use `$secrets`.
#[derive(Debug, Clone)]
pub struct HttpCall {
    /// Upper case.
    pub method: String,
    /// A URI template of RFC 6570's simple kind (`{petId}`, filled from the input's fields), or an expression.
    pub endpoint: Endpoint,
    /// An object of texts.
    pub headers: Option<Template>,
    /// An object of texts, numbers, booleans and arrays of them.
    pub query: Option<Template>,
    /// Any JSON.
    pub body: Option<Template>,
    /// What the body is sent as: `application/json` unless the headers or the operation say otherwise.
    pub content_type: Option<String>,
    /// Who is calling.
    pub authentication: Option<Authentication>,
    /// What the task's output is.
    pub output: HttpOutput,
    /// Whether a 3xx is an answer like any other (true) or a communication error (false). None is followed.
    pub redirect: bool,
    /// For `call: openapi`: values of the path, by name, which are filled into the endpoint's template.
    pub path_parameters: Vec<(String, Template)>,
}

/// Where a call goes.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// A template of a URI.
    Literal(String),
    /// Yields a URI.
    Computed(Expression),
}

/// Who is calling.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// RFC 7617.
    Basic {
        /// May use `$secrets`.
        username: Template,
        /// May use `$secrets`.
        password: Template,
    },
    /// RFC 6750.
    Bearer {
        /// May use `$secrets`.
        token: Template,
    },
}

/// What an HTTP call yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpOutput {
    /// The body: JSON as its value, other text as a text, else base64.
    Content,
    /// `{request: {method, uri, headers}, statusCode, headers, content}`.
    Response,
    /// The body in base64.
    Raw,
}
