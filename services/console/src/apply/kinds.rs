//! The kinds of things that a file names: how each is compared, saved and removed.

use super::current::Current;
use super::difference::Thing;
use crate::check::Directory;
use crate::secret;
use crate::show::{
    ApiKeyView, ApplicationView, ContactView, EndpointView, EnvironmentView, EventTypeView, PlaybookView,
    ProjectView, RouteView, SourceView, TemplateView, WorkspaceView,
};
use secrecy::ExposeSecret;
use serde_json::json;
use store::{
    ApiKey, Application, Contact, Edit, Endpoint, Environment, EventType, NewManagementToken, Playbook,
    Project, Route, SigningSecret, Source, Template, Workspace,
};
use wire::Instant;

/// How the rows of one kind are compared, saved and removed.
pub(super) struct Kind<Row> {
    pub(super) thing: fn(&Row, &Directory) -> Thing,
    pub(super) save: fn(Row) -> Edit,
    /// When it was last changed, if it says so: what is saved must be over that.
    pub(super) changed_at: fn(&Row) -> Option<Instant>,
    pub(super) remove: fn(&Row) -> Edit,
    /// Whether customers have it, or would lose something with it: no file removes what it does not know of.
    pub(super) is_customers: fn(&Row, &Current) -> bool,
}

pub(super) const WORKSPACE: Kind<Workspace> = Kind {
    thing: |row, _| Thing::new("workspace", &row.id, &row.slug, WorkspaceView::of(row)),
    save: Edit::Workspace,
    changed_at: |row| Some(row.updated_at),
    remove: |_| unreachable!("no file removes its own workspace"),
    is_customers: |_, _| false,
};
pub(super) const ENVIRONMENT: Kind<Environment> = Kind {
    thing: |row, _| Thing::new("environment", &row.id, &row.slug, EnvironmentView::of(row)),
    save: Edit::Environment,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemoveEnvironment(row.id.clone()),
    is_customers: |_, _| false,
};
pub(super) const TOKEN: Kind<NewManagementToken> = Kind {
    thing: |row, _| {
        let view = json!({"name": row.name});
        Thing::new("management_token", &row.id, &row.name, view).secret("token", [row.token_hash])
    },
    save: Edit::ManagementToken,
    changed_at: |_| None,
    remove: |row| Edit::RemoveManagementToken(row.id.clone()),
    is_customers: |_, _| false,
};
pub(super) const API_KEY: Kind<ApiKey> = Kind {
    thing: |row, _| {
        let thing = Thing::new("api_key", &row.id, &row.name, ApiKeyView::of(row));
        // The hint is a part of the key.
        thing.without(["hint"]).secret("token", [row.key_hash])
    },
    save: Edit::ApiKey,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemoveApiKey(row.id.clone()),
    is_customers: |_, _| false,
};
pub(super) const PROJECT: Kind<Project> = Kind {
    thing: |row, _| Thing::new("project", &row.id, &row.slug, ProjectView::of(row)),
    save: Edit::Project,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemoveProject(row.id.clone()),
    is_customers: |_, _| false,
};
pub(super) const TEMPLATE: Kind<Template> = Kind {
    thing: |row, _| Thing::new("template", &row.id, &row.slug, TemplateView::of(row)),
    save: Edit::Template,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemoveTemplate(row.id.clone()),
    is_customers: |_, _| false,
};
pub(super) const EVENT_TYPE: Kind<EventType> = Kind {
    thing: |row, _| {
        let thing = Thing::new("event_type", &row.id, &row.name, EventTypeView::of(row, 0));
        thing.without(["subscriber_count"])
    },
    save: Edit::EventType,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemoveEventType(row.id.clone()),
    is_customers: |row, current| current.subscribers.contains_key(&row.id),
};
pub(super) const APPLICATION: Kind<Application> = Kind {
    thing: |row, _| {
        let name = row.external_id.as_deref().unwrap_or(row.id.as_str());
        Thing::new("application", &row.id, name, ApplicationView::of(row))
    },
    save: Edit::Application,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemoveApplication(row.id.clone()),
    is_customers: |row, current| {
        let owners = current.endpoints.iter().map(|endpoint| &endpoint.application_id);
        owners.flatten().any(|owner| *owner == row.id)
    },
};
pub(super) const CONTACT: Kind<Contact> = Kind {
    thing: |row, directory| Thing::new("contact", &row.id, &row.name, ContactView::of(row, directory)),
    save: Edit::Contact,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemoveContact(row.id.clone()),
    is_customers: |_, _| false,
};
pub(super) const ENDPOINT: Kind<Endpoint> = Kind {
    thing: |row, _| {
        let name = row.spec.slug.as_deref().unwrap_or(row.id.as_str());
        let (credential, client_key) = (row.credential.as_ref(), row.client_key.as_ref());
        Thing::new("endpoint", &row.id, name, EndpointView::of(row))
            // It follows from the secret, and a preview's is not the one that will be made.
            .without(["public_key"])
            .secret("secret", hashes(&row.secrets))
            .secret(
                "auth",
                credential.map(|credential| secret::hash(credential.expose_secret())),
            )
            .secret(
                "auth.client_certificate.key",
                client_key.map(|key| secret::hash(key.expose_secret())),
            )
    },
    save: Edit::Endpoint,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemoveEndpoint(row.id.clone()),
    is_customers: |row, _| row.application_id.is_some(),
};
pub(super) const SOURCE: Kind<Source> = Kind {
    thing: |row, directory| {
        let verify_token = row.app_secrets.verify_token.as_ref();
        Thing::new("source", &row.id, &row.spec.slug, SourceView::of(row, directory))
            .secret("token", [secret::hash(row.token.expose_secret())])
            .secret("verify.secrets", hashes(&row.secrets))
            .secret(
                "verify.verify_token",
                row.verify_token
                    .iter()
                    .map(|token| secret::hash(token.expose_secret())),
            )
            .secret("channel.secret", row.channel_secret_hash)
            .secret("app.signing_secret", hashes(&row.app_secrets.signing))
            .secret(
                "app.verify_token",
                verify_token.map(|token| secret::hash(token.expose_secret())),
            )
    },
    save: Edit::Source,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemoveSource(row.id.clone()),
    is_customers: |_, _| false,
};
pub(super) const PLAYBOOK: Kind<Playbook> = Kind {
    thing: |row, directory| {
        let secrets = row.secrets.as_ref();
        Thing::new(
            "playbook",
            &row.id,
            &row.spec.slug,
            PlaybookView::of(row, directory),
        )
        // Said by the secrets themselves, or by the definition.
        .without(["has_secret", "has_secrets", "version", "warnings", "input_schema"])
        .secret("secret", row.secret_hash)
        .secret("hook.token", row.hook_hash)
        .secret(
            "secrets",
            secrets.map(|secrets| secret::hash(secrets.expose_secret())),
        )
    },
    save: Edit::Playbook,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemovePlaybook(row.id.clone()),
    is_customers: |_, _| false,
};
pub(super) const ROUTE: Kind<Route> = Kind {
    thing: |row, directory| Thing::new("route", &row.id, &row.spec.name, RouteView::of(row, directory)),
    save: Edit::Route,
    changed_at: |row| Some(row.updated_at),
    remove: |row| Edit::RemoveRoute(row.id.clone()),
    is_customers: |_, _| false,
};

