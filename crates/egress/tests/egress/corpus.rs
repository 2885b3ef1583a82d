//! Every URL of the corpora, when it is saved and when it is called.

use std::path::Path;

use hookyard_egress::{Client, Kind};

use crate::name_server::{NameServer, Says};
use crate::{client_asking, post};

/// One line of a corpus.
#[derive(Debug)]
struct Case<'a> {
    line: &'a str,
    url: String,
    answers: &'a str,
    expected: &'a str,
}

impl<'a> Case<'a> {
    /// The columns are separated by tabs, and a URL may have one in it.
    fn parse(line: &'a str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, url @ .., answers, expected, _] = columns.as_slice() else {
            panic!("a case has a number, a URL, answers, an expectation and a reason: {line}")
        };
        Self {
            line,
            url: url.join("\t"),
            answers,
            expected,
        }
    }

    async fn check(&self) {
        let host = url_host(&self.url);
        let known = (self.answers != "-").then(|| (host.as_str(), Says::parse(self.answers)));
        let names = NameServer::start(known).await;
        let client = client_asking(&names, &[]);
        match self.expected {
            "reject" => self.is_rejected(&client).await,
            "block" => self.is_blocked(&client).await,
            "allow" => assert!(client.check_url(&self.url).await.is_ok(), "{}", self.line),
            other => panic!("{other} is no expectation: {}", self.line),
        }
        if self.expected == "reject" {
            assert_eq!(names.queries(), 0, "refused without a look-up: {}", self.line);
        }
    }

    async fn is_rejected(&self, client: &Client) {
        let error = client.policy().check_url(&self.url).expect_err(self.line);
        assert!(!error.is_address(), "{}: {error}", self.line);
        self.cannot_be_called(client).await;
    }

    async fn is_blocked(&self, client: &Client) {
        let error = client.check_url(&self.url).await.expect_err(self.line);
        assert!(error.is_address(), "{}: {error}", self.line);
        self.cannot_be_called(client).await;
    }

    async fn cannot_be_called(&self, client: &Client) {
        let error = client.send(post(&self.url)).await.expect_err(self.line);
        assert_eq!(error.kind(), Kind::Blocked, "{}: {error}", self.line);
    }
}

/// The host of a well-formed URL; the malformed ones need no name server.
fn url_host(url: &str) -> String {
    url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default()
}

async fn check_all(corpus: &str) {
    let cases: Vec<_> = corpus
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(Case::parse)
        .collect();
    assert!(!cases.is_empty());
    for case in cases {
        case.check().await;
    }
}

#[tokio::test]
async fn our_own_corpus_is_refused_and_let_through_as_it_says() {
    check_all(include_str!("ssrf.tsv")).await;
}

#[tokio::test]
async fn the_shared_corpus_is_refused_and_let_through_as_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/ssrf.tsv");
    match std::fs::read_to_string(&path) {
        Ok(corpus) => check_all(&corpus).await,
        Err(error) => {
            eprintln!("SKIPPED: the shared corpus of URLs is not there ({error}); only our own was checked");
        }
    }
}
