//! Templates of URIs: `https://example.com/orders/{orderId}`.

/// What is wrong with a template, and what to do about it; nothing when it is fine.
pub(super) fn mistake(template: &str) -> Option<String> {
    if template.is_empty() || template.contains(char::is_whitespace) {
        return Some("a URI has no spaces and is not empty; percent-encode spaces as `%20`".to_owned());
    }
    if let Err(message) = names(template) {
        return Some(message);
    }
    let filled = filled(template);
    if !filled.starts_with("https://") && !filled.starts_with("http://") {
        return Some(
            "it must begin with `https://` or `http://`; what is filled in is encoded, and cannot be that"
                .to_owned(),
        );
    }
    url::Url::parse(&filled)
        .err()
        .map(|error| format!("it is no URL: {error}"))
}

/// The names in a template.
pub(super) fn names(template: &str) -> Result<Vec<&str>, String> {
    let (mut names, mut rest) = (Vec::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after
            .split_once('}')
            .ok_or_else(|| "a `{` in it is not closed by a `}`".to_owned())?;
        if before.contains('}') {
            return Err("a `}` in it was not opened by a `{`".to_owned());
        }
        let is_name = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if name.is_empty() || !is_name {
            return Err(format!(
                "`{{{name}}}` is no name of a field of the task's input, and only those are filled in; for more, write the \
                 whole endpoint as an expression, `${{ \"https://example.com/\\(.path | @uri)\" }}`"
            ));
        }
        names.push(name);
        rest = behind;
    }
    if rest.contains('}') {
        return Err("a `}` in it was not opened by a `{`".to_owned());
    }
    Ok(names)
}

/// With something in each place, to be parsed.
fn filled(template: &str) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        // A digit is good for a port too.
        filled.push('1');
        rest = after.split_once('}').map_or("", |(_, behind)| behind);
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_nothing_else() {
        for good in [
            "https://example.com/a",
            "https://example.com/{a}/{b-c.d_1}?x={y}",
            "http://localhost:{port}/",
        ] {
            assert_eq!(mistake(good), None, "{good}");
        }
        for (bad, why) in [
            ("", "not empty"),
            ("https://example.com/a b", "no spaces"),
            ("example.com", "must begin with"),
            ("/orders", "must begin with"),
            ("{base}/orders", "must begin with"),
            ("ftp://example.com", "must begin with"),
            ("https://example.com/{", "not closed"),
            ("https://example.com/}", "not opened"),
            ("https://example.com/{?q}", "no name of a field"),
            ("https://example.com/{}", "no name of a field"),
            ("https://", "no URL"),
        ] {
            assert!(
                mistake(bad).is_some_and(|message| message.contains(why)),
                "{bad}: {:?}",
                mistake(bad)
            );
        }
    }
}