fn hashes(secrets: &[SigningSecret]) -> impl Iterator<Item = [u8; 32]> {
    secrets
        .iter()
        .map(|secret| secret::hash(secret.value.expose_secret()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::difference::Action;
    use secrecy::SecretString;
    use wire::resource::{EndpointSpec, RateLimit};
    use wire::{EndpointId, EnvironmentId, WorkspaceId};

    fn endpoint(secret: &str) -> Endpoint {
        let now = Instant::from_unix_micros(0);
        Endpoint {
            application_id: None,
            credential: None,
            client_key: None,
            id: EndpointId::from_stored("ep_a"),
            workspace_id: WorkspaceId::from_stored("ws_a"),
            environment_id: EnvironmentId::from_stored("env_a"),
            spec: EndpointSpec::to("https://a.example/"),
            secrets: vec![secret::signing(SecretString::from(secret), now)],
            created_at: now,
            updated_at: now,
            deleted_at: None,
        }
    }

    fn changed(before: &Endpoint, after: &Endpoint) -> String {
        let directory = Directory::default();
        let (before, after) = (
            (ENDPOINT.thing)(before, &directory),
            (ENDPOINT.thing)(after, &directory),
        );
        assert!(before.differing(&before).is_empty());
        let fields = after.differing(&before);
        after.change(Action::Update, fields).to_string()
    }

    #[test]
    fn a_secret_that_differs_is_noticed_and_not_shown() {
        assert_eq!(
            changed(&endpoint("whsec_one"), &endpoint("whsec_two")),
            "~ endpoint ep_a: secret (secret) → (secret)"
        );
    }

    #[test]
    fn the_innermost_difference_is_shown_in_the_words_of_the_file() {
        let (mut before, mut after) = (endpoint("whsec_one"), endpoint("whsec_one"));
        let limit = |per_second| {
            Some(RateLimit {
                per_second,
                burst: None,
            })
        };
        (before.spec.rate_limit, after.spec.rate_limit) = (limit(5.0), limit(6.0));
        before.spec.headers.insert("X-Team".to_owned(), "pay".to_owned());
        assert_eq!(
            changed(&before, &after),
            "~ endpoint ep_a: headers.X-Team (secret) → null, rate_limit.per_second 5.0 → 6.0"
        );
    }
}
