//! `hookyard verify`: checks a signature as a source would, and says why. Needs no server.
//!
//! The exit code is 0 for a valid request (or a handshake that would be answered, or vectors that all
//! agree), 1 for an invalid one, and 2 where the question itself makes no sense.

use crate::screen::{BAD, BOLD, DIM, GOOD, Screen, plain, styled};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use secrecy::SecretString;
use serde::Serialize;
use signature::vectors::Vectors;
use signature::{Credentials, Handshake, Profile, Request, Secret, Step, Verdict, builtin_names};
use std::fmt::Write;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `hookyard verify`
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  hookyard verify --provider github --secret s3cret --request push.http
  hookyard verify --scheme mine.yaml --secret s3cret --at 1790000000 --request -
  hookyard verify --vectors providers.json")]
pub struct Arguments {
    /// Run a file of test vectors and list those that disagree.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["provider", "scheme", "request"])]
    #[arg(required_unless_present_any = ["provider", "scheme"])]
    pub vectors: Option<PathBuf>,
    /// The sender's built-in profile, such as `stripe`.
    #[arg(long, value_name = "NAME", requires = "request", conflicts_with = "scheme")]
    pub provider: Option<String>,
    /// A custom scheme in YAML or JSON, as a source's `verify.scheme` has it.
    #[arg(long, value_name = "FILE", requires = "request")]
    pub scheme: Option<PathBuf>,
    /// A secret of the source. Several may be given; any may match.
    #[arg(long = "secret", value_name = "SECRET")]
    pub secrets: Vec<SecretString>,
    /// The token that a handshake must show, where the provider has one.
    #[arg(long, value_name = "TOKEN")]
    pub verify_token: Option<SecretString>,
    /// The time to check against, in seconds since 1970 [default: now]
    #[arg(long, value_name = "UNIX")]
    pub at: Option<i64>,
    /// The public URL that the sender used [default: https, the Host header and the request's path]
    #[arg(long)]
    pub url: Option<String>,
    /// A raw HTTP request: request line, headers, an empty line, the exact body. `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
}

/// Answers the question and prints the answer.
pub(crate) fn run(arguments: &Arguments, screen: Screen) -> ExitCode {
    let outcome = match &arguments.vectors {
        Some(path) => run_vectors(path, screen),
        None => run_one(arguments, screen),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // Where nobody listens there is nothing to say.
            let _ = writeln!(anstream::stderr(), "{}", styled(BAD, format_args!("{error:#}")));
            ExitCode::from(2)
        }
    }
}

/// What `--vectors --json` prints.
#[derive(Debug, Serialize)]
struct VectorReport {
    vectors: usize,
    disagreements: Vec<Disagreement>,
}

#[derive(Debug, Serialize)]
struct Disagreement {
    id: String,
    expected: String,
    got: String,
}

fn run_vectors(path: &Path, screen: Screen) -> anyhow::Result<bool> {
    let json = read(path)?;
    let file: Vectors = serde_json::from_slice(&json)
        .with_context(|| format!("{} is not a file of vectors", path.display()))?;
    let disagreements = file.vectors.iter().filter_map(|vector| {
        let found = vector.check().err()?;
        Some(Disagreement {
            id: vector.id.clone(),
            expected: found.expected,
            got: found.got,
        })
    });
    let report = VectorReport {
        vectors: file.vectors.len(),
        disagreements: disagreements.collect(),
    };
    screen.show(&report, vector_report)?;
    Ok(report.disagreements.is_empty())
}

fn vector_report(report: &VectorReport) -> String {
    let mut text = String::new();
    for Disagreement { id, expected, got } in &report.disagreements {
        let _ = writeln!(
            text,
            "{}: expected {}, got {}",
            plain(id),
            plain(expected),
            plain(got)
        );
    }
    let agree = report.vectors.saturating_sub(report.disagreements.len());
    let style = if agree == report.vectors { GOOD } else { BAD };
    text.push_str(&styled(
        style,
        format_args!("{agree} of {} vectors agree", report.vectors),
    ));
    text
}

/// What one request comes to.
#[derive(Debug, Serialize)]
struct Report {
    /// `valid`, `invalid` or `handshake`.
    verdict: &'static str,
    /// The published reason of an invalid request, `handshake_refused`, or `ok`.
    reason: &'static str,
    /// Which secret matched, counted from 1.
    secret: Option<usize>,
    event_id: Option<String>,
    event_type: Option<String>,
    steps: Vec<Step>,
}

