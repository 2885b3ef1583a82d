//! What an event is called and what it is about: its id, for deduplication, and its type, for routing.

use std::borrow::Cow;

use serde::Deserialize;

use crate::request::{Repeated, Request};
use crate::select::Selector;
use crate::template::{Token, tokens};

/// The compiled `event:` of a profile. The first rule that finds something decides.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EventRules {
    pub(crate) id: Vec<Rule>,
    #[serde(rename = "type")]
    pub(crate) kind: Vec<Rule>,
}

/// A selector, or several in a text, all of which must be there: `{json:/data/id}/{json:/event}`.
///
/// Texts are for providers whose id names a thing and not an event: of one `DocuSign` envelope
/// come a `sent` and a `completed`, and the second must not pass for a repetition of the first.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Rule(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Value(Selector),
}

impl Rule {
    pub(crate) fn selectors_mut(&mut self) -> impl Iterator<Item = &mut Selector> {
        self.0.iter_mut().filter_map(|part| match part {
            Part::Value(selector) => Some(selector),
            Part::Literal(_) => None,
        })
    }

    fn find(&self, request: &Request<'_>) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Value(selector) => {
                    let found: Result<Option<Cow<'_, [u8]>>, Repeated> = selector.find(request, &[]);
                    text.push_str(std::str::from_utf8(&found.ok()??).ok()?);
                }
            }
        }
        Some(text)
    }
}

/// What the first matching rule finds. A repeated header is not an identity and counts as absent.
pub(crate) fn first(rules: &[Rule], request: &Request<'_>) -> Option<String> {
    rules.iter().find_map(|rule| rule.find(request))
}

impl TryFrom<String> for Rule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let found = tokens(&text)?;
        if let [Token::Literal(selector)] = found.as_slice() {
            return Ok(Self(vec![Part::Value(Selector::parse(selector)?)]));
        }
        let parts = found.into_iter().map(|token| match token {
            Token::Literal(text) => Ok(Part::Literal(text.to_owned())),
            Token::Placeholder(selector) => Selector::parse(selector).map(Part::Value),
        });
        parts.collect::<Result<_, _>>().map(Self)
    }
}
