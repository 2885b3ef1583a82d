//! A raw HTTP request in a file: cut, but not interpreted.

use anyhow::{Context as _, bail, ensure};
use signature::Step;

/// A request as it is written on the wire, cut but not interpreted.
#[derive(Debug)]
pub(super) struct RawRequest<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) headers: Vec<(&'a str, &'a [u8])>,
    pub(super) body: &'a [u8],
    /// All that stands behind the headers.
    rest: &'a [u8],
    /// What was odd about it.
    pub(super) remark: Option<Step>,
}

impl<'a> RawRequest<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> anyhow::Result<Self> {
        let mut rest = bytes;
        let request_line = next_line(&mut rest).context("it is empty")?;
        let request_line = std::str::from_utf8(request_line).context("its first line is not text")?;
        let mut words = request_line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            bail!("its first line is `{request_line}`, not `METHOD /path HTTP/1.1`");
        };
        ensure!(
            version.starts_with("HTTP/"),
            "its first line `{request_line}` does not end in HTTP/1.1"
        );
        let mut headers = Vec::new();
        loop {
            let line = next_line(&mut rest).context("no empty line ends its headers")?;
            if line.is_empty() {
                break;
            }
            let colon = line.iter().position(|byte| *byte == b':').filter(|at| *at > 0);
            let (name, value) = colon
                .and_then(|at| line.split_at_checked(at))
                .with_context(|| format!("`{}` is not a header", String::from_utf8_lossy(line)))?;
            let name = std::str::from_utf8(name).context("a header's name is not text")?;
            headers.push((name, value.get(1..).unwrap_or_default().trim_ascii()));
        }
        let mut request = Self {
            method,
            target,
            headers,
            body: rest,
            rest,
            remark: None,
        };
        request.cut_body()?;
        Ok(request)
    }

    /// Editors add a line break at the end of a file; `Content-Length` says where the body ends.
    fn cut_body(&mut self) -> anyhow::Result<()> {
        let is_chunked = self.header("transfer-encoding").is_some();
        ensure!(
            !is_chunked,
            "its body is in chunks; save it decoded and without Transfer-Encoding"
        );
        let Some(length) = self.header("content-length") else {
            return Ok(());
        };
        let length: usize = std::str::from_utf8(length)
            .ok()
            .and_then(|text| text.parse().ok())
            .context("its Content-Length is not a number")?;
        let available = self.body.len();
        let remark = match self.body.split_at_checked(length) {
            Some((_, [])) => return Ok(()),
            Some((body, beyond)) => {
                self.body = body;
                format!(
                    "the file goes on after Content-Length; bytes left out: {}",
                    beyond.len()
                )
            }
            None => format!("Content-Length says {length}, but only {available} bytes of body are there"),
        };
        self.remark = Some(Step {
            name: "request",
            detail: remark,
        });
        Ok(())
    }

    fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// All that stands behind the headers, where that is more than Content-Length says.
    pub(super) fn beyond(&self) -> Option<&'a [u8]> {
        (self.rest.len() > self.body.len()).then_some(self.rest)
    }

    /// The URL of the request line, or the one that the Host header makes of it.
    pub(super) fn url(&self) -> Option<String> {
        if self.target.starts_with("http://") || self.target.starts_with("https://") {
            return Some(self.target.to_owned());
        }
        let host = std::str::from_utf8(self.header("host")?).ok()?;
        Some(format!("https://{host}{}", self.target))
    }
}

/// Takes the next line, without its end, off `rest`.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let at = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = rest.split_at_checked(at)?;
    *rest = after.get(1..)?;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_is_written() {
        let bytes =
            b"POST /in?a=1 HTTP/1.1\r\nHost: h.example\r\nX-A:  one \r\nx-a: two\r\nX-Empty:\r\n\r\na\r\nb\n";
        let raw = RawRequest::parse(bytes).expect("a request");
        assert_eq!(
            (raw.method, raw.url().as_deref()),
            ("POST", Some("https://h.example/in?a=1"))
        );
        assert_eq!(
            raw.headers.get(1..),
            Some(&[("X-A", &b"one"[..]), ("x-a", b"two"), ("X-Empty", b"")][..])
        );
        assert_eq!(raw.body, b"a\r\nb\n");
    }

    #[test]
    fn content_length_ends_the_body_where_an_editor_went_on() {
        let raw = RawRequest::parse(b"POST / HTTP/1.1\nContent-Length: 2\n\n{}\n").expect("a request");
        assert_eq!(raw.body, b"{}");
        assert!(raw.remark.is_some());
        let raw = RawRequest::parse(b"POST / HTTP/1.1\nContent-Length: 9\n\n{}").expect("a request");
        assert_eq!(raw.body, b"{}");
        assert!(raw.remark.is_some());
    }

    #[test]
    fn what_is_not_a_request_is_refused_with_its_cause() {
        for (text, cause) in [
            ("", "it is empty"),
            ("junk\n\n", "its first line is `junk`"),
            ("GET / HTTP/1.1\nHost: h", "no empty line"),
            ("GET / HTTP/1.1\nno colon\n\n", "`no colon` is not a header"),
            (
                "GET / HTTP/1.1\nTransfer-Encoding: chunked\n\n",
                "its body is in chunks",
            ),
            (
                "GET / HTTP/1.1\nContent-Length: two\n\n",
                "its Content-Length is not a number",
            ),
        ] {
            let error = RawRequest::parse(text.as_bytes()).expect_err(text).to_string();
            assert!(error.starts_with(cause), "{text:?} gave: {error}");
        }
    }
}
