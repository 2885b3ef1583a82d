//! A `hookyard dev` in a process of its own, with the workspace that the tests are about.

use crate::receiver::Receiver;
use nahook::{NahookError, NahookManagement};
use serde_json::Value;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) const WORKSPACE: &str = "ws_integration";
pub(crate) const ENDPOINT: &str = "ep_integration_test_001";
pub(crate) const TOKEN: &str = "nhm_sdk_test_token_0001";
pub(crate) const KEY: &str = "nhk_us_sdk_test_key_0001";
pub(crate) const DISABLED_KEY: &str = "nhk_us_sdk_test_key_0002";

/// Killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) url: String,
    pub(crate) receiver: Receiver,
    _folder: TempDir,
}

impl Running {
    /// Starts on a free port, and waits until it is ready.
    pub(crate) fn start() -> Self {
        let receiver = Receiver::start();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("yard.yaml");
        std::fs::write(&file, yard(&receiver.url())).unwrap();
        let mut command = Command::new(program());
        command.args(["dev", "--json", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(folder.path().join("data")).arg("--apply").arg(&file);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let said = serde_json::Deserializer::from_reader(child.stdout.take().unwrap());
        let banner: Value = said
            .into_iter()
            .next()
            .expect("it says when it is ready")
            .unwrap();
        Self {
            child,
            url: banner["url"].as_str().unwrap().to_owned(),
            receiver,
            _folder: folder,
        }
    }

    pub(crate) fn management(&self) -> NahookManagement {
        self.management_with(TOKEN)
    }

    pub(crate) fn management_with(&self, token: &str) -> NahookManagement {
        let builder = NahookManagement::builder(token).base_url(&self.url);
        builder.build().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn yard(receiver: &str) -> String {
    format!(
        "
workspace: {{slug: integration, id: {WORKSPACE}}}
environments: [{{slug: production, default: true}}]
management_tokens: [{{name: sdk, token: {TOKEN}}}]
api_keys: [{{name: sdk, token: {KEY}}}, {{name: disabled, token: {DISABLED_KEY}, enabled: false}}]
endpoints: [{{id: {ENDPOINT}, url: '{receiver}', retry: {{schedule: [0s, 100ms, 100ms], jitter: 0}}}}]
sources: [{{slug: shop, token: src_shop}}]
routes: [{{name: all, from: [shop], to: {{endpoint: {ENDPOINT}}}}}]
"
    )
}

/// The program under test: the one that `HOOKYARD_TEST_PROGRAM` names, else this repository's, built now.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(given) = std::env::var_os("HOOKYARD_TEST_PROGRAM") {
            return given.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--bin", "hookyard"]).current_dir(&root);
        assert!(build.status().unwrap().success(), "the program does not build");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        target.join("debug/hookyard")
    })
}

/// Waits until something is there.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The status and the code of a refusal.
pub(crate) fn refused<T: Debug>(result: Result<T, NahookError>) -> (u16, String) {
    match result.unwrap_err() {
        NahookError::Api(error) => (error.status, error.code),
        other => panic!("no answer: {other}"),
    }
}

/// Something that no other test has in its name.
pub(crate) fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
