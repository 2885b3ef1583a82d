//! How attempts say who they are, beside their signature: `{basic: …}`, `{bearer: …}`, `{header: …}` or
//! `{oauth2: …}`, and `{client_certificate: …}` alone or beside one of these.
//!
//! Nahook's `authUsername` and `authPassword` are another way to write `basic`. The secret part is read apart from the
//! rest, because it is kept apart, encrypted, and is never shown again.

use super::value::{self, Refused, any_text};
use super::{Fields, certificate, kind};
use egress::Policy;
use secrecy::SecretString;
use serde_json::Value;
use wire::Instant;
use wire::resource::{AuthSpec, Oauth2Client};

/// The longest user name, in bytes.
const LONGEST_NAME: usize = 255;
/// The longest password, in bytes.
const LONGEST_PASSWORD: usize = 1_024;
/// The longest token, in bytes.
const LONGEST_TOKEN: usize = 4_096;

/// A way to authenticate, and its secret part.
pub(crate) type Auth = (AuthSpec, SecretString);

/// What a document says about an endpoint's authentication.
#[derive(Debug, Default)]
pub(crate) enum Said {
    /// Nothing: it stays as it is.
    #[default]
    Nothing,
    /// There is none.
    None,
    /// This one.
    This(Auth),
    /// Another password for the user who is there.
    Password(SecretString),
}

/// Reads `auth`, or Nahook's two fields, which leave the certificate as it is; `base` is what there is.
pub(crate) fn read(
    fields: &mut Fields<'_>,
    base: Option<&AuthSpec>,
    policy: &Policy,
    now: Instant,
) -> (Said, certificate::Said) {
    let nahook = read_nahook(fields, base);
    let is_nahook = !matches!(nahook, Said::Nothing);
    let nothing = (Said::Nothing, certificate::Said::Nothing);
    match fields.get("auth") {
        None => (nahook, certificate::Said::Nothing),
        Some(_) if is_nahook => {
            fields.refuse(
                "auth",
                "goes without `authUsername` and `authPassword`: it says it all",
            );
            nothing
        }
        Some(Value::Null) => (Said::None, certificate::Said::None),
        Some(_) => {
            let read = fields.object("auth", |auth| read_both(auth, policy, now));
            read.flatten().unwrap_or(nothing)
        }
    }
}

fn read_both(auth: &mut Fields<'_>, policy: &Policy, now: Instant) -> Option<(Said, certificate::Said)> {
    let has_certificate = auth.has("client_certificate");
    let given = ["basic", "bearer", "header", "oauth2"].map(|kind| auth.has(kind));
    let kinds = given.iter().filter(|is_given| **is_given).count();
    let certificate = if has_certificate {
        if auth.get("client_certificate").is_some_and(Value::is_null) {
            auth.refuse("client_certificate", "must be an object, not null");
        }
        let read = auth.object("client_certificate", |inner| certificate::read_client(inner, now));
        read.flatten()
    } else {
        Some(certificate::Said::None)
    };
    if kinds == 0 && has_certificate {
        return Some((Said::None, certificate?));
    }
    if kinds != 1 {
        auth.refuse(
            "basic",
            "or `bearer`, `header` or `oauth2` is what this must have, and one of them alone; \
             `client_certificate` goes beside them or alone",
        );
        return None;
    }
    let one = read_one(auth, policy);
    Some((Said::This(one?), certificate?))
}

fn read_one(auth: &mut Fields<'_>, policy: &Policy) -> Option<Auth> {
    let bearer = auth
        .optional("bearer", token)
        .map(|token| (AuthSpec::Bearer, token));
    let read_object = |auth: &mut Fields<'_>, name, read: fn(&mut Fields<'_>) -> Option<Auth>| {
        if auth.get(name).is_some_and(Value::is_null) {
            auth.refuse(name, "must be an object, not null");
        }
        auth.object(name, read).flatten()
    };
    let basic = read_object(auth, "basic", read_basic);
    let header = read_object(auth, "header", read_header);
    if auth.get("oauth2").is_some_and(Value::is_null) {
        auth.refuse("oauth2", "must be an object, not null");
    }
    let oauth2 = auth.object("oauth2", |client| read_oauth2(client, policy));
    bearer.or(basic).or(header).or_else(|| oauth2.flatten())
}

