//! What the portal says when it does not show what it was asked for: a page, with what to do.

use super::{Place, page};
use crate::Console;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpResponse, ResponseError};

/// Why there is no such page.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// No cookie, a wrong one, or one whose visit is over.
    #[error("no visit is open in this browser")]
    NoVisit,
    /// The link was used, is over, or was never made.
    #[error("the link is used up")]
    UsedUp,
    /// There is no such thing, or it is another customer's.
    #[error("there is no such page")]
    NotFound,
    /// Another site's page sent the form, or the visit is another one by now.
    #[error("the form was not ours")]
    Foreign,
    /// A viewer asked for what only an admin may see.
    #[error("only an admin may do this")]
    OnlyAdmins,
    /// The visitor left.
    #[error("the visit is over")]
    Left,
    /// It did not work.
    #[error("the page could not be made")]
    Failed(#[source] crate::Error),
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<crate::Error> for Refusal {
    fn from(error: crate::Error) -> Self {
        Self::Failed(error)
    }
}

impl Refusal {
    /// A headline, what to do, and whether there is a visit to go back to.
    pub(super) const fn words(&self) -> (&'static str, &'static str, bool) {
        match self {
            Self::NoVisit => (
                "No visit is open here",
                "It is over, or it was opened in another browser. Ask whoever gave you your link for a new one.",
                false,
            ),
            Self::UsedUp => (
                "This link opens nothing any more",
                "It was used already, or it is too old. Each link opens the portal once. Ask whoever gave it to you for a \
                 new one; if it was not you who used it, say so there.",
                false,
            ),
            Self::NotFound => (
                "There is no such page",
                "It may be gone, or the address is not complete.",
                true,
            ),
            Self::Foreign => (
                "That was not done",
                "The page that you sent it from was too old, or not ours. Go back to your endpoints and try it from there.",
                true,
            ),
            Self::OnlyAdmins => (
                "This visit may only look",
                "Secrets are seen and rotated with a link of the role admin. Ask whoever gave you yours for one.",
                true,
            ),
            Self::Left => (
                "You have left",
                "This browser cannot show the portal any more. To come back, ask for a new link.",
                false,
            ),
            Self::Failed(_) => (
                "This does not work right now",
                "It is our fault, not yours, and nothing was changed. Try it again in a moment.",
                true,
            ),
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoVisit => StatusCode::UNAUTHORIZED,
            Self::UsedUp => StatusCode::GONE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Foreign | Self::OnlyAdmins => StatusCode::FORBIDDEN,
            Self::Left => StatusCode::OK,
            Self::Failed(error) => error.status_code(),
        }
    }

    /// Its page is made by [`pages`], which knows where the portal is.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// Around the portal: makes the pages of refusals.
pub(super) async fn pages<B: MessageBody + 'static>(
    console: Data<Console>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let response = next.call(request).await?;
    let refusal = response.response().error().and_then(|error| error.as_error());
    let Some(refusal) = refusal else {
        return Ok(response.map_into_left_body());
    };
    let page = page::refused(refusal, &Place::of(&console));
    Ok(response.into_response(page).map_into_right_body())
}

/// What every other address answers.
pub(super) async fn not_found() -> Result<HttpResponse, Refusal> {
    Err(Refusal::NotFound)
}
