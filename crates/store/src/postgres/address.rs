//! The address of a Postgres: checked before libpq sees it, and completed.
//!
//! libpq quotes what it cannot read. Of an address whose password has an unescaped `@`, `/`, `%` or `&` it quotes a piece of
//! that password, so such an address never reaches it.

use crate::Error;

/// What is added unless the operator set it: to notice a dead network in seconds, to be told apart in
/// `pg_stat_activity`, and to follow the primary when the address names several hosts.
const DEFAULTS: [(&str, &str); 7] = [
    ("connect_timeout", "3"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "5000"),
    ("target_session_attrs", "read-write"),
    ("application_name", "hookyard"),
];

/// Checks `url` and adds the defaults.
pub(super) fn complete(url: &str) -> Result<String, Error> {
    match fault(url) {
        Some(fault) => Err(Error::Address { fault }),
        None => Ok(with_defaults(url)),
    }
}

fn fault(url: &str) -> Option<&'static str> {
    let Some((_, rest)) = url.split_once("://") else {
        return Some("does not begin with postgres://; write postgres://user:password@host:5432/database");
    };
    if url
        .chars()
        .any(|letter| letter.is_whitespace() || letter.is_control())
    {
        return Some(
            "has a space or a control character; write one in a password as % and its two hexadecimal digits",
        );
    }
    if !is_escaped(rest) {
        return Some("has a `%` without two hexadecimal digits after it; write one in a password as %25");
    }
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let host = authority.split_once('@').map_or(authority, |(_, host)| host);
    if rest.matches('@').count() > authority.matches('@').count() || host.contains('@') || rest.contains('#')
    {
        return Some(
            "has an `@`, `/`, `?` or `#` where none belongs; write one in a password as %40, %2F, %3F or %23",
        );
    }
    if host.split(',').any(|host| !has_good_port(host)) {
        return Some("has a port that is no number; in a password write `:` as %3A and `/` as %2F");
    }
    let is_pair = |option: &str| option.matches('=').count() == 1;
    if !options.is_empty() && !options.split('&').all(is_pair) {
        return Some(
            "has something other than name=value after its `?`; write `&` in a value as %26 and `=` as %3D",
        );
    }
    None
}

fn is_escaped(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00")
    })
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn has_good_port(host: &str) -> bool {
    let after_brackets = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    after_brackets
        .split_once(':')
        .is_none_or(|(_, port)| port.is_empty() || port.parse::<u16>().is_ok())
}

fn with_defaults(url: &str) -> String {
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    let mut options: Vec<String> = options.split_terminator('&').map(ToOwned::to_owned).collect();
    for (name, value) in DEFAULTS {
        let is_set = |pair: &String| pair.split_once('=').is_some_and(|(set, _)| set == name);
        if !options.iter().any(is_set) {
            options.push(format!("{name}={value}"));
        }
    }
    format!("{place}?{}", options.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_own_settings_are_kept() {
        let url = complete("postgres://h/d?connect_timeout=9&application_name=mine").unwrap();
        assert_eq!(
            url,
            "postgres://h/d?connect_timeout=9&application_name=mine&keepalives_idle=5&keepalives_interval=2\
             &keepalives_count=3&tcp_user_timeout=5000&target_session_attrs=read-write"
        );
        assert!(
            complete("postgres://h/d")
                .unwrap()
                .starts_with("postgres://h/d?connect_timeout=3&")
        );
    }

    #[test]
    fn every_form_that_libpq_documents_is_taken() {
        for good in [
            "postgres://",
            "postgresql://localhost",
            "postgres://localhost:5433",
            "postgres://user@localhost",
            "postgres://user:se%2Fc%40ret@localhost:5432/hookyard?sslmode=verify-full",
            "postgres://one:5432,two:5433/hookyard?target_session_attrs=any",
            "postgres:///hookyard?host=%2Frun%2Fpostgresql&port=5433",
            "postgres://user:@[2001:db8::1234]:5432/hookyard",
            "postgres://[::1]/hookyard",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
    }

    #[test]
    fn an_address_that_libpq_would_quote_the_password_of_is_refused_without_it() {
        for bad in [
            "postgres:user:hunter2@host/db",
            "postgres://user:hun/ter2@host/db",
            "postgres://user:hun@ter2@host/db",
            "postgres://user:hun?ter2@host/db",
            "postgres://user:hun#ter2@host/db",
            "postgres://user:hun%ter2@host/db",
            "postgres://user:hun ter2@host/db",
            "postgres://user:hunter2",
            "postgres://host/db?password=hun&ter2",
            "postgres://host/db?password=hun=ter2",
            "postgres://user:hun%00ter2@host/db",
        ] {
            let error = complete(bad).expect_err(bad);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hun") && !shown.contains("ter2"), "{shown}");
        }
    }
}