fn read_oauth2(client: &mut Fields<'_>, policy: &Policy) -> Option<Auth> {
    let token_url = client.required("token_url", |value| {
        Ok(policy.check_url(any_text(value)?)?.as_str().to_owned())
    });
    let client_id = client.required("client_id", |value| parameter(value, LONGEST_NAME));
    let secret = client.required("client_secret", |value| {
        parameter(value, LONGEST_PASSWORD).map(SecretString::from)
    });
    let (mut scope, mut audience) = (None, None);
    client.set_optional("scope", &mut scope, |value| parameter(value, LONGEST_PASSWORD));
    client.set_optional("audience", &mut audience, |value| {
        parameter(value, LONGEST_PASSWORD)
    });
    let spec = Oauth2Client {
        token_url: token_url?,
        client_id: client_id?,
        scope,
        audience,
    };
    Some((AuthSpec::Oauth2(spec), secret?))
}

/// What is sent to a token endpoint: visible ASCII and blanks (RFC 6749 appendix A).
fn parameter(value: &Value, longest: usize) -> Result<String, Refused> {
    let Value::String(text) = value else {
        return Err(Refused(format!("must be a text, not {}", kind(value))));
    };
    let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if !(1..=longest).contains(&text.len()) || !text.bytes().all(is_visible) {
        return Err(Refused(format!(
            "must be 1 to {longest} visible ASCII characters or blanks"
        )));
    }
    Ok(text.clone())
}

fn read_basic(basic: &mut Fields<'_>) -> Option<Auth> {
    let username = basic.required("username", username);
    let password = basic.required("password", password);
    Some((AuthSpec::Basic { username: username? }, password?))
}

fn read_header(header: &mut Fields<'_>) -> Option<Auth> {
    let name = header.required("name", |value| {
        let name = any_text(value)?;
        value::sent_header(name, "")?;
        Ok(name.to_owned())
    });
    let value = header.required("value", |value| {
        let text = any_text(value)?;
        // With a name that is always right: what is wrong here is wrong with the value. It is a secret, so no message has
        // it.
        match egress::check_header("x-auth", text) {
            Ok(()) if (1..=LONGEST_TOKEN).contains(&text.len()) => Ok(SecretString::from(text)),
            _ => Err(Refused(format!(
                "must be 1 to {LONGEST_TOKEN} visible ASCII characters, with blanks only between them"
            ))),
        }
    });
    Some((AuthSpec::Header { name: name? }, value?))
}

fn read_nahook(fields: &mut Fields<'_>, base: Option<&AuthSpec>) -> Said {
    let given = ["auth_username", "auth_password"].map(|name| fields.has(name));
    if given == [false, false] {
        return Said::Nothing;
    }
    let null = ["auth_username", "auth_password"].map(|name| fields.get(name).is_some_and(Value::is_null));
    if given == null {
        return Said::None;
    }
    let name = fields.optional("auth_username", username);
    let password = fields.optional("auth_password", password);
    match (given, base) {
        ([true, true], _) => match (name, password) {
            (Some(username), Some(password)) => Said::This((AuthSpec::Basic { username }, password)),
            _ => Said::Nothing,
        },
        ([false, true], Some(AuthSpec::Basic { .. })) => password.map_or(Said::Nothing, Said::Password),
        ([true, _], _) => {
            fields.refuse("auth_password", "is missing; a user name goes with a password");
            Said::Nothing
        }
        ([false, _], _) => {
            fields.refuse("auth_username", "is missing; a password goes with a user name");
            Said::Nothing
        }
    }
}

/// RFC 7617 §2: no colon, no control characters.
fn username(value: &Value) -> Result<String, Refused> {
    let name = any_text(value)?;
    if name.len() > LONGEST_NAME || name.contains(':') || name.chars().any(char::is_control) {
        return Err(Refused(format!(
            "must be at most {LONGEST_NAME} bytes without a colon and control characters"
        )));
    }
    Ok(name.to_owned())
}

/// The same; it may be empty, where the user name is the secret.
fn password(value: &Value) -> Result<SecretString, Refused> {
    let password = any_text(value)?;
    if password.len() > LONGEST_PASSWORD || password.chars().any(char::is_control) {
        return Err(Refused(format!(
            "must be at most {LONGEST_PASSWORD} bytes without control characters"
        )));
    }
    Ok(SecretString::from(password))
}

fn token(value: &Value) -> Result<SecretString, Refused> {
    let Value::String(token) = value else {
        return Err(Refused(format!("must be a token, not {}", kind(value))));
    };
    if !(1..=LONGEST_TOKEN).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refused(format!(
            "must be 1 to {LONGEST_TOKEN} visible ASCII characters without blanks"
        )));
    }
    Ok(SecretString::from(token.as_str()))
}