fn run_one(arguments: &Arguments, screen: Screen) -> anyhow::Result<bool> {
    let profile = profile(arguments)?;
    let path = arguments.request.as_deref().context("give --request FILE")?;
    let bytes = read(path)?;
    let raw =
        RawRequest::parse(&bytes).with_context(|| format!("{} is not a raw HTTP request", path.display()))?;
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => raw
            .url()
            .context("the request has no Host header to make a URL of; give --url URL")?,
    };
    let request = Request {
        method: raw.method,
        url: &url,
        headers: &raw.headers,
        body: raw.body,
    };
    let secrets = arguments.secrets.iter().zip(1_usize..);
    let secrets: Vec<_> = secrets
        .map(|(value, number)| Secret::new(number.to_string(), value.clone()))
        .collect();
    let credentials = Credentials {
        secrets: &secrets,
        verify_token: arguments.verify_token.as_ref(),
        fetched_key: None,
    };
    let now = arguments
        .at
        .unwrap_or_else(|| wire::Instant::now().unix_seconds());

    let mut report = judge(&profile, &request, &credentials, now);
    let read = format!(
        "{} {url}, headers: {}, bytes of body: {}",
        raw.method,
        raw.headers.len(),
        raw.body.len()
    );
    report.steps.splice(
        0..0,
        std::iter::once(Step {
            name: "request",
            detail: read,
        })
        .chain(raw.remark),
    );
    screen.show(&report, text_of)?;
    Ok(report.verdict != "invalid")
}

/// In the order of a source: unsigned handshakes, the verdict, signed handshakes.
fn judge(profile: &Profile, request: &Request<'_>, credentials: &Credentials<'_>, now: i64) -> Report {
    if let Some(handshake) = profile.unsigned_handshake(request, credentials) {
        return handshake_report(handshake, None, Vec::new());
    }
    let explanation = profile.explain(request, credentials, now);
    let (verdict, reason, secret) = match explanation.verdict {
        Verdict::Invalid(reason) => ("invalid", reason.as_str(), None),
        Verdict::Valid { secret } => {
            if let Some(handshake) = profile.signed_handshake(request, credentials, secret) {
                return handshake_report(handshake, secret, explanation.steps);
            }
            ("valid", "ok", secret)
        }
    };
    Report {
        verdict,
        reason,
        secret: secret.map(|index| index.saturating_add(1)),
        event_id: profile.event_id(request),
        event_type: profile.event_type(request),
        steps: explanation.steps,
    }
}

fn handshake_report(handshake: Handshake, secret: Option<usize>, mut steps: Vec<Step>) -> Report {
    let (verdict, reason, detail) = match handshake {
        Handshake::Answer(answer) => {
            let body = if answer.body.is_empty() {
                String::new()
            } else {
                format!(" with {}", answer.body)
            };
            (
                "handshake",
                "ok",
                format!("a source would answer {}{body} and ingest nothing", answer.status),
            )
        }
        Handshake::Refused { status, cause } => (
            "invalid",
            "handshake_refused",
            format!("a source would answer {status}: {cause}"),
        ),
    };
    steps.push(Step {
        name: "handshake",
        detail,
    });
    let secret = secret.map(|index| index.saturating_add(1));
    Report {
        verdict,
        reason,
        secret,
        event_id: None,
        event_type: None,
        steps,
    }
}

fn text_of(report: &Report) -> String {
    let mut text = String::new();
    for step in &report.steps {
        let _ = writeln!(
            text,
            "{}  {}",
            styled(DIM, format_args!("{:<9}", step.name)),
            plain(&step.detail)
        );
    }
    for (name, value) in [("event id", &report.event_id), ("type", &report.event_type)] {
        if let Some(value) = value {
            let _ = writeln!(
                text,
                "{}  {}",
                styled(DIM, format_args!("{name:<9}")),
                plain(value)
            );
        }
    }
    let verdict = match report.verdict {
        "invalid" => styled(BAD, format_args!("invalid ({})", report.reason)),
        other => styled(GOOD, other),
    };
    let _ = write!(text, "{}", styled(BOLD, verdict));
    text
}

