//! Bodies that the sender may have signed instead of this one.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;

use super::Alternative;

const SAVED: &str = "whatever saved this request changed it: save the exact bytes, and keep Content-Length";
const LINE_BREAKS: &str =
    "something on the way, or the tool that saved this request, changes its line breaks";
const FORMATTED: &str =
    "something on the way reads the JSON and writes it anew: the bytes must reach the source as they came";
const ENCODED: &str = "something on the way changes the body's encoding: hand the bytes over as they came";

/// The body as it is, and what may have become of it on its way.
pub(super) fn alternatives(body: &[u8]) -> Vec<Alternative<Cow<'_, [u8]>>> {
    let mut all = vec![Alternative::as_it_is(Cow::Borrowed(body))];
    let mut add = |value: Option<Cow<'_, [u8]>>, what: &str, way_out: &'static str| {
        if let Some(value) = value
            && all.iter().all(|known| known.value != value)
        {
            all.push(Alternative::new(Cow::Owned(value.into_owned()), what, way_out));
        }
    };
    let without_break = body
        .strip_suffix(b"\n")
        .map(|body| body.strip_suffix(b"\r").unwrap_or(body));
    add(
        without_break.map(Cow::Borrowed),
        "the body without its final line break",
        SAVED,
    );
    let broken = |end: &[u8]| Some(Cow::Owned([body, end].concat()));
    add(broken(b"\n"), "the body with a line break at its end", SAVED);
    add(broken(b"\r\n"), "the body with a CRLF at its end", SAVED);
    add(
        Some(Cow::Borrowed(body.trim_ascii())),
        "the body without the blanks around it",
        SAVED,
    );
    let text = std::str::from_utf8(body).ok();
    let unix = text.map(|text| text.replace("\r\n", "\n"));
    let windows = unix.as_ref().map(|unix| unix.replace('\n', "\r\n"));
    add(
        bytes(unix),
        "the body with LF for its CRLF line breaks",
        LINE_BREAKS,
    );
    add(
        bytes(windows),
        "the body with CRLF for its LF line breaks",
        LINE_BREAKS,
    );
    for (style, what) in STYLES {
        add(style.rewritten(body).map(Cow::Owned), what, FORMATTED);
    }
    let decoded = STANDARD.decode(body.trim_ascii()).ok();
    add(
        decoded.filter(|decoded| !decoded.is_empty()).map(Cow::Owned),
        "the body decoded from base64",
        ENCODED,
    );
    add(
        bytes(text.and_then(from_latin1)),
        "the body with its UTF-8, which was taken for Latin-1, repaired",
        ENCODED,
    );
    add(
        body.strip_prefix(b"\xef\xbb\xbf").map(Cow::Borrowed),
        "the body without its byte order mark",
        ENCODED,
    );
    add(
        Some(Cow::Borrowed(b"")),
        "an empty body",
        "the body is not what was signed: is it lost, or read twice, on its way?",
    );
    all
}

fn bytes(text: Option<String>) -> Option<Cow<'static, [u8]>> {
    text.map(|text| Cow::Owned(text.into_bytes()))
}

/// Undoes an encoding of bytes that were UTF-8 already.
fn from_latin1(text: &str) -> Option<String> {
    let bytes = text.chars().map(|letter| u8::try_from(letter).ok());
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

/// How a program writes JSON.
#[derive(Clone, Copy)]
struct Style {
    comma: &'static str,
    colon: &'static str,
    /// Blanks a level; none: all on one line.
    indent: Option<usize>,
    letters: Letters,
}

/// What a program does with the letters of a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Letters {
    AsTheyAre,
    /// As little escaped as can be.
    Plain,
    /// All but ASCII escaped.
    Ascii,
}

const fn style(comma: &'static str, colon: &'static str, indent: Option<usize>, letters: Letters) -> Style {
    Style {
        comma,
        colon,
        indent,
        letters,
    }
}

const STYLES: [(Style, &str); 7] = [
    (
        style(",", ":", None, Letters::AsTheyAre),
        "the body as JSON without blanks",
    ),
    (
        style(",", ":", None, Letters::Plain),
        "the body as JavaScript writes JSON",
    ),
    (
        style(",", ":", None, Letters::Ascii),
        "the body as JSON in ASCII without blanks",
    ),
    (
        style(", ", ": ", None, Letters::Ascii),
        "the body as Python writes JSON",
    ),
    (
        style(", ", ": ", None, Letters::AsTheyAre),
        "the body as JSON with a blank behind each comma and colon",
    ),
    (
        style(",", ": ", Some(2), Letters::Plain),
        "the body as JSON indented by two blanks",
    ),
    (
        style(",", ": ", Some(4), Letters::Plain),
        "the body as JSON indented by four blanks",
    ),
];

