//! The pages of the console. One, so far.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType, X_CONTENT_TYPE_OPTIONS};

/// Says what this is and where to go. It has no script, loads nothing, and asks for no token.
pub(crate) async fn landing() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(include_str!("page/landing.html"))
}
