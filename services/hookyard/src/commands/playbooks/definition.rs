//! A playbook's file: read, with the documents that it calls, and checked as saving it would.

use anyhow::Context as _;
use console::fetch_documents;
use playbook::{CheckError, Checked, Engine, Issue};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Where everything is: whoever types a file's name may read any address that it names.
const ANYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// A text and what it is called.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: String,
}

impl File {
    /// Reads a file, or standard input for `-`.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("standard input cannot be read as text")?;
            let name = "standard input".to_owned();
            return Ok(Self { name, text });
        }
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
        Ok(Self { name, text })
    }
}

/// OpenAPI documents that are files here, by their addresses.
pub(super) fn given(options: &[String]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let pairs = options.iter().map(|option| {
        // A URL may have `=` in its query.
        let (url, file) = option
            .rsplit_once('=')
            .with_context(|| format!("`{option}` must be URL=FILE"))?;
        Ok((url.to_owned(), PathBuf::from(file)))
    });
    pairs.collect()
}

/// Checks a definition; the documents that it calls are read from these files, else fetched.
pub(super) async fn check(
    engine: &Engine,
    text: &str,
    files: &BTreeMap<String, PathBuf>,
) -> anyhow::Result<Result<Checked, Vec<Issue>>> {
    let needed = match engine.needs(text).await {
        Ok(needed) => needed,
        Err(error) => return unsound(error),
    };
    let (here, elsewhere): (Vec<_>, Vec<_>) = needed.into_iter().partition(|uri| files.contains_key(uri));
    let mut documents = BTreeMap::new();
    for uri in here {
        if let Some(path) = files.get(&uri) {
            let file = File::read(path)?;
            documents.insert(uri, Ok(file.text));
        }
    }
    if !elsewhere.is_empty() {
        documents.extend(fetch_documents(&client(), elsewhere).await);
    }
    match engine.check(text, documents).await {
        Ok(checked) => Ok(Ok(checked)),
        Err(error) => unsound(error),
    }
}

fn unsound(error: CheckError) -> anyhow::Result<Result<Checked, Vec<Issue>>> {
    match error {
        CheckError::Unsound(issues) => Ok(Err(issues)),
        CheckError::Step(error) => Err(error.into()),
    }
}

fn client() -> egress::Client {
    // The commands that start no platform have no TLS provider yet; a second one is refused, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    egress::Client::new(egress::Settings {
        policy: egress::Policy::new(ANYWHERE.iter().filter_map(|net| net.parse().ok())),
        user_agent: concat!("hookyard-cli/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..egress::Settings::default()
    })
}
