//! One address and method: what it takes, what it answers.

use crate::refusal::{Family, Refusal};
use crate::shape::{Shape, text};
use utoipa::openapi::HttpMethod;

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they say it themselves")]
pub enum Method {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// As it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl From<Method> for HttpMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::Get,
            Method::Head => Self::Head,
            Method::Options => Self::Options,
            Method::Post => Self::Post,
            Method::Put => Self::Put,
            Method::Patch => Self::Patch,
            Method::Delete => Self::Delete,
        }
    }
}

/// How a request says who sends it, beside its headers and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Nothing more is asked for.
    None,
    /// `Authorization: Bearer nhk_…`
    ApiKey,
    /// `Authorization: Bearer nhm_…`
    ManagementToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    Header,
}

#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
    pub(crate) about: &'static str,
}

/// What a request brings.
#[derive(Debug, Clone)]
pub struct Body {
    pub(crate) required: bool,
    pub(crate) content: Vec<(&'static str, Shape)>,
}

impl Body {
    /// A JSON text of this shape.
    pub fn json(shape: Shape) -> Self {
        Self::of([("application/json", shape)])
    }

    /// A body of one of these media types.
    pub fn of(content: impl Into<Vec<(&'static str, Shape)>>) -> Self {
        Self {
            required: true,
            content: content.into(),
        }
    }

    /// The same, but it may be left out.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }
}

/// An answer to a request that is done.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    pub(crate) content: Vec<(&'static str, Shape)>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

impl Answer {
    /// A JSON text of this shape.
    pub fn json(status: u16, about: &'static str, shape: Shape) -> Self {
        Self::empty(status, about).or("application/json", shape)
    }

    /// No body.
    pub const fn empty(status: u16, about: &'static str) -> Self {
        Self {
            status,
            about,
            content: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// The same, or a body of this media type.
    #[must_use]
    pub fn or(mut self, media: &'static str, shape: Shape) -> Self {
        self.content.push((media, shape));
        self
    }

    /// The same with a header, where there is something to say.
    #[must_use]
    pub fn header(mut self, name: &'static str, about: &'static str) -> Self {
        self.headers.push((name, about));
        self
    }
}

/// One address and method.
#[derive(Debug, Clone)]
pub struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) id: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) details: Option<&'static str>,
    pub(crate) auth: Auth,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Body>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) family: Family,
    pub(crate) refusals: Vec<Refusal>,
}

impl Operation {
    /// An operation that needs no key. `path` has its parameters in braces; `id` is unique in the document.
    pub fn new(method: Method, path: impl Into<String>, id: &'static str, family: Family) -> Self {
        Self {
            method,
            path: path.into(),
            id,
            tag: "",
            summary: "",
            details: None,
            auth: Auth::None,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            family,
            refusals: Vec::new(),
        }
    }

    /// Says what it is for, in a line.
    #[must_use]
    pub fn about(mut self, tag: &'static str, summary: &'static str) -> Self {
        (self.tag, self.summary) = (tag, summary);
        self
    }

    /// Says more.
    #[must_use]
    pub fn details(mut self, details: &'static str) -> Self {
        self.details = Some(details);
        self
    }

    /// Asks for a key.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Describes a parameter of the path; those that are not described are texts.
    #[must_use]
    pub fn path(self, name: &'static str, shape: Shape, about: &'static str) -> Self {
        self.parameter(name, Place::Path, true, shape, about)
    }

    /// Takes a parameter of the query.
    #[must_use]
    pub fn query(self, name: &'static str, shape: Shape, about: &'static str) -> Self {
        self.parameter(name, Place::Query, false, shape, about)
    }

    /// Takes a header.
    #[must_use]
    pub fn header(self, name: &'static str, about: &'static str) -> Self {
        self.parameter(name, Place::Header, false, text(), about)
    }

    /// Asks for a header.
    #[must_use]
    pub fn needs_header(self, name: &'static str, about: &'static str) -> Self {
        self.parameter(name, Place::Header, true, text(), about)
    }

    fn parameter(
        mut self,
        name: &'static str,
        place: Place,
        required: bool,
        shape: Shape,
        about: &'static str,
    ) -> Self {
        self.parameters.push(Parameter {
            name,
            place,
            required,
            shape,
            about,
        });
        self
    }

    /// Takes a body.
    #[must_use]
    pub fn takes(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// Can answer so.
    #[must_use]
    pub fn answers(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// Can refuse so.
    #[must_use]
    pub fn refuses(mut self, refusals: &[Refusal]) -> Self {
        for refusal in refusals {
            if !self.refusals.iter().any(|known| known == refusal) {
                self.refusals.push(*refusal);
            }
        }
        self
    }

    /// The method.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The path, with its parameters in braces.
    pub fn address(&self) -> &str {
        &self.path
    }

    /// Every way of refusing.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}
