//! What a door finds by what stands in a request: playbooks, apps, projects, templates.

use crate::given::{of, playbook, secret, source, tenant};
use crate::on_both;
use crate::yard::{Yard, connect_with, keyring};
use hookyard_store::{AppSecrets, Edit, Error, KeyRingError, Playbook, Project, Source, Template};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use wire::resource::{Adapter, AppSpec, ContactPolicy, HookSpec, ProjectSpec, TemplateSpec};
use wire::{AppId, Instant, PlaybookId, ProjectId, SourceId, TemplateId};

async fn edit(yard: &Yard, edits: Vec<Edit>) -> Result<(), Error> {
    yard.store.edit(edits, Instant::now()).await
}

/// A playbook with doors 2 and 6 open, and a secret.
fn open_playbook(tenant: &str, name: &str, number: i32) -> Playbook {
    let mut row = Playbook {
        secret_hash: Some([2; 32]),
        hook_hash: Some(Sha256::digest(format!("hook_{tenant}_{name}")).into()),
        secrets: Some("{\"token\":\"s3cret_of_a_playbook\"}".into()),
        ..playbook(tenant, name, number)
    };
    row.id = PlaybookId::from_stored(format!("pb_{tenant}_{name}"));
    row.spec.hook = Some(HookSpec { enabled: false });
    row
}

/// A source with an app at door 5.
fn app_source(tenant: &str, name: &str, app: &str) -> Source {
    let mut row = Source {
        app_secrets: AppSecrets {
            signing: vec![secret("s3cret_of_an_app")],
            verify_token: Some("s3cret_for_a_challenge".into()),
        },
        ..source(tenant, name)
    };
    row.spec.app = Some(AppSpec {
        id: AppId::from_stored(app),
        adapter: Adapter::Slack,
        scheme: None,
        contacts: ContactPolicy::Required,
        doorkeeper: Some(PlaybookId::from_stored("pb_acme_onboarding")),
    });
    row
}

/// The edit that closes every door of the tenant.
fn closed(tenant_slug: &str) -> Edit {
    let mut edit = tenant(tenant_slug).remove(0);
    if let Edit::Workspace(workspace) = &mut edit {
        workspace.accepting = false;
    }
    edit
}

