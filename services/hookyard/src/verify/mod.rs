//! `hookyard verify`: checks a signature as a source would, and says why. Needs no server.
//!
//! The exit code is 0 for a valid request (or a handshake that would be answered, or vectors that all
//! agree), 1 for an invalid one, and 2 where the question itself makes no sense.

mod hint;
mod raw_request;
mod vectors;
mod verdict;

use crate::screen::{BAD, Screen, styled};
use anyhow::{Context as _, ensure};
use clap::Args;
use raw_request::RawRequest;
use secrecy::SecretString;
use signature::{Credentials, Profile, Request, Secret, Step, builtin_names};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use verdict::Report;

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
        Some(path) => vectors::run(path, screen),
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

fn run_one(arguments: &Arguments, screen: Screen) -> anyhow::Result<bool> {
    let report = examine(arguments)?;
    screen.show(&report, Report::text)?;
    Ok(report.is_good())
}

/// Judges the request in a file as a source would, and looks for the way out of a refusal.
fn examine(arguments: &Arguments) -> anyhow::Result<Report> {
    let profile = profile(arguments)?;
    let path = arguments.request.as_deref().context("give --request FILE")?;
    let bytes = read(path)?;
    let raw =
        RawRequest::parse(&bytes).with_context(|| format!("{} is not a raw HTTP request", path.display()))?;
    let url = match (&arguments.url, raw.url()) {
        (Some(url), _) => url.clone(),
        (None, Some(url)) => url,
        (None, None) => {
            let missing =
                "the request has no Host header to make a URL of, and this sender signs it; give --url URL";
            ensure!(!profile.signs_url(), missing);
            format!("https://host.invalid{}", raw.target)
        }
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

    let mut report = verdict::judge(&profile, &request, &credentials, now);
    report.hints = hint::hints(&hint::Asked {
        profile: &profile,
        provider: arguments.provider.as_deref(),
        request: &request,
        beyond: raw.beyond(),
        credentials: &credentials,
        now,
        reason: report.reason,
    });
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
    Ok(report)
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

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const SCREEN: Screen = Screen { json: true };

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

    pub(super) fn file(contents: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), contents).expect("the file can be written");
        file
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

    /// `{}` signed with `s3cret`, as GitHub does.
    const SIGNED: &str =
        "X-Hub-Signature-256: sha256=adbde1ce40c89c14215687d5d762a47df6dfaefcfad61e2e86718ffc8498571b\r\n";

    /// What is found likely for a refused request.
    fn likely(provider: &str, secret: &str, rest: &str) -> Vec<String> {
        let request = file(&format!("POST /in HTTP/1.1\r\nHost: h\r\n{rest}"));
        let report = examine(&arguments(provider, secret, request.path())).expect("a report");
        assert!(!report.is_good());
        report.hints.into_iter().map(|hint| hint.found).collect()
    }

    #[test]
    fn a_refused_request_comes_with_the_likely_way_out() {
        let of_github = |secret: &str, rest: &str| likely("github", secret, &format!("{SIGNED}{rest}"));
        assert_eq!(
            of_github("s3cret", "\r\n{}\n"),
            ["the signature matches with the body without its final line break"]
        );
        assert_eq!(
            of_github(" s3cret", "\r\n{ }"),
            [
                "the signature matches with the secret without the blanks around it, and the body as JSON without blanks"
            ]
        );
        assert_eq!(
            of_github("s3cret", "Content-Length: 1\r\n\r\n{}"),
            ["the signature matches with all that stands in the file behind its headers"]
        );
        let another = of_github("another", "\r\n{}");
        assert!(another[0].starts_with("the secret is another one"), "{another:?}");
        let packed = of_github("another", "Content-Encoding: gzip\r\n\r\n{}");
        assert!(packed[0].starts_with("the body is compressed"), "{packed:?}");
    }

    #[test]
    fn a_request_of_another_provider_is_recognised() {
        let signed = format!("{SIGNED}\r\n{{}}");
        let alike = likely("stripe", "s3cret", &signed);
        assert!(
            alike[0].starts_with("it is authentic as a request of ") && alike[0].contains("github"),
            "{alike:?}"
        );
        let alike = likely("stripe", "s3cret", &format!("{signed}\n"));
        assert!(
            alike[0].ends_with("the body without its final line break"),
            "{alike:?}"
        );
        let alike = likely("stripe", "another", &signed);
        assert!(
            alike[0].starts_with("it carries what requests of ") && alike[0].contains("github"),
            "{alike:?}"
        );
    }

    #[test]
    fn a_sender_that_signs_its_url_needs_one() {
        let request = file("POST /in HTTP/1.1\nX-Twilio-Signature: x\n\n");
        let refused = examine(&arguments("twilio", "s", request.path())).expect_err("no URL");
        assert!(refused.to_string().contains("--url"), "{refused}");
        examine(&arguments("github", "s", request.path())).expect("a report");
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
}
