//! What may be configured: one module per kind of thing, for the management API and for configuration as code alike.
//!
//! A reader takes a document and gives a *draft*: values that cannot be wrong, with references resolved to ids. Whatever
//! is wrong is collected in a [`Report`], all of it, with its path. Only the jq programs are left to
//! [`Checks::settle`], and playbooks' definitions to [`Checks::define`], because compiling a stranger's program happens
//! in the jail.

pub(crate) mod addresses;
pub(crate) mod api_key;
pub(crate) mod app;
pub(crate) mod application;
mod auth;
mod certificate;
pub(crate) mod contact;
pub(crate) mod definition;
pub(crate) mod directory;
pub(crate) mod documents;
pub(crate) mod endpoint;
pub(crate) mod event_type;
mod fields;
pub(crate) mod metadata;
pub(crate) mod playbooks;
pub(crate) mod project;
pub(crate) mod recovery;
pub(crate) mod route;
mod said;
pub(crate) mod schema;
pub(crate) mod source;
pub(crate) mod value;
mod verify;
pub(crate) mod workspace;

pub(crate) use directory::Directory;
pub(crate) use fields::{Fields, Report, Style, kind};
pub(crate) use said::Said;

use crate::{Error, Problem};
use egress::Policy;
use expression::Jail;
use playbook::Engine;
use secrecy::SecretString;

/// The parts of the process that documents are checked with.
#[derive(Debug, Clone)]
pub struct Checks {
    /// Compiles jq programs.
    jail: Jail,
    /// Checks playbooks.
    engine: Engine,
    /// Fetches what playbooks call, and says which addresses endpoints may have.
    egress: egress::Client,
}

impl Checks {
    /// Puts the parts together. The program of `jail` must call [`playbook::run_if_requested`].
    pub fn new(jail: Jail, egress: egress::Client) -> Self {
        Self {
            engine: Engine::new(jail.clone()),
            jail,
            egress,
        }
    }

    /// Evaluates what routes have.
    pub(crate) const fn jail(&self) -> &Jail {
        &self.jail
    }

    /// Which addresses endpoints may have.
    pub fn policy(&self) -> &Policy {
        self.egress.policy()
    }

    /// Looks up a URL that is about to be saved. One that cannot be looked up passes, since every request is checked
    /// again.
    async fn look_up(&self, url: &str) -> Result<(), egress::Error> {
        self.egress.check_url(url).await.map(drop)
    }

    /// Ends a report: compiles its programs, and gives all problems there are.
    pub(crate) async fn settle(&self, report: Report) -> Result<(), Error> {
        let (mut problems, programs) = report.into_parts();
        let (paths, texts): (Vec<_>, Vec<_>) = programs.into_iter().unzip();
        let verdicts = self.jail.check(texts).await.map_err(Error::Jail)?;
        for (path, verdict) in paths.into_iter().zip(verdicts) {
            if let Err(error) = verdict {
                problems.push(Problem::new(path, error.to_string()));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(problems))
        }
    }
}

/// What a reader looks at beside the document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    /// Which addresses endpoints may have.
    pub(crate) policy: &'a Policy,
    /// What other things are called.
    pub(crate) directory: &'a Directory,
}

/// A secret that was made because the document left it out. It is shown once.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// Which field it would have been, in `snake_case`.
    pub(crate) field: &'static str,
    /// The secret.
    pub(crate) value: SecretString,
}

/// A row ready to be saved.
#[derive(Debug)]
pub(crate) struct Built<Row> {
    pub(crate) row: Row,
    /// The secrets that were made for it.
    pub(crate) made: Vec<Made>,
}
