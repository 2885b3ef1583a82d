//! A console on port 0 with a workspace `acme`, on a ledger of its own.

use boot::{Process, Sources};
use broker::Conveyor;
use egress::{Bytes, Client, HeaderMap, Method, Policy, Request, StatusCode};
use expression::Jail;
use hookyard_console::{Checks, Console};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;
use store::{KeyRing, Store};
use testkit::database::{self, TestDatabase};
use testkit::{Described, Exchange};
use wire::WorkspaceId;

/// What the management API says that it answers.
static DESCRIBED: LazyLock<Described> = LazyLock::new(|| {
    let document = hookyard_console::api().document("", "");
    Described::by(serde_json::to_value(document).unwrap())
});

pub(crate) const TOKEN: &str = "nhm_ci_test_token_0001";
pub(crate) const OPERATOR: &str = "operator-token-of-the-tests";
/// Where the console says that it is.
pub(crate) const PUBLIC_URL: &str = "https://hooks.acme.example/yard";

/// The workspace that every test begins with.
pub(crate) const ACME: &str = r"
workspace: {slug: acme, id: ws_acme, name: Acme Inc.}
environments: [{slug: production, id: env_production, default: true}, {slug: staging, id: env_staging}]
management_tokens: [{name: ci, token: nhm_ci_test_token_0001}]
endpoints: [{slug: billing, id: ep_billing, url: 'https://billing.example/hooks'}]
sources: [{slug: stripe, id: so_stripe, token: src_stripe}]
";

/// A playbook's definition that does next to nothing.
pub(crate) fn definition(slug: &str) -> String {
    format!(
        "document: {{dsl: 1.0.3, namespace: acme, name: {slug}, version: 1.0.0}}\ndo: [{{keep: {{set: {{seen: true}}}}}}]\n"
    )
}

/// The same in a line of YAML.
pub(crate) fn in_place(slug: &str) -> String {
    format!(
        "{{document: {{dsl: 1.0.3, namespace: acme, name: {slug}, version: 1.0.0}}, do: [{{keep: {{set: {{seen: true}}}}}}]}}"
    )
}

/// Its id.
pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::from_stored("ws_acme")
}

pub(crate) struct Yard {
    pub(crate) store: Store,
    pub(crate) conveyor: Conveyor,
    pub(crate) checks: Checks,
    address: SocketAddr,
    client: Client,
    process: Process,
    pub(crate) database: TestDatabase,
}

/// An answer, its body read as JSON where it is.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json
    }

    /// Checks the shape of an error, and returns its details as `path: message`.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Vec<String> {
        let error = &self.expect(status)["error"];
        assert_eq!(error["code"], code, "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        let fields: Vec<&String> = error.as_object().unwrap().keys().collect();
        assert_eq!(fields.contains(&&"details".to_owned()), status == 400, "{error}");
        let details = error["details"].as_array().cloned().unwrap_or_default();
        let line = |detail: &Value| {
            let part = |name: &str| detail[name].as_str().unwrap().to_owned();
            format!("{}: {}", part("path"), part("message"))
        };
        details.iter().map(line).collect()
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.process.shutdown.begin(boot::shutdown::Cause::Requested);
    }
}

impl Yard {
    pub(crate) async fn on_sqlite() -> Self {
        let database = database::sqlite();
        let url = format!("sqlite:{}", database.url());
        Self::on(database, url).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let database = database::postgres();
        let url = database.url().to_owned();
        Self::on(database, url).await
    }

    /// With a gateway at this URL.
    pub(crate) async fn with_gateway(gateway_url: &str) -> Self {
        let database = database::sqlite();
        let url = format!("sqlite:{}", database.url());
        Self::with(database, url, &[("console.gateway_url", gateway_url)]).await
    }

    async fn on(database: TestDatabase, url: String) -> Self {
        Self::with(database, url, &[]).await
    }

    async fn with(database: TestDatabase, url: String, settings: &[(&str, &str)]) -> Self {
        Self::with_egress(database, url, settings, opening("10.0.0.0/8")).await
    }