impl Style {
    /// The same JSON in this style; nothing for what is no JSON. Numbers and the order of keys stay.
    fn rewritten(self, body: &[u8]) -> Option<Vec<u8>> {
        serde_json::from_slice::<IgnoredAny>(body).ok()?;
        let mut written = Vec::with_capacity(body.len());
        let mut depth = 0_usize;
        let mut rest = body.trim_ascii();
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'"' => {
                    let end = end_of_string(rest)?;
                    let (string, after) = rest.split_at_checked(end)?;
                    self.write_string(string, &mut written)?;
                    rest = after;
                }
                b'{' | b'[' => {
                    written.push(*byte);
                    depth = depth.saturating_add(1);
                    if !rest.trim_ascii_start().starts_with(&[byte.saturating_add(2)]) {
                        self.break_line(depth, &mut written);
                    }
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if written.last() != Some(&byte.saturating_sub(2)) {
                        self.break_line(depth, &mut written);
                    }
                    written.push(*byte);
                }
                b',' => {
                    written.extend_from_slice(self.comma.as_bytes());
                    self.break_line(depth, &mut written);
                }
                b':' => written.extend_from_slice(self.colon.as_bytes()),
                blank if blank.is_ascii_whitespace() => {}
                other => written.push(*other),
            }
        }
        Some(written)
    }

    fn break_line(self, depth: usize, written: &mut Vec<u8>) {
        if let Some(indent) = self.indent {
            written.push(b'\n');
            written.extend(std::iter::repeat_n(b' ', indent.saturating_mul(depth)));
        }
    }

    /// Writes what stands between the opening quote and behind the closing one.
    fn write_string(self, raw: &[u8], written: &mut Vec<u8>) -> Option<()> {
        let quoted = [b"\"", raw].concat();
        if self.letters == Letters::AsTheyAre {
            written.extend_from_slice(&quoted);
            return Some(());
        }
        let text: String = serde_json::from_slice(&quoted).ok()?;
        let plain = serde_json::to_string(&text).ok()?;
        let mut units = [0_u16; 2];
        for letter in plain.chars() {
            if letter.is_ascii() || self.letters == Letters::Plain {
                let mut bytes = [0_u8; 4];
                written.extend_from_slice(letter.encode_utf8(&mut bytes).as_bytes());
            } else {
                for unit in letter.encode_utf16(&mut units) {
                    written.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            }
        }
        Some(())
    }
}

/// The length up to and with the quote that closes a string.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    let closing = bytes.iter().position(|byte| {
        let closes = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        closes
    });
    closing.map(|at| at.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_other_programs_write_it() {
        let body = "{ \"a\":[1, 2.50,{}],\r\n\t\"b\" : \"\\u00e4\u{1f42e}\\\"}\", \"c\":[] }\n".as_bytes();
        let written = |index: usize| {
            let (style, _) = STYLES[index];
            String::from_utf8(style.rewritten(body).unwrap()).unwrap()
        };
        assert_eq!(
            written(0),
            "{\"a\":[1,2.50,{}],\"b\":\"\\u00e4\u{1f42e}\\\"}\",\"c\":[]}"
        );
        assert_eq!(
            written(1),
            "{\"a\":[1,2.50,{}],\"b\":\"\u{e4}\u{1f42e}\\\"}\",\"c\":[]}"
        );
        assert_eq!(
            written(3),
            r#"{"a": [1, 2.50, {}], "b": "\u00e4\ud83d\udc2e\"}", "c": []}"#
        );
        assert_eq!(
            written(5),
            "{\n  \"a\": [\n    1,\n    2.50,\n    {}\n  ],\n  \"b\": \"\u{e4}\u{1f42e}\\\"}\",\n  \"c\": []\n}"
        );
        assert_eq!(STYLES[0].0.rewritten(b"{\"a\":"), None);
    }

    #[test]
    fn each_alternative_is_another_body() {
        for body in [&b"{}"[..], b"", b"a\n", b"{\"a\": 1}\r\n", b"\xff"] {
            let all = alternatives(body);
            for (index, one) in all.iter().enumerate() {
                assert!(all[index + 1..].iter().all(|other| other.value != one.value));
                assert_eq!(one.change.is_none(), index == 0);
            }
        }
    }
}
