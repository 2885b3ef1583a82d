//! `cargo xtask openapi`: the document that the console serves, from what the services say of themselves.

use anyhow::{Context as _, ensure};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes `docs/openapi.json`, if it is another one.
pub(crate) fn write() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--package", "hookyard", "--", "openapi"])
        .current_dir(&root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "`hookyard openapi` failed, {}",
        output.status
    );
    let path = root.join("docs/openapi.json");
    if fs::read(&path).is_ok_and(|before| before == output.stdout) {
        eprintln!("docs/openapi.json is up to date");
        return Ok(());
    }
    fs::write(&path, output.stdout).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("docs/openapi.json is written anew");
    Ok(())
}
