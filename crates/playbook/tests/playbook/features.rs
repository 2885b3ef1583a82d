//! The conformance kit of the specification, and our own features.

use crate::scenario;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Runs all scenarios of a folder and says how many came out as they should.
fn run(folder: &Path) -> (usize, usize) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "feature"))
        .collect();
    paths.sort();
    let (mut passed, mut all) = (0, 0);
    for path in paths {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for scenario in scenario::parse(&path) {
            all += 1;
            if catch_unwind(AssertUnwindSafe(|| scenario::run(&scenario))).is_ok() {
                passed += 1;
            } else {
                eprintln!("FAILED: {file}: {}", scenario.name);
            }
        }
    }
    (passed, all)
}

#[test]
fn the_conformance_kit_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/ctk/features");
    if !folder.is_dir() {
        eprintln!(
            "SKIPPED: the conformance kit is not at {}; only our own features are run",
            folder.display()
        );
        return;
    }
    let (passed, all) = run(&folder);
    eprintln!("conformance kit: {passed} of {all}");
    assert_eq!((passed, all), (21, 21));
}

#[test]
fn our_own_features_pass() {
    let (passed, all) = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/features"));
    eprintln!("our own features: {passed} of {all}");
    assert_eq!(passed, all);
}
