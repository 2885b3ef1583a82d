//! Debian's packages, for what a chore needs and the machine lacks.

use crate::servers::caller_is_root;
use anyhow::{Context as _, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Whether [`install`] can do anything: the caller is root, on a Debian or one of its children.
pub(crate) fn can_install() -> anyhow::Result<bool> {
    Ok(caller_is_root()? && Path::new("/usr/bin/apt-get").exists())
}

/// Installs `packages`; none of them starts a service.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    eprintln!("installing {} with apt-get", packages.join(" "));
    let _guard = StartNothing::new()?;
    apt_get(&["update"])?;
    let options = ["install", "--yes", "--no-install-recommends"];
    apt_get(&[options.as_slice(), packages].concat())
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("apt-get")
        .args(["--quiet", "--option", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Standard output is for what a shell should read.
        .stdout(std::io::stderr())
        .status()
        .context("cannot run apt-get")?;
    if !status.success() {
        bail!("`apt-get {}` failed, {status}", arguments.join(" "));
    }
    Ok(())
}

/// Debian starts a package's service when it is installed; a test run must not leave servers on this machine's ports.
/// While this lives, `policy-rc.d` (see invoke-rc.d(8)) says so; one that is there already is left as it is.
struct StartNothing {
    written: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl StartNothing {
    fn new() -> anyhow::Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { written: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("cannot write {POLICY}"))?;
        Ok(Self { written: true })
    }
}

impl Drop for StartNothing {
    fn drop(&mut self) {
        if self.written
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("warning: remove {POLICY} by hand, it keeps services from starting: {error}");
        }
    }
}
