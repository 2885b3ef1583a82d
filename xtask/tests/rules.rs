//! The rules of the architecture, checked over `cargo metadata`: what each crate must not know.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `docs/architecture.md` says of heavy dependencies: each has one home. `testkit` is for tests alone.
const HOMES: &[(&str, &[&str])] = &[
    ("diesel", &["hookyard-store", "hookyard-testkit"]),
    ("diesel_migrations", &["hookyard-store"]),
    ("lapin", &["hookyard-broker", "hookyard-testkit"]),
    ("hyper", &["hookyard-egress"]),
    // What the yard is compared with is no part of it, so `bench` may have it.
    ("reqwest", &["hookyard", "hookyard-boot", "hookyard-bench"]),
    ("tokio-postgres", &["hookyard-bench"]),
    ("rusqlite", &["hookyard-bench"]),
    (
        "actix-web",
        &[
            "hookyard-boot",
            "hookyard-console",
            "hookyard-gateway",
            "hookyard",
            "hookyard-testkit",
            "hookyard-bench",
        ],
    ),
    ("config", &["hookyard-boot"]),
    ("opentelemetry_sdk", &["hookyard-boot"]),
    ("opentelemetry-otlp", &["hookyard-boot"]),
    ("opentelemetry-prometheus", &["hookyard-boot"]),
    ("jaq-core", &["hookyard-expression"]),
    ("chacha20poly1305", &["hookyard-store"]),
];

/// Crates without I/O and without a runtime, not even through others.
const PURE: &[&str] = &[
    "hookyard-wire",
    "hookyard-openapi",
    "hookyard-signature",
    "hookyard-expression",
    "hookyard-playbook",
    "hookyard-waitbox",
];

/// What "without" means.
const IMPURE: &[&str] = &[
    "tokio",
    "diesel",
    "lapin",
    "reqwest",
    "actix-web",
    "hyper",
    "async-std",
    "smol",
];

/// Names that say nothing.
const VAGUE: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc", "shared"];

struct Workspace {
    root: PathBuf,
    /// Direct dependencies of each member, without those for tests.
    direct: BTreeMap<String, BTreeSet<String>>,
    /// The services among the members.
    services: BTreeSet<String>,
    /// All packages that each member is built with.
    all: BTreeMap<String, BTreeSet<String>>,
}

impl Workspace {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap()
            .to_path_buf();
        let metadata = metadata(&root);
        let packages: BTreeMap<&str, &Value> = metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| (package["id"].as_str().unwrap(), package))
            .collect();
        let name = |id: &str| packages[id]["name"].as_str().unwrap().to_owned();
        let edges: BTreeMap<&str, Vec<&str>> = metadata["resolve"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| {
                let normal = node["deps"].as_array().unwrap().iter().filter(|dep| {
                    dep["dep_kinds"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|kind| kind["kind"].is_null())
                });
                (
                    node["id"].as_str().unwrap(),
                    normal.map(|dep| dep["pkg"].as_str().unwrap()).collect(),
                )
            })
            .collect();
        let members: Vec<&str> = metadata["workspace_members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap())
            .collect();
        let mut workspace = Self {
            root,
            direct: BTreeMap::new(),
            services: BTreeSet::new(),
            all: BTreeMap::new(),
        };
        for id in members {
            workspace
                .direct
                .insert(name(id), edges[id].iter().map(|dep| name(dep)).collect());
            let (mut seen, mut open) = (BTreeSet::new(), vec![id]);
            while let Some(next) = open.pop() {
                for dep in &edges[next] {
                    if seen.insert(*dep) {
                        open.push(dep);
                    }
                }
            }
            workspace
                .all
                .insert(name(id), seen.into_iter().map(name).collect());
            if packages[id]["manifest_path"]
                .as_str()
                .unwrap()
                .contains("/services/")
            {
                workspace.services.insert(name(id));
            }
        }
        workspace
    }
}

/// What cargo knows of the workspace and everything it is built with.
fn metadata(root: &Path) -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            &host(),
        ])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The platform that this was built for; what others would need has perhaps never been downloaded.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap()
        .to_owned()
}

#[test]
fn no_service_depends_on_another_but_the_command_line_on_all() {
    let workspace = Workspace::read();
    assert!(workspace.services.len() >= 6, "{:?}", workspace.services);
    for service in workspace.services.iter().filter(|name| *name != "hookyard") {
        let others: Vec<&String> = workspace.all[service].intersection(&workspace.services).collect();
        assert!(others.is_empty(), "{service} depends on {others:?}");
    }
}

#[test]
fn the_pure_crates_have_no_runtime_and_no_io() {
    let workspace = Workspace::read();
    for member in PURE.iter().filter(|name| workspace.all.contains_key(**name)) {
        let found: Vec<&&str> = IMPURE
            .iter()
            .filter(|name| workspace.all[*member].contains(**name))
            .collect();
        assert!(found.is_empty(), "{member} is built with {found:?}");
    }
}

#[test]
fn each_heavy_dependency_has_one_home() {
    let workspace = Workspace::read();
    for (dependency, homes) in HOMES {
        for (member, direct) in &workspace.direct {
            assert!(
                !direct.contains(*dependency) || homes.contains(&member.as_str()),
                "{member} depends on {dependency}, whose home is {homes:?}"
            );
        }
    }
}

#[test]
fn the_ledger_and_the_conveyor_do_not_know_each_other() {
    let workspace = Workspace::read();
    assert!(!workspace.all["hookyard-store"].contains("hookyard-broker"));
    assert!(!workspace.all["hookyard-broker"].contains("hookyard-store"));
}

#[test]
fn the_routing_decision_has_no_clock_no_lots_and_no_way_out() {
    let workspace = Workspace::read();
    let direct = &workspace.direct["hookyard-routing"];
    for dependency in [
        "tokio",
        "diesel",
        "rand",
        "jiff",
        "hookyard-boot",
        "hookyard-egress",
    ] {
        assert!(!direct.contains(dependency), "the decision needs no {dependency}");
    }
    assert!(!workspace.all["hookyard-routing"].contains("hookyard-broker"));
}

#[test]
fn what_is_for_tests_is_in_no_program() {
    let workspace = Workspace::read();
    for (member, all) in &workspace.all {
        assert!(
            !all.contains("hookyard-testkit"),
            "{member} is built with the testkit"
        );
    }
}

#[test]
fn no_file_or_folder_has_a_name_that_says_nothing() {
    let root = Workspace::read().root;
    for top in ["crates", "services", "bench", "xtask"] {
        walk(&root.join(top), &mut |path| {
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            assert!(
                !VAGUE.contains(&stem.as_str()),
                "{} says nothing; name it after what is in it",
                path.display()
            );
        });
    }
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        visit(&path);
        if path.is_dir() {
            walk(&path, visit);
        }
    }
}
