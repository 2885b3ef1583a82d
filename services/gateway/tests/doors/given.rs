//! What a workspace has: keys, endpoints, playbooks, and what runs are targeted at.

use crate::yard::{EPOCH, environment, workspace};
use sha2::{Digest, Sha256};
use store::{ApiKey, Endpoint, Environment, EventType, Playbook, Project, Route, Template};
use wire::resource::{
    ApiKeySpec, EndpointSpec, EventTypeSpec, HookSpec, KeyScope, PlaybookSpec, ProjectSpec, RateLimit,
    RouteSpec, RunTarget, Target, TemplateSpec,
};
use wire::{ApiKeyId, EndpointId, EnvironmentId, EventTypeId, PlaybookId, ProjectId, RouteId, TemplateId};

pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A key `nhk_us_<name>` that may do everything everywhere.
pub(crate) fn api_key(name: &str) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_stored(format!("key_{name}")),
        workspace_id: workspace(true).id,
        environment_id: None,
        name: name.to_owned(),
        key_hash: hash(&format!("nhk_us_{name}")),
        spec: ApiKeySpec {
            enabled: true,
            scopes: KeyScope::all(),
            rate_limit: None,
            hint: String::new(),
        },
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

/// The same with a limit.
pub(crate) fn limited(name: &str, per_second: f64, burst: u32) -> ApiKey {
    let mut key = api_key(name);
    key.spec.rate_limit = Some(RateLimit {
        per_second,
        burst: Some(burst),
    });
    key
}

/// The workspace's other environment.
pub(crate) fn staging() -> Environment {
    Environment {
        id: EnvironmentId::from_stored("env_staging"),
        slug: "staging".to_owned(),
        is_default: false,
        ..environment()
    }
}

/// `ep_<name>` in the default environment.
pub(crate) fn endpoint(name: &str) -> Endpoint {
    Endpoint {
        id: EndpointId::from_stored(format!("ep_{name}")),
        workspace_id: workspace(true).id,
        environment_id: environment().id,
        spec: EndpointSpec::to("https://example.com/"),
        secrets: Vec::new(),
        application_id: None,
        credential: None,
        client_key: None,
        created_at: EPOCH,
        updated_at: EPOCH,
        deleted_at: None,
    }
}

pub(crate) fn event_type(name: &str) -> EventType {
    EventType {
        id: EventTypeId::from_stored(format!("evt_{name}")),
        workspace_id: workspace(true).id,
        name: name.to_owned(),
        spec: EventTypeSpec::default(),
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

/// `ep_<endpoint>` is subscribed to the type.
pub(crate) fn subscription(event_type: &str, endpoint: &str) -> Route {
    let to = EndpointId::from_stored(format!("ep_{endpoint}"));
    Route {
        id: RouteId::from_stored(format!("sub_{endpoint}_{event_type}")),
        workspace_id: workspace(true).id,
        position: 0,
        subscription: Some((EventTypeId::from_stored(format!("evt_{event_type}")), to.clone())),
        spec: RouteSpec {
            name: format!("{event_type} to {endpoint}"),
            enabled: true,
            from: Vec::new(),
            event_types: vec![event_type.parse().unwrap()],
            filter: None,
            transform: None,
            delay: std::time::Duration::ZERO,
            to: Target::Endpoint(to),
        },
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

/// `pb_<slug>`, number 42: door 2's secret is `s3cret`, door 6's token `hook_<slug>`.
pub(crate) fn playbook(slug: &str) -> Playbook {
    Playbook {
        version: 1,
        operations: None,
        id: PlaybookId::from_stored(format!("pb_{slug}")),
        workspace_id: workspace(true).id,
        number: 42,
        spec: PlaybookSpec {
            secret_names: Vec::new(),
            slug: slug.to_owned(),
            number: None,
            enabled: true,
            definition: "document: {}".to_owned(),
            hook: Some(HookSpec { enabled: true }),
            target: RunTarget::default(),
            concurrency: None,
            runs: wire::resource::Ending::default(),
            concurrency_key: None,
            input_schema: None,
        },
        secret_hash: Some(hash("s3cret")),
        hook_hash: Some(hash(&format!("hook_{slug}"))),
        secrets: None,
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

pub(crate) fn project(slug: &str, enabled: bool) -> Project {
    Project {
        id: ProjectId::from_stored(format!("prj_{slug}")),
        workspace_id: workspace(true).id,
        slug: slug.to_owned(),
        spec: ProjectSpec { name: None, enabled },
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

pub(crate) fn template(slug: &str, inputs: &serde_json::Value) -> Template {
    Template {
        id: TemplateId::from_stored(format!("tpl_{slug}")),
        workspace_id: workspace(true).id,
        slug: slug.to_owned(),
        spec: TemplateSpec {
            name: None,
            inputs: inputs.as_object().unwrap().clone(),
        },
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}