fn profile(arguments: &Arguments) -> anyhow::Result<Profile> {
    if let Some(path) = &arguments.scheme {
        let text =
            String::from_utf8(read(path)?).with_context(|| format!("{} is not text", path.display()))?;
        return Profile::from_yaml(&text)
            .with_context(|| format!("the scheme in {} is wrong", path.display()));
    }
    let name = arguments.provider.as_deref().unwrap_or_default();
    Profile::builtin(name).cloned().with_context(|| {
        let initial = name.get(..1).unwrap_or_default().to_lowercase();
        let near: Vec<_> = builtin_names()
            .filter(|known| known.starts_with(&initial))
            .collect();
        let hint = if near.is_empty() {
            format!(
                "{} are built in, and --scheme FILE takes your own",
                builtin_names().count()
            )
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        format!("no provider is called `{name}`; {hint}")
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    bytes.with_context(|| format!("cannot read {}", path.display()))
}

/// A request as it is written on the wire, cut but not interpreted.
#[derive(Debug)]
struct RawRequest<'a> {
    method: &'a str,
    target: &'a str,
    headers: Vec<(&'a str, &'a [u8])>,
    body: &'a [u8],
    /// What was odd about it.
    remark: Option<Step>,
}

impl<'a> RawRequest<'a> {
    fn parse(bytes: &'a [u8]) -> anyhow::Result<Self> {
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

    fn url(&self) -> Option<String> {
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

    const SCREEN: Screen = Screen { json: true };

    fn arguments(provider: &str, secret: &str, request: &Path) -> Arguments {
        Arguments {
            vectors: None,
            provider: Some(provider.to_owned()),
            scheme: None,
            secrets: vec![SecretString::from(secret)],
            verify_token: None,
            at: Some(1_790_000_000),
            url: None,
            request: Some(request.to_owned()),
        }
    }

    fn file(contents: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), contents).expect("the file can be written");
        file
    }

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

    #[test]
    fn the_outcome_is_valid_invalid_or_a_usage_error() {
        let request = file("POST /in HTTP/1.1\nHost: h\nX-Gitlab-Token: right\n\n{}");
        assert!(run_one(&arguments("gitlab-token", "right", request.path()), SCREEN).expect("a verdict"));
        assert!(!run_one(&arguments("gitlab-token", "wrong", request.path()), SCREEN).expect("a verdict"));
        let unknown =
            run_one(&arguments("gitlub", "right", request.path()), SCREEN).expect_err("no such provider");
        assert!(
            unknown.to_string().contains("did you mean github, gitlab"),
            "{unknown}"
        );
        let missing =
            run_one(&arguments("github", "s", Path::new("/nowhere")), SCREEN).expect_err("no such file");
        assert_eq!(missing.to_string(), "cannot read /nowhere");
    }

    #[test]
    fn a_handshake_is_answered_as_a_source_would() {
        let request =
            file("GET /in?hub.mode=subscribe&hub.verify_token=t&hub.challenge=5 HTTP/1.1\nHost: h\n\n");
        let mut arguments = arguments("meta", "s", request.path());
        assert!(
            !run_one(&arguments, SCREEN).expect("a verdict"),
            "no token is configured"
        );
        arguments.verify_token = Some(SecretString::from("t"));
        assert!(run_one(&arguments, SCREEN).expect("a verdict"));
    }

    #[test]
    fn vectors_that_disagree_are_listed_by_their_ids() {
        let vector = |id: &str, expect: &str| {
            format!(
                r#"{{"id":"{id}","kind":"inbound","provider":"gitlab-token","secrets":["a"],"method":"POST","url":"",
                    "headers":[["X-Gitlab-Token","a"]],"body_b64":"","now":0,"expect":"{expect}"}}"#
            )
        };
        let good = file(&format!(r#"{{"vectors":[{}]}}"#, vector("one", "valid")));
        assert!(run_vectors(good.path(), SCREEN).expect("vectors"));
        let bad = file(&format!(
            r#"{{"vectors":[{},{}]}}"#,
            vector("one", "valid"),
            vector("two", "invalid")
        ));
        assert!(!run_vectors(bad.path(), SCREEN).expect("vectors"));
        let report = VectorReport {
            vectors: 2,
            disagreements: vec![Disagreement {
                id: "two".into(),
                expected: "a".into(),
                got: "b\u{1b}".into(),
            }],
        };
        let text = vector_report(&report);
        assert!(
            text.starts_with("two: expected a, got b\u{fffd}\n") && text.contains("1 of 2 vectors agree"),
            "{text}"
        );
        run_vectors(Path::new("/nowhere"), SCREEN).expect_err("no such file");
    }
}