on_both! {
    async fn a_playbook_is_found_by_slugs_by_its_hook_by_number_and_by_id(yard: &Yard) {
        let mut edits = tenant("acme");
        edits.extend(tenant("other"));
        edits.extend([
            Edit::Playbook(open_playbook("acme", "onboarding", 42)),
            Edit::Playbook(open_playbook("other", "onboarding", 7)),
            closed("other"),
        ]);
        edit(yard, edits).await.unwrap();
        let store = &yard.store;
        for (tenant, number, accepts) in [("acme", 42, true), ("other", 7, false)] {
            let id = PlaybookId::from_stored(format!("pb_{tenant}_onboarding"));
            let (found, accepting) = store.playbook_by_slugs(tenant, "onboarding").await.unwrap().unwrap();
            assert_eq!((&found.id, found.number, accepting), (&id, number, accepts));
            assert_eq!(found.secret_hash, Some([2; 32]));
            assert_eq!(found.spec.hook, Some(HookSpec { enabled: false }));
            assert_eq!(found.secrets.unwrap().expose_secret(), "{\"token\":\"s3cret_of_a_playbook\"}");
            let hook = format!("hook_{tenant}_onboarding");
            let (hooked, accepting) = store.playbook_by_hook(&hook).await.unwrap().unwrap();
            assert_eq!((&hooked.id, accepting), (&id, accepts));
            let numbered = store.playbook_by_number(&of(tenant), number).await.unwrap().unwrap();
            assert_eq!(numbered.id, id);
            for name in [id.as_str(), "onboarding"] {
                assert_eq!(store.playbook(&of(tenant), name).await.unwrap().unwrap().id, id, "{name}");
            }
        }
        assert!(store.playbook_by_slugs("acme", "none").await.unwrap().is_none());
        assert!(store.playbook_by_slugs("none", "onboarding").await.unwrap().is_none());
        assert!(store.playbook_by_hook("hook_acme").await.unwrap().is_none());
        assert!(store.playbook_by_number(&of("acme"), 7).await.unwrap().is_none());
        assert!(store.playbook(&of("acme"), "pb_other_onboarding").await.unwrap().is_none());
    }

    async fn a_hook_is_one_playbooks_and_is_closed_with_its_token(yard: &Yard) {
        let mut edits = tenant("acme");
        edits.extend(tenant("other"));
        edits.push(Edit::Playbook(open_playbook("acme", "onboarding", 1)));
        edit(yard, edits).await.unwrap();
        let mut twin = open_playbook("other", "twin", 1);
        twin.hook_hash = Some(Sha256::digest("hook_acme_onboarding").into());
        let taken = edit(yard, vec![Edit::Playbook(twin)]).await.unwrap_err();
        assert!(matches!(&taken, Error::Taken { constraint } if constraint.contains("hook_hash")), "{taken}");
        let without = |name: &str, number| Playbook { hook_hash: None, ..open_playbook("acme", name, number) };
        edit(yard, vec![Edit::Playbook(without("onboarding", 1)), Edit::Playbook(without("second", 2))]).await.unwrap();
        assert!(yard.store.playbook_by_hook("hook_acme_onboarding").await.unwrap().is_none());
    }

    async fn a_source_is_found_by_its_app(yard: &Yard) {
        let mut edits = tenant("acme");
        edits.extend(tenant("other"));
        let row = app_source("acme", "slack", "app_slack");
        edits.extend([Edit::Source(row.clone()), Edit::Source(source("acme", "plain"))]);
        edit(yard, edits).await.unwrap();
        let (found, accepting) = yard.store.source_by_app("app_slack").await.unwrap().unwrap();
        assert_eq!((&found.id, &found.spec, accepting), (&row.id, &row.spec, true));
        assert_eq!(found.app_secrets.signing[0].value.expose_secret(), "s3cret_of_an_app");
        assert_eq!(found.app_secrets.verify_token.unwrap().expose_secret(), "s3cret_for_a_challenge");
        let taken = edit(yard, vec![Edit::Source(app_source("other", "twin", "app_slack"))]).await.unwrap_err();
        assert!(matches!(&taken, Error::Taken { constraint } if constraint.contains("app_id")), "{taken}");
        edit(yard, vec![closed("acme")]).await.unwrap();
        let (_, accepting) = yard.store.source_by_app("app_slack").await.unwrap().unwrap();
        assert!(!accepting);

        edit(yard, vec![Edit::Source(source("acme", "slack"))]).await.unwrap();
        assert!(yard.store.source_by_app("app_slack").await.unwrap().is_none(), "the door is closed");
        let kept = yard.store.source(&SourceId::from_stored("so_slack")).await.unwrap().unwrap();
        assert!(kept.app_secrets.is_empty());
    }

    async fn projects_and_templates_are_found_by_id_or_slug_and_listed_by_slug(yard: &Yard) {
        let mut edits = tenant("acme");
        edits.extend(tenant("other"));
        let now = Instant::now();
        let project = |tenant: &str, slug: &str| Project {
            id: ProjectId::from_stored(format!("prj_{tenant}_{slug}")),
            workspace_id: of(tenant),
            slug: slug.to_owned(),
            spec: ProjectSpec { name: Some(slug.to_uppercase()), enabled: false },
            created_at: now,
            updated_at: now,
        };
        let template = |tenant: &str, slug: &str| Template {
            id: TemplateId::from_stored(format!("tpl_{tenant}_{slug}")),
            workspace_id: of(tenant),
            slug: slug.to_owned(),
            spec: TemplateSpec { name: None, inputs: [("greeting".to_owned(), "hello".into())].into_iter().collect() },
            created_at: now,
            updated_at: now,
        };
        for slug in ["crm", "billing"] {
            edits.extend([Edit::Project(project("acme", slug)), Edit::Template(template("acme", slug))]);
        }
        edits.extend([Edit::Project(project("other", "crm")), Edit::Template(template("other", "crm"))]);
        edit(yard, edits).await.unwrap();
        let store = &yard.store;
        assert_eq!(store.projects(&of("acme")).await.unwrap(), [project("acme", "billing"), project("acme", "crm")]);
        assert_eq!(store.templates(&of("acme")).await.unwrap(), [template("acme", "billing"), template("acme", "crm")]);
        for name in ["crm", "prj_acme_crm"] {
            assert_eq!(store.project(&of("acme"), name).await.unwrap(), Some(project("acme", "crm")));
        }
        for name in ["crm", "tpl_acme_crm"] {
            assert_eq!(store.template(&of("acme"), name).await.unwrap(), Some(template("acme", "crm")));
        }
        assert_eq!(store.project(&of("acme"), "prj_other_crm").await.unwrap(), None);
        assert_eq!(store.template(&of("acme"), "tpl_other_crm").await.unwrap(), None);
        let names = store.names(&of("acme")).await.unwrap();
        assert_eq!((names.projects.len(), names.templates.len()), (2, 2));

        let twins = [
            ("slug", Edit::Project(Project { id: ProjectId::from_stored("prj_twin"), ..project("acme", "crm") })),
            ("slug", Edit::Template(Template { id: TemplateId::from_stored("tpl_twin"), ..template("acme", "crm") })),
            ("`prj_acme_crm`", Edit::Project(Project { workspace_id: of("other"), ..project("acme", "crm") })),
            ("`tpl_acme_crm`", Edit::Template(Template { workspace_id: of("other"), ..template("acme", "crm") })),
        ];
        for (what, twin) in twins {
            let taken = edit(yard, vec![twin]).await.unwrap_err();
            assert!(matches!(&taken, Error::Taken { constraint } if constraint.contains(what)), "{what}: {taken}");
        }
        let renamed = Project { slug: "sales".to_owned(), ..project("acme", "crm") };
        edit(yard, vec![Edit::Project(renamed.clone()), Edit::RemoveTemplate(template("acme", "crm").id)]).await.unwrap();
        assert_eq!(store.project(&of("acme"), "prj_acme_crm").await.unwrap(), Some(renamed.clone()));
        assert_eq!(store.template(&of("acme"), "crm").await.unwrap(), None);
        edit(yard, vec![Edit::RemoveProject(renamed.id)]).await.unwrap();
        assert_eq!(store.projects(&of("acme")).await.unwrap().len(), 1);
    }

    async fn secrets_of_apps_playbooks_and_endpoints_lie_sealed(yard: &Yard) {
        let mut edits = tenant("acme");
        let mut endpoint = crate::given::endpoint("acme", "billing");
        endpoint.credential = Some("s3cret_of_an_endpoint".into());
        endpoint.client_key = Some("s3cret_key_of_an_endpoint".into());
        edits.extend([
            Edit::Playbook(open_playbook("acme", "onboarding", 1)),
            Edit::Source(app_source("acme", "slack", "app_slack")),
            Edit::Endpoint(endpoint),
        ]);
        edit(yard, edits).await.unwrap();
        let stolen = yard.everything();
        assert!(!stolen.contains("s3cret") && !stolen.contains(&hex::encode("s3cret")), "a secret lies open");
        assert!(stolen.contains("app_slack"), "everything was looked at");
        let shown = format!(
            "{:?}{:?}{:?}",
            yard.store.playbooks(&of("acme")).await.unwrap(),
            yard.store.sources(&of("acme")).await.unwrap(),
            yard.store.endpoints(&of("acme")).await.unwrap()
        );
        assert!(!shown.contains("s3cret"), "a secret is shown");
    }

    async fn a_router_needs_no_secrets_and_no_key(yard: &Yard) {
        let mut edits = tenant("acme");
        let mut disabled = open_playbook("acme", "second", 2);
        disabled.spec.enabled = false;
        edits.extend([Edit::Playbook(open_playbook("acme", "onboarding", 1)), Edit::Playbook(disabled)]);
        edits.push(Edit::Endpoint(crate::given::endpoint("acme", "billing")));
        edit(yard, edits).await.unwrap();
        let keyless = connect_with(&yard.url(), keyring(&[])).await.unwrap();
        let refused = keyless.playbooks(&of("acme")).await.unwrap_err();
        assert!(matches!(refused, Error::KeyRing(KeyRingError::Unknown { .. })), "{refused}");
        let table = keyless.routing_table(&of("acme")).await.unwrap();
        let enabled = |name: &str| table.playbooks.get(&PlaybookId::from_stored(name)).copied();
        assert_eq!((enabled("pb_acme_onboarding"), enabled("pb_acme_second")), (Some(true), Some(false)));
        assert_eq!(table.endpoints.len(), 1);
    }
}
