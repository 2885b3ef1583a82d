//! `application/x-www-form-urlencoded`, as bytes: signed content has no use for replacement characters.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// A key and its value, decoded.
pub(crate) type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The decoded pairs of a form body or a query string, in order, repeated keys included.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    text.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let (key, value) = pair.split_at(at);
                (decode(key), decode(value.get(1..).unwrap_or_default()))
            }
            None => (decode(pair), Cow::Borrowed([].as_slice())),
        })
}

/// The pairs sorted by key and value.
pub(crate) fn sorted(text: &[u8]) -> Vec<Pair<'_>> {
    let mut sorted: Vec<_> = pairs(text).collect();
    sorted.sort();
    sorted
}

fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if text.contains(&b'+') {
        let spaced: Vec<u8> = text
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        return Cow::Owned(percent_decode(&spaced).collect());
    }
    percent_decode(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(text: &str) -> Vec<(String, String)> {
        pairs(text.as_bytes())
            .map(|(key, value)| {
                (
                    String::from_utf8_lossy(&key).into_owned(),
                    String::from_utf8_lossy(&value).into_owned(),
                )
            })
            .collect()
    }

    #[test]
    fn pairs_are_decoded_in_order_and_blank_values_are_kept() {
        let expected = [("a b", "+1"), ("b", ""), ("c", ""), ("d", "x=y")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(owned("a+b=%2B1&b=&c&&d=x=y"), expected);
    }

    #[test]
    fn a_broken_escape_is_kept_as_it_stands() {
        assert_eq!(owned("a=%zz%4"), [("a".to_owned(), "%zz%4".to_owned())]);
    }

    #[test]
    fn sorting_keeps_two_values_of_one_key() {
        let sorted = sorted(b"b=2&a=9&b=1");
        let flat: Vec<u8> = sorted
            .iter()
            .flat_map(|(key, value)| [key.as_ref(), value.as_ref()].concat())
            .collect();
        assert_eq!(flat, b"a9b1b2");
    }
}
