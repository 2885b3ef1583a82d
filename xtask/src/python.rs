//! The Python that some tests hold our answers against: official clients and checkers that exist in no other language.
//!
//! *Theory of operation.* A virtual environment below `target/test-python` gets the packages of
//! `xtask/python/requirements.txt`, once; a stamp, written last, says what it was made from, and it is made anew when
//! that changes. The tests find it by `HOOKYARD_TEST_PYTHON`. A machine without Python, or that reaches no package
//! index, tests all the same: the tests that need Python say so and pass.

use crate::debian;
use crate::interrupt;
use anyhow::{Context as _, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Names the interpreter that tests use.
pub(crate) const VARIABLE: &str = "HOOKYARD_TEST_PYTHON";

const REQUIREMENTS: &str = include_str!("../python/requirements.txt");
const REQUIREMENTS_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/requirements.txt");

/// How long making the environment may take: it takes ten seconds, and minutes over a slow line.
const DEADLINE: Duration = Duration::from_mins(5);

/// The interpreter for the tests: the caller's own, else ours, made when it lacks. Without any it says loudly why.
pub(crate) fn find_or_prepare(target: &Path) -> Option<PathBuf> {
    if let Some(given) = std::env::var_os(VARIABLE) {
        return Some(given.into());
    }
    let folder = target.join("test-python");
    match prepare(&folder) {
        Ok(interpreter) => Some(interpreter),
        Err(error) => {
            eprintln!(
                "\n*** NO PYTHON FOR THE TESTS: {error:#}\n\
                 *** The tests that need it are skipped. They want Python 3.10 or later with `venv`, and a package index;\n\
                 *** or set {VARIABLE} to an interpreter that has the packages of {REQUIREMENTS_FILE}.\n"
            );
            None
        }
    }
}

fn prepare(folder: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Two shells of one checkout must not both make it.
    let lock = fs::File::create(folder.join("lock")).context("cannot create a lock")?;
    lock.lock().context("cannot take the lock")?;
    let base = find_or_install()?;
    let environment = folder.join("environment");
    let interpreter = environment.join("bin/python");
    let stamp = folder.join("made-from");
    // Its own path is part of it: a copied environment's programs would run the original's.
    let wanted = format!("{}\n{base}\n{REQUIREMENTS}", environment.display());
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) && interpreter.exists() {
        return Ok(interpreter);
    }
    eprintln!("preparing Python for the tests in {}", folder.display());
    let deadline = Instant::now() + DEADLINE;
    run(
        Command::new(base.program)
            .args(["-m", "venv", "--clear"])
            .arg(&environment),
        deadline,
    )?;
    run(
        Command::new(&interpreter)
            .args([
                "-m",
                "pip",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
            ])
            // Nothing is compiled, and a machine without a network learns so soon.
            .args(["install", "--only-binary", ":all:", "--retries", "1"])
            .args(["--requirement", REQUIREMENTS_FILE]),
        deadline,
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(interpreter)
}

/// A Python that can make virtual environments.
struct Base {
    program: &'static str,
    version: String,
}

impl std::fmt::Display for Base {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.program, self.version)
    }
}

fn find_or_install() -> anyhow::Result<Base> {
    if let Some(base) = find() {
        return Ok(base);
    }
    ensure!(
        debian::can_install()?,
        "no `python3` with `venv` in PATH (on Debian or Ubuntu: `sudo apt-get install python3-venv`)"
    );
    debian::install(&["python3-venv"])?;
    find().context("no `python3` with `venv`, also after its installation")
}

/// The one in PATH, else Debian's: the one in PATH may be another, without the module that Debian keeps apart.
fn find() -> Option<Base> {
    ["python3", "/usr/bin/python3"].into_iter().find_map(|program| {
        let ask = "import ensurepip, sys, venv; print(sys.executable, sys.version.split()[0])";
        let output = Command::new(program).args(["-c", ask]).output().ok()?;
        output.status.success().then(|| Base {
            program,
            version: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        })
    })
}

fn run(command: &mut Command, deadline: Instant) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::null())
        // Standard output is for what a shell should read.
        .stdout(std::io::stderr())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{} failed, {status}", program.display());
            return Ok(());
        }
        let late = Instant::now() > deadline;
        if late || interrupt::arrived() {
            child.kill().context("cannot end it")?;
            child.wait().context("cannot wait for its end")?;
            ensure!(!late, "{} took over {DEADLINE:?}", program.display());
            bail!("interrupted");
        }
        sleep(Duration::from_millis(50));
    }
}
