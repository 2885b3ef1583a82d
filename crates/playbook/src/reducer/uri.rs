//! Addresses of calls: templates with `{name}`, RFC 6570's simple expansion.

use serde_json::Value;
use std::fmt::Write;
use url::Url;

/// Puts values into a template, percent-encoded but for unreserved characters. An array's are joined by commas.
pub(super) fn expand<'v>(
    template: &str,
    value_of: impl Fn(&str) -> Option<&'v Value>,
) -> Result<String, String> {
    let mut expanded = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        expanded.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("the endpoint `{template}` has a `{{` without a `}}`"));
        };
        match value_of(name) {
            None | Some(Value::Null) => {
                return Err(format!(
                    "the endpoint needs `{name}`, and the input has no such field"
                ));
            }
            Some(Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        expanded.push(',');
                    }
                    push(&mut expanded, name, item)?;
                }
            }
            Some(value) => push(&mut expanded, name, value)?,
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn push(expanded: &mut String, name: &str, value: &Value) -> Result<(), String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(format!("the endpoint needs `{name}` as a text or a number"));
        }
    };
    let is_of_path = !expanded.contains('?');
    if is_of_path && matches!(text.as_str(), "." | "..") {
        // Encoded or not, it would lead to another path (WHATWG URL, "double-dot URL path segment").
        return Err(format!(
            "the endpoint's `{name}` is `{text}`, which would lead to another path"
        ));
    }
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            expanded.push(char::from(byte));
        } else {
            write!(expanded, "%{byte:02X}").expect("a String can always be written to");
        }
    }
    Ok(())
}

/// Says what is wrong with an address, if anything is.
pub(super) fn check(written: &str) -> Result<(), String> {
    match Url::parse(written) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(()),
        Ok(url) => Err(format!(
            "the endpoint has the scheme `{}`; calls go to http and https",
            url.scheme()
        )),
        Err(error) => Err(format!("the endpoint `{written}` is no absolute URI: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_put_in_and_cannot_break_out() {
        let input = json!({"name": "../a b?x=ü", "id": 7, "tags": ["a", "b,c"], "none": null});
        let expand = |template| expand(template, |name| input.get(name));
        assert_eq!(
            expand("https://x.test/{name}/{id}?t={tags}").as_deref(),
            Ok("https://x.test/..%2Fa%20b%3Fx%3D%C3%BC/7?t=a,b%2Cc")
        );
        for dots in [".", ".."] {
            let input = json!({"dots": dots});
            let expand = |template: &str| super::expand(template, |name| input.get(name));
            for path in [
                "https://x.test/a/{dots}",
                "https://x.test/a/{dots}/b",
                "https://x.test/{dots}{dots}",
            ] {
                assert!(expand(path).unwrap_err().contains("another path"), "{path}");
            }
            assert_eq!(
                expand("https://x.test/a?b={dots}"),
                Ok(format!("https://x.test/a?b={dots}"))
            );
        }
        assert!(expand("https://x.test/{none}").unwrap_err().contains("`none`"));
        assert!(expand("https://x.test/{other}").unwrap_err().contains("`other`"));
        assert!(expand("https://x.test/{id").is_err());
    }

    #[test]
    fn calls_go_to_http_and_https() {
        assert_eq!(check("https://x.test/a"), Ok(()));
        for wrong in ["/a", "x.test/a", "ftp://x.test/", "file:///etc/passwd", ""] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
