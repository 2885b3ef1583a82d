//! Text with `{placeholders}`, cut into its pieces; what a placeholder may be is its reader's affair.

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// Text that stands for itself.
    Literal(&'a str),
    /// What stood between the braces.
    Placeholder(&'a str),
}

/// Cuts `text`. A brace that no letter follows is text, so that JSON can be written as it is.
///
/// # Errors
///
/// An opened placeholder that is never closed.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut literal_from = 0;
    let mut searched = 0;
    while let Some(found) = text.get(searched..).and_then(|rest| rest.find('{')) {
        let open = searched.saturating_add(found);
        let inside = text.get(open.saturating_add(1)..).unwrap_or_default();
        if !inside.starts_with(|first: char| first.is_ascii_alphabetic()) {
            searched = open.saturating_add(1);
            continue;
        }
        let Some(length) = inside.find('}') else {
            return Err(format!("the placeholder `{{{inside}` has no closing brace"));
        };
        push_literal(&mut tokens, text.get(literal_from..open));
        tokens.push(Token::Placeholder(inside.get(..length).unwrap_or_default()));
        searched = open.saturating_add(length).saturating_add(2);
        literal_from = searched;
    }
    push_literal(&mut tokens, text.get(literal_from..));
    Ok(tokens)
}

fn push_literal<'a>(tokens: &mut Vec<Token<'a>>, text: Option<&'a str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        tokens.push(Token::Literal(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_cut_at_its_placeholders() {
        assert_eq!(
            tokens("v0:{header:X-T}:{body}"),
            Ok(vec![
                Token::Literal("v0:"),
                Token::Placeholder("header:X-T"),
                Token::Literal(":"),
                Token::Placeholder("body"),
            ])
        );
    }

    #[test]
    fn json_is_text() {
        assert_eq!(tokens(r#"{"type":1}"#), Ok(vec![Token::Literal(r#"{"type":1}"#)]));
        assert_eq!(tokens("é{"), Ok(vec![Token::Literal("é{")]));
    }

    #[test]
    fn an_open_placeholder_is_refused() {
        assert!(tokens("{body").is_err());
    }
}
