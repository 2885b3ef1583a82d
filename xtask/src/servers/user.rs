//! Who a server runs as: the caller, or, when that is root, the unprivileged user of the server's package.

use anyhow::{Context as _, bail};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The user that a server runs as.
#[derive(Debug, Clone, Copy)]
pub(super) enum User {
    /// The caller, who is not root.
    Caller,
    /// Another, because the caller is root.
    Other {
        /// The user's id.
        uid: u32,
        /// The user's own group.
        gid: u32,
    },
}

impl User {
    /// `name` when the caller is root, else the caller.
    pub(super) fn for_server(name: &str) -> anyhow::Result<Self> {
        if !caller_is_root()? {
            return Ok(Self::Caller);
        }
        let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        // name:password:uid:gid:…
        let entry = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next() == Some(name);
            let ids = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            found.then_some(ids)
        });
        match entry {
            Some((uid, gid)) => Ok(Self::Other { uid, gid }),
            None => bail!(
                "no user `{name}` to run a server as: create it (`useradd --system {name}`), or run this as a user other than root"
            ),
        }
    }

    /// A command that runs as this user, knows nothing of the caller's environment but PATH, and works in `folder`.
    pub(super) fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(folder).stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Creates a folder that only this user reads.
    pub(super) fn create_folder(self, path: &Path) -> anyhow::Result<PathBuf> {
        let create = || {
            fs::create_dir_all(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
            self.own(path)
        };
        create().with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path.to_owned())
    }

    /// Writes a file that only this user reads.
    pub(super) fn write_file(self, path: &Path, text: &str) -> anyhow::Result<()> {
        let write = || {
            fs::write(path, text)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            self.own(path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    fn own(self, path: &Path) -> std::io::Result<()> {
        match self {
            Self::Caller => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid)),
        }
    }
}

pub(crate) fn caller_is_root() -> anyhow::Result<bool> {
    Ok(caller()? == 0)
}

/// Whether `path` itself, not what a link there points to, belongs to the caller.
pub(super) fn is_callers(path: &Path) -> anyhow::Result<bool> {
    let metadata = fs::symlink_metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(metadata.is_dir() && metadata.uid() == caller()?)
}

/// The standard library has no `geteuid`.
fn caller() -> anyhow::Result<u32> {
    let own =
        fs::metadata("/proc/self").context("cannot read /proc/self: the private test servers need Linux")?;
    Ok(own.uid())
}

/// Whether a user without privileges can enter `folder`; root's own checkouts often stand where nobody else can.
pub(super) fn all_can_enter(folder: &Path) -> anyhow::Result<bool> {
    if !caller_is_root()? {
        return Ok(true);
    }
    // Every folder on the way must let others pass.
    Ok(folder.ancestors().all(|ancestor| {
        fs::metadata(ancestor).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    }))
}
