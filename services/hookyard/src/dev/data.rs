//! The folder that `hookyard dev` keeps everything in: ledger, keys, demo. One process at a time has it.
//!
//! Deleting the folder is all it takes to begin anew. Its keys are readable by their owner alone.

use crate::commands::master_key;
use boot::settings::Database;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is in the way of reading or writing.
    #[error("{path} cannot be {what}; --data chooses another folder", path = path.display())]
    File {
        /// The file or the folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process works in it.
    #[error(
        "another `hookyard dev` works in {path}; stop it, or choose another folder with --data (and another port with --listen)",
        path = path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder's path cannot stand in a URL or a setting.
    #[error("the path {path} is not valid UTF-8; choose another folder with --data", path = path.display())]
    NotText {
        /// The folder.
        path: PathBuf,
    },
    /// A file has been changed by somebody else.
    #[error("{path} is not what `hookyard dev` wrote: {reason}; remove the folder to begin anew", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The folder, locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Data {
    folder: PathBuf,
    _lock: File,
}

impl Data {
    /// Makes the folder when it is absent, and takes it.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let failed = |path: &Path, what| {
            let path = path.to_owned();
            move |source| Error::File { path, what, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed(folder, "created"))?;
        let folder = std::path::absolute(folder).map_err(failed(folder, "found"))?;
        if folder.to_str().is_none() {
            return Err(Error::NotText { path: folder });
        }
        let path = folder.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed(&path, "opened"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { path: folder }),
            Err(TryLockError::Error(source)) => Err(failed(&path, "locked")(source)),
        }
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether these settings lead to the ledger in it, and not to one that others may use.
    pub(crate) fn is_ledger(&self, database: &Database) -> bool {
        let url = database.url.as_ref().map(ExposeSecret::expose_secret);
        url == Some(&ledger_url(&self.folder))
    }

    /// The master key in it, made at the first call.
    pub(crate) fn master_key(&self) -> Result<SecretString, Error> {
        let name = "master.key";
        if let Some(text) = self.read(name)? {
            return Ok(text.trim_end().into());
        }
        let key = master_key("dev").map_err(|error| self.damaged(name, error.to_string()))?;
        self.keep(name, key.expose_secret().as_bytes())?;
        Ok(key)
    }

    /// What an earlier start remembered under this name.
    pub(crate) fn recall<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.read(name)? else {
            return Ok(None);
        };
        // The parser's words may quote a secret; the place of the mistake is enough.
        let place = |error: serde_json::Error| format!("line {}, column {}", error.line(), error.column());
        serde_json::from_str(&text).map_err(|error| self.damaged(name, place(error)))
    }

    /// Remembers something for later starts.
    pub(crate) fn remember<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let json = serde_json::to_vec_pretty(value).map_err(|error| self.damaged(name, error.to_string()))?;
        self.keep(name, &json)
    }

    fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let path = self.folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File {
                path,
                what: "read",
                source,
            }),
        }
    }

    /// Whole or not at all: half a master key would be the loss of every secret.
    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.folder.join(name);
        let aside = self.folder.join(format!("{name}.new"));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&aside, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| Error::File {
            path: path.clone(),
            what: "written",
            source,
        })
    }

    fn damaged(&self, name: &str, reason: String) -> Error {
        Error::Damaged {
            path: self.folder.join(name),
            reason,
        }
    }
}

/// The URL of the ledger in a folder, which need not exist yet.
pub(crate) fn ledger_url(folder: &Path) -> String {
    let path = folder.join("ledger.db");
    // Without a current folder there is nothing to be relative to; the lock will say so.
    let path = std::path::absolute(&path).unwrap_or(path);
    format!("sqlite:{}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn opened() -> (tempfile::TempDir, Data) {
        let parent = tempfile::tempdir().unwrap();
        let data = Data::open(&parent.path().join("deep/data")).unwrap();
        (parent, data)
    }

    #[test]
    fn only_one_process_has_the_folder() {
        let (_parent, data) = opened();
        let second = Data::open(data.folder()).unwrap_err();
        assert!(matches!(second, Error::InUse { .. }));
        assert!(second.to_string().contains("--data"), "{second}");
        let folder = data.folder().to_owned();
        drop(data);
        assert!(Data::open(&folder).is_ok());
    }

    #[test]
    fn the_master_key_stays_the_same_and_is_its_owners_alone() {
        let (_parent, data) = opened();
        let first = data.master_key().unwrap();
        assert_eq!(data.master_key().unwrap().expose_secret(), first.expose_secret());
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(data.folder().join("master.key")), 0o600);
        assert_eq!(mode(data.folder().to_owned()), 0o700);
    }

    #[test]
    fn what_was_remembered_is_recalled_and_what_was_damaged_is_named() {
        let (_parent, data) = opened();
        assert_eq!(data.recall::<Vec<u8>>("demo.json").unwrap(), None);
        data.remember("demo.json", &vec![1_u8, 2]).unwrap();
        assert_eq!(data.recall::<Vec<u8>>("demo.json").unwrap(), Some(vec![1, 2]));
        std::fs::write(data.folder().join("demo.json"), "{").unwrap();
        assert!(matches!(
            data.recall::<Vec<u8>>("demo.json"),
            Err(Error::Damaged { .. })
        ));
    }
}