    /// With a console that fetches from this machine, too.
    pub(crate) async fn near() -> Self {
        let database = database::sqlite();
        let url = format!("sqlite:{}", database.url());
        Self::with_egress(database, url, &[], opening("127.0.0.0/8")).await
    }

    /// With nothing opened, and names that this server knows.
    pub(crate) async fn guarded(names: SocketAddr) -> Self {
        let database = database::sqlite();
        let url = format!("sqlite:{}", database.url());
        let egress = egress::Settings {
            nameservers: vec![names],
            ..egress::Settings::default()
        };
        Self::with_egress(database, url, &[], egress).await
    }

    async fn with_egress(
        database: TestDatabase,
        url: String,
        settings: &[(&str, &str)],
        egress: egress::Settings,
    ) -> Self {
        let process = process(settings);
        let keys = KeyRing::parse(&[KeyRing::new_key("test", [7; 32])]).unwrap();
        let settings = store::Settings {
            url: url.into(),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(10),
        };
        let store = Store::connect(settings, keys).await.unwrap();
        store.migrate().await.unwrap();
        let conveyor = Conveyor::in_process(1_000);
        let guarded = Client::new(egress);
        let checks = Checks::new(Jail::in_thread_with(playbook::worker), guarded);
        let settings = &process.settings.console;
        let console = Console::new(store.clone(), conveyor.clone(), checks.clone(), settings);
        let listen = boot::http::Listen {
            address: ([127, 0, 0, 1], 0).into(),
            workers: 2,
            server: "the management API",
            setting: "console.listen",
        };
        let address = boot::http::serve(listen, &process.tasks, move |config| {
            hookyard_console::configure(config, console.clone());
            config.default_service(actix_web::web::to(hookyard_console::not_found));
        })
        .unwrap();
        let client = Client::new(egress::Settings {
            policy: Policy::new(["127.0.0.0/8".parse().unwrap()]),
            ..egress::Settings::default()
        });
        let yard = Self {
            store,
            conveyor,
            checks,
            address,
            client,
            process,
            database,
        };
        yard.apply("", ACME).await.expect(200);
        yard
    }

    /// Sends a request as it is. Its answer is one that the description has.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let sent: Bytes = body.into();
        let verb: Method = method.parse().unwrap();
        let mut request = Request::new(verb, format!("http://{}{path}", self.address), sent.clone());
        request.max_answer_bytes = 16 << 20;
        request.custom_headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let answer = self.client.send(request).await.unwrap();
        DESCRIBED.check(&Exchange {
            method,
            target: path,
            sent: &sent,
            status: answer.status.as_u16(),
            content_type: answer
                .headers
                .get("content-type")
                .and_then(|kind| kind.to_str().ok()),
            body: &answer.body,
        });
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        Answer {
            status: answer.status,
            headers: answer.headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    /// Sends a request about `acme` with its token.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        let path = format!("/management/v1/workspaces/acme/{path}");
        let bearer = format!("Bearer {TOKEN}");
        self.send(method, &path, &[("Authorization", &bearer)], body)
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask("PATCH", path, body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, "").await
    }

    /// Applies a file to `acme` as the operator; `query` is such as `?dryRun=true`.
    pub(crate) async fn apply(&self, query: &str, file: &str) -> Answer {
        let path = format!("/management/v1/workspaces/acme/configuration{query}");
        let bearer = format!("Bearer {OPERATOR}");
        self.send("PUT", &path, &[("Authorization", &bearer)], file.to_owned())
            .await
    }
}

fn opening(net: &str) -> egress::Settings {
    egress::Settings {
        policy: Policy::new([net.parse().unwrap()]),
        ..egress::Settings::default()
    }
}

/// A process that ends with the test.
fn process(settings: &[(&str, &str)]) -> Process {
    let arguments = [
        ("database.url", "sqlite:unused"),
        ("secrets.master_keys", "unused"),
        ("shutdown.drain_timeout", "1s"),
        ("console.operator_token", OPERATOR),
        ("console.public_url", PUBLIC_URL),
    ];
    let arguments = arguments.into_iter().chain(settings.iter().copied());
    let settings = Sources::new().with_arguments(arguments).load().unwrap();
    Process::new("console-test", settings)
}
