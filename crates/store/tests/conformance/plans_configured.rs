//! What operators configure is found by index too: a door looks it up for each request it has not seen before.
//!
//! A list that is not paged is read whole, so that it may be sorted.

use crate::given::of;
use crate::on_both;
use crate::planner::{Asked, Plan, Planner};
use crate::yard::Yard;
use hookyard_store::{Edit, History};
use std::time::Duration;
use wire::{
    ApplicationId, AuditId, EndpointId, EnvironmentId, EventId, EventTypeId, Instant, RejectionId, SourceId,
    WorkspaceId,
};

/// A thousand workspaces, each with a few things of every kind: enough for an index to be worth it. The first one has every
/// other application.
async fn configured(yard: &Yard) -> Planner<'_> {
    let now = Instant::now();
    let (at, later) = (yard.literal(now), yard.literal(now + Duration::from_hours(1)));
    let (text, hash) = if yard.is_postgres() {
        ("n::text", "sha256(n::text::bytea)")
    } else {
        ("n", "CAST(n AS BLOB)")
    };
    let of = format!("'ws_' || {}", text.replace('n', "(n % 1000 + 1)"));
    // Few playbooks with many versions: of few, a sort would be as good as an index.
    let owner = format!("'pb_' || {}", text.replace('n', "(n % 10)"));
    let numbers = "WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 1000)";
    let things = "WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 5000)";
    let times = "created_at, updated_at";
    let mut raw = yard.raw();
    raw.execute(&format!(
        "INSERT INTO workspaces (id, slug, name, {times}) {numbers} SELECT 'ws_' || {text}, 'w' || {text}, '', {at}, {at} FROM g; \
         INSERT INTO environments (id, workspace_id, slug, {times}) {numbers} \
         SELECT 'env_' || {text}, 'ws_' || {text}, '', {at}, {at} FROM g; \
         INSERT INTO sources (id, workspace_id, environment_id, slug, token, app_id, spec, {times}) {numbers} \
         SELECT 'so_' || {text}, 'ws_' || {text}, 'env_' || {text}, 's', 'src_' || {text}, 'app_' || {text}, '{{}}', {at}, {at} FROM g; \
         INSERT INTO endpoints (id, workspace_id, environment_id, enabled, spec, application_id, {times}) {things} \
         SELECT 'ep_' || {text}, {of}, 'env_1', true, '{{}}', 'app_' || {text}, {at}, {at} FROM g; \
         INSERT INTO playbooks (id, workspace_id, slug, number, hook_hash, spec, {times}) {things} \
         SELECT 'pb_' || {text}, {of}, 'p' || {text}, n, {hash}, '{{}}', {at}, {at} FROM g; \
         INSERT INTO playbook_versions (playbook_id, version, definition, operations, created_at) {things} \
         SELECT {owner}, n, '', '{{}}', {at} FROM g; \
         INSERT INTO api_keys (id, workspace_id, environment_id, name, key_hash, spec, {times}) {things} \
         SELECT 'key_' || {text}, {of}, CASE WHEN n % 10 = 0 THEN 'env_1' END, 'name ' || {text}, {hash}, '{{}}', {at}, {at} FROM g; \
         INSERT INTO contacts (id, workspace_id, name, {times}) {things} SELECT 'con_' || {text}, {of}, 'name ' || {text}, {at}, {at} FROM g; \
         INSERT INTO contact_addresses (source_id, address, contact_id) {things} \
         SELECT 'so_' || (n % 1000 + 1), 'address ' || {text}, 'con_' || {text} FROM g; \
         INSERT INTO applications (id, workspace_id, external_id, spec, {times}) {things} \
         SELECT 'app_' || {text}, CASE WHEN n % 2 = 0 THEN 'ws_1' ELSE {of} END, 'name ' || {text}, '{{}}', {at}, {at} FROM g"
    ));
    for (table, name, prefix) in [
        ("event_types", "name", "evt_"),
        ("projects", "slug", "prj_"),
        ("templates", "slug", "tpl_"),
    ] {
        raw.execute(&format!(
            "INSERT INTO {table} (id, workspace_id, {name}, spec, {times}) {things} \
             SELECT '{prefix}' || {text}, {of}, 'name ' || {text}, '{{}}', {at}, {at} FROM g"
        ));
    }
    raw.execute(&format!(
        "INSERT INTO published_event_types (environment_id, event_type_id) {numbers} SELECT 'env_' || {text}, 'evt_' || {text} FROM g; \
         INSERT INTO routes (id, workspace_id, name, position, spec, event_type_id, endpoint_id, {times}) {things} \
         SELECT 'rt_' || {text}, {of}, {text}, 0, '{{}}', 'evt_' || {text}, 'ep_' || {text}, {at}, {at} FROM g; \
         INSERT INTO portal_sessions (id, application_id, workspace_id, code_hash, cookie_hash, spec, created_at, expires_at) {things} \
         SELECT 'ps_' || {text}, 'app_' || {text}, {of}, {hash}, CASE WHEN n % 2 = 0 THEN {hash} END, '{{}}', {at}, {later} FROM g"
    ));
    if yard.is_postgres() {
        raw.execute("ANALYZE");
    }
    Planner::over(yard).await
}

