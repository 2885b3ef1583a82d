//! The Python with the official clients and checkers that exist in no other language.

use std::io::Write as _;
use std::path::PathBuf;

/// The interpreter that `cargo xtask test` made ready, with the packages of `xtask/python/requirements.txt`.
///
/// `None` where it is missing, after a line on standard error that names what is not tested; such a test returns early.
/// Unlike a database it is no part of the platform, and not every machine reaches a package index.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no settings; these variables are their interface"
)]
pub fn interpreter(untested: &str) -> Option<PathBuf> {
    let given = std::env::var("HOOKYARD_TEST_PYTHON").ok().map(PathBuf::from);
    if given.is_none() {
        // Not `eprintln!`, which the test harness keeps to itself when the test passes.
        let mut stderr = std::io::stderr().lock();
        let line =
            format!("\n*** NOT TESTED: {untested}. It needs HOOKYARD_TEST_PYTHON: run `cargo xtask test`\n");
        // Nobody is left to tell when standard error is closed.
        let _ = stderr.write_all(line.as_bytes());
    }
    given
}
