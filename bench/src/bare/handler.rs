//! Taking a request: an actix-web handler that reads the body, checks its HMAC and forgets it.

use actix_web::http::header::HeaderMap;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Result;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::net::Ipv4Addr;

/// The first argument of a process that is to be this handler; its secret is the second.
pub(crate) const ARGUMENT: &str = "bare-handler";

/// What the doors take by default, too.
const BODY_LIMIT: usize = 5 * 1024 * 1024;

/// The secret, if this process was started to be the handler.
pub(crate) fn is_asked_for(mut arguments: impl Iterator<Item = String>) -> Option<String> {
    (arguments.nth(1)? == ARGUMENT).then(|| arguments.next())?
}

/// Serves on a free port, which it prints.
pub(crate) fn serve(secret: String) -> Result<()> {
    actix_web::rt::System::new().block_on(async {
        let secret = web::Data::new(secret);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::clone(&secret))
                .app_data(web::PayloadConfig::new(BODY_LIMIT))
                .route("/ingest/{token}", web::post().to(take))
        })
        .bind((Ipv4Addr::LOCALHOST, 0))?;
        for address in server.addrs() {
            println!("{address}");
        }
        server.run().await?;
        Ok(())
    })
}

async fn take(request: HttpRequest, body: Bytes, secret: web::Data<String>) -> HttpResponse {
    match check(request.headers(), &body, &secret) {
        Some(()) => HttpResponse::Accepted().json(serde_json::json!({"data": {"status": "queued"}})),
        None => HttpResponse::Unauthorized().finish(),
    }
}

fn check(headers: &HeaderMap, body: &[u8], secret: &str) -> Option<()> {
    let signature = headers
        .get("x-hub-signature-256")?
        .to_str()
        .ok()?
        .strip_prefix("sha256=")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(body);
    mac.verify_slice(&hex::decode(signature).ok()?).ok()
}