impl Planner<'_> {
    /// The plan of the one statement that reads `table` with `condition`. It uses an index: on Postgres the one of that name,
    /// on SQLite one of those columns.
    #[track_caller]
    fn finds(&self, table: &str, condition: &str, (sqlite, postgres): (&str, &str)) -> Plan {
        let quote = if self.yard.is_postgres() { '"' } else { '`' };
        let part = format!("{quote}{table}{quote}.{quote}{condition}{quote} ");
        self.plan(&part).uses(sqlite, postgres).reads_no_table_whole()
    }
}

impl Planner<'_> {
    /// The plan of the one statement about endpoints that has `part`.
    fn of_endpoints(&self, part: &str) -> Plan {
        let quote = if self.yard.is_postgres() { '"' } else { '`' };
        let (columns, filter) = (
            format!("{quote}endpoints{quote}.{quote}{part}{quote} FROM"),
            format!(" {part} "),
        );
        self.plan(if part == "LIKE" { &filter } else { &columns })
    }
}

/// Nothing is there by this name, so that every way of finding it is tried.
fn nobody() -> WorkspaceId {
    of("nobody")
}

const OF_WORKSPACE: &str = "(workspace_id=?)";

on_both! {
    async fn senders_are_found_by_index(yard: &Yard) {
        let planner = configured(yard).await;
        let store = &planner.store;
        assert!(store.api_key([1; 32]).await.unwrap().is_none());
        planner.finds("api_keys", "key_hash", ("(key_hash=?)", "api_keys_key_hash_key"));
        assert!(store.api_keys(&nobody()).await.unwrap().is_empty());
        planner.finds("api_keys", "workspace_id", (OF_WORKSPACE, "api_keys_name_key"));
        assert!(store.contact_at(&SourceId::from_stored("so_1"), "none").await.unwrap().is_none());
        planner.finds("contact_addresses", "address", ("(source_id=? AND address=?)", "contact_addresses_pkey"));
        assert!(store.contacts(&nobody()).await.unwrap().is_empty());
        let index = "contact_addresses_contact_idx";
        planner.finds("contact_addresses", "contact_id", (index, index));
        assert!(store.contacts(&nobody()).await.unwrap().is_empty());
        planner.plan("ORDER BY").uses(OF_WORKSPACE, "contacts_name_key").reads_no_table_whole();
    }

    async fn what_a_workspace_knows_by_name_is_listed_by_index(yard: &Yard) {
        let planner = configured(yard).await;
        let store = &planner.store;
        assert!(store.event_types(&nobody()).await.unwrap().is_empty());
        planner.finds("event_types", "workspace_id", (OF_WORKSPACE, "event_types_name_key"));
        assert!(store.projects(&nobody()).await.unwrap().is_empty());
        planner.finds("projects", "workspace_id", (OF_WORKSPACE, "projects_slug_key"));
        assert!(store.templates(&nobody()).await.unwrap().is_empty());
        planner.finds("templates", "workspace_id", (OF_WORKSPACE, "templates_slug_key"));
        for offset in [0, 100] {
            assert!(store.applications(&nobody(), offset, 50).await.unwrap().is_empty());
            let asked = Asked { text: "ws_1", ..Asked::default() };
            let index = "applications_workspace_idx";
            planner.explain("applications", &asked).uses(index, index).reads_no_table_whole().sorts_nothing();
        }
    }

    async fn what_is_found_by_an_id_or_a_name_is_found_by_an_index_for_each(yard: &Yard) {
        let planner = configured(yard).await;
        let store = planner.store.clone();
        for (table, name, key) in [
            ("event_types", "name", "event_types_name_key"),
            ("projects", "slug", "projects_slug_key"),
            ("templates", "slug", "templates_slug_key"),
            ("applications", "external_id", "applications_external_id_key"),
            ("playbooks", "slug", "playbooks_slug_key"),
        ] {
            for (column, index) in [("id", format!("{table}_pkey")), (name, key.to_owned())] {
                let is_found = match table {
                    "event_types" => store.event_type(&nobody(), "none").await.unwrap().is_some(),
                    "projects" => store.project(&nobody(), "none").await.unwrap().is_some(),
                    "templates" => store.template(&nobody(), "none").await.unwrap().is_some(),
                    "applications" => store.application(&nobody(), "none").await.unwrap().is_some(),
                    _ => store.playbook(&nobody(), "none").await.unwrap().is_some(),
                };
                assert!(!is_found);
                // The columns are listed too, but with a comma behind them.
                planner.finds(table, column, (&format!("{column}=?"), &index));
            }
        }
    }

    async fn playbooks_and_apps_are_found_by_index(yard: &Yard) {
        let planner = configured(yard).await;
        let store = &planner.store;
        assert!(store.playbook_by_slugs("none", "p1").await.unwrap().is_none());
        planner.finds("playbooks", "slug", ("(workspace_id=? AND slug=?)", "playbooks_slug_key"));
        assert!(store.playbook_by_hook("hook_none").await.unwrap().is_none());
        planner.finds("playbooks", "hook_hash", ("(hook_hash=?)", "playbooks_hook_hash_key"));
        assert!(store.playbook_by_number(&nobody(), 7).await.unwrap().is_none());
        planner.finds("playbooks", "number", ("(workspace_id=? AND number=?)", "playbooks_number_key"));
        assert!(store.source_by_app("none").await.unwrap().is_none());
        planner.finds("sources", "app_id", ("(app_id=?)", "sources_app_id_key"));
    }

    async fn versions_are_found_by_index(yard: &Yard) {
        let planner = configured(yard).await;
        let (store, id) = (planner.store.clone(), wire::PlaybookId::from_stored("pb_none"));
        assert!(store.playbook_version(&id, 7).await.unwrap().is_none());
        let one = "(playbook_id=? AND version=?)";
        planner.finds("playbook_versions", "playbook_id", (one, "playbook_versions_pkey")).sorts_nothing();
        for (before, read) in [(None, "(playbook_id=?)"), (Some(7), "(playbook_id=? AND version<?)")] {
            assert!(store.playbook_versions(&id, before, 50).await.unwrap().rows.is_empty());
            planner.finds("playbook_versions", "playbook_id", (read, "playbook_versions_pkey")).sorts_nothing();
        }
    }

    async fn a_routing_table_is_read_by_index(yard: &Yard) {
        let planner = configured(yard).await;
        planner.store.routing_table(&nobody()).await.unwrap();
        planner.finds("routes", "workspace_id", (OF_WORKSPACE, "routes_name_key"));
        for part in ["environment_id", "LIKE"] {
            planner.store.routing_table(&nobody()).await.unwrap();
            planner.of_endpoints(part).uses(OF_WORKSPACE, "endpoints_workspace_idx").reads_no_table_whole();
        }
        planner.store.routing_table(&nobody()).await.unwrap();
        planner.finds("playbooks", "workspace_id", (OF_WORKSPACE, "playbooks_"));
        planner.store.routes(&nobody()).await.unwrap();
        planner.finds("routes", "workspace_id", (OF_WORKSPACE, "routes_name_key"));
        planner.store.could_listen(&nobody()).await.unwrap();
        planner.finds("playbooks", "version", (OF_WORKSPACE, "playbooks_"));
    }

    async fn names_are_read_by_index(yard: &Yard) {
        let planner = configured(yard).await;
        for table in ["environments", "sources", "endpoints", "playbooks", "projects", "templates", "applications"] {
            planner.store.names(&nobody()).await.unwrap();
            planner.finds(table, "workspace_id", (OF_WORKSPACE, &format!("{table}_")));
        }
    }

    async fn subscriptions_and_published_types_are_found_by_index(yard: &Yard) {
        let planner = configured(yard).await;
        let store = &planner.store;
        let (endpoint, event_type) = (EndpointId::from_stored("ep_none"), EventTypeId::from_stored("evt_none"));
        assert!(store.subscriptions(&endpoint).await.unwrap().is_empty());
        planner.finds("routes", "endpoint_id", ("(endpoint_id=?)", "routes_subscription_key"));
        assert!(!store.on_record(vec![]).unsubscribe(&endpoint, &event_type).await.unwrap());
        planner.finds("routes", "event_type_id", ("(endpoint_id=? AND event_type_id=?)", "using routes_"));
        assert!(store.published_event_types(&EnvironmentId::from_stored("env_none")).await.unwrap().is_empty());
        planner.finds("published_event_types", "environment_id", ("(environment_id=?)", "published_event_types_pkey"));
    }

    async fn an_applications_endpoints_are_listed_and_counted_by_index(yard: &Yard) {
        let planner = configured(yard).await;
        let application = ApplicationId::from_stored("app_1");
        let index = ("endpoints_application_idx", "endpoints_application_idx");
        assert!(planner.store.endpoints_of(&ApplicationId::from_stored("app_none")).await.unwrap().is_empty());
        planner.finds("endpoints", "application_id", index).sorts_nothing();
        planner.yard.execute("UPDATE applications SET spec = '{\"name\":\"one\",\"max_endpoints\":1}' WHERE id = 'app_1'");
        planner.store.edit(vec![Edit::CheckLimit(application.clone())], Instant::now()).await.unwrap();
        planner.plan("COUNT(").uses(index.0, index.1).reads_no_table_whole();
        planner.store.edit(vec![Edit::RemoveApplication(application)], Instant::now()).await.unwrap();
        planner.plan("credential_sealed").uses(index.0, index.1).reads_no_table_whole();
    }

    async fn visits_to_the_portal_are_found_by_index(yard: &Yard) {
        let planner = configured(yard).await;
        let store = &planner.store;
        assert!(!store.open_portal_session([1; 32], [2; 32], Instant::now()).await.unwrap());
        planner.finds("portal_sessions", "code_hash", ("(code_hash=?)", "portal_sessions_code_hash_key"));
        assert!(store.portal_session([2; 32], Instant::now()).await.unwrap().is_none());
        planner.finds("portal_sessions", "cookie_hash", ("(cookie_hash=?)", "portal_sessions_cookie_hash_key"));
        store.forget_portal_sessions(Instant::now(), 10).await.unwrap();
        let index = "portal_sessions_expires_at_idx";
        planner.plan("ORDER BY").uses(index, index).reads_no_table_whole().sorts_nothing();
    }

    async fn the_audit_is_listed_and_expires_by_index(yard: &Yard) {
        let millis = Instant::now().unix_millis();
        let (id, text) = if yard.is_postgres() {
            ("(lpad(to_hex({millis} - n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid", "n::text")
        } else {
            ("unhex(printf('%012x70008000%012x', {millis} - n, n))", "n")
        };
        let id = id.replace("{millis}", &millis.to_string());
        yard.execute(&format!(
            "INSERT INTO audit_entries (id, workspace_id, actor_kind, action, target_kind, target_id, detail) \
             WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 20000) \
             SELECT {id}, 'ws_' || (n % 20), 'operator', 'endpoint.create', 'endpoint', 'ep_' || {text}, '{{}}' FROM g"
        ));
        if yard.is_postgres() {
            yard.execute("ANALYZE");
        }
        let planner = Planner::as_it_is(yard).await;
        let index = "audit_entries_workspace_idx";
        for before in [None, Some(AuditId::generate())] {
            planner.store.audit(&nobody(), before, 50).await.unwrap();
            let asked = Asked { text: "ws_1", ..Asked::default() };
            planner.explain("LIMIT", &asked).uses(index, index).reads_no_table_whole().sorts_nothing();
        }
        planner.store.expire(History::Audit, None, Instant::now() - Duration::from_secs(1), (None, 10)).await.unwrap();
        planner.plan("LIMIT").uses("sqlite_autoindex_audit_entries_1", "audit_entries_pkey").sorts_nothing();
    }

    async fn a_rejection_is_found_by_its_key(yard: &Yard) {
        let planner = configured(yard).await;
        let (store, id) = (&planner.store, RejectionId::generate());
        assert!(store.rejection(&nobody(), id).await.unwrap().is_none());
        planner.finds("rejections", "id", ("(id=?)", "Index Scan using rejections_"));
        assert!(store.rejected_request(id).await.unwrap().is_none());
        planner.finds("rejections", "id", ("(id=?)", "Index Scan using rejections_"));
        assert!(!store.accept_rejection(id, EventId::generate()).await.unwrap());
        planner.finds("rejections", "id", ("(id=?)", "Index Scan using rejections_"));
    }
}
