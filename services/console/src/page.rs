//! The pages of the console that need no account: what this is, and what the API is.

mod docs;
mod schema;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType, X_CONTENT_TYPE_OPTIONS};
use askama::Template as _;
use std::sync::LazyLock;

/// What all doors and the management API take and answer, as `hookyard openapi` prints it. A test compares the two.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// Says what this is and where to go.
pub(crate) async fn landing() -> HttpResponse {
    page(include_str!("page/landing.html"))
}

/// `/openapi.json`
pub(crate) async fn openapi() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(DOCUMENT)
}

/// `/docs`: the same document for people.
pub(crate) async fn docs() -> HttpResponse {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        let document = serde_json::from_str(DOCUMENT).expect("the document is JSON, because a test reads it");
        docs::Docs::of(&document)
            .render()
            .expect("the page is filled in, because a test fills it in")
    });
    page(PAGE.as_str())
}

/// No page here has a script, loads anything, or asks for a token.
fn page(html: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_operation_and_every_shape_of_the_document() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap();
        let page = docs::Docs::of(&document).render().unwrap();
        let mut operations = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
            for operation in item.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
                operations += 1;
            }
        }
        assert!(operations > 90, "{operations}");
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert_eq!(page.matches(&format!("id=\"shape-{name}\"")).count(), 1, "{name}");
        }
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("src="));
    }
}
