//! URLs by which strangers try to reach what is not theirs, and what must become of each: our own corpus, and one that
//! lies beside the repository where there is one.

use crate::name_server::Says;
use std::path::Path;

/// What must become of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It is refused for what it is, before any look-up.
    Rejected,
    /// It is refused for the address that it leads to.
    Blocked,
    /// It may be called.
    Allowed,
}

/// One line of a corpus.
#[derive(Debug, Clone)]
pub struct Case {
    /// The whole line, for messages.
    pub line: String,
    /// The URL, as somebody would write it.
    pub url: String,
    /// What becomes of it.
    pub expected: Expected,
    /// What a name server says about its host.
    answers: Option<String>,
}

impl Case {
    /// The columns are separated by tabs, and a URL may have one in it.
    #[expect(clippy::panic, reason = "a test with a corpus that cannot be read must fail")]
    fn parse(line: &str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, url @ .., answers, expected, _] = columns.as_slice() else {
            panic!("a case has a number, a URL, answers, an expectation and a reason: {line}")
        };
        Self {
            line: line.to_owned(),
            url: url.join("\t"),
            expected: match *expected {
                "reject" => Expected::Rejected,
                "block" => Expected::Blocked,
                "allow" => Expected::Allowed,
                other => panic!("{other} is no expectation: {line}"),
            },
            answers: (*answers != "-").then(|| (*answers).to_owned()),
        }
    }

    /// The host of the URL, and what a name server says about it; none where none is to be asked.
    pub fn says(&self) -> Option<(String, Says)> {
        let url = url::Url::parse(&self.url).ok()?;
        Some((url.host_str()?.to_owned(), Says::parse(self.answers.as_deref()?)))
    }
}

/// Our own corpus.
pub fn own() -> Vec<Case> {
    parse(include_str!("ssrf.tsv"))
}

/// The corpus beside the repository; none, and a line on standard error, where there is none.
#[expect(clippy::print_stderr, reason = "a test that checks less must say so")]
pub fn shared() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/ssrf.tsv");
    match std::fs::read_to_string(&path) {
        Ok(corpus) => parse(&corpus),
        Err(error) => {
            eprintln!("SKIPPED: the shared corpus of URLs is not there ({error}); only our own is checked");
            Vec::new()
        }
    }
}

fn parse(corpus: &str) -> Vec<Case> {
    let lines = corpus.lines();
    let cases: Vec<Case> = lines
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(Case::parse)
        .collect();
    assert!(!cases.is_empty(), "a corpus has cases");
    cases
}
