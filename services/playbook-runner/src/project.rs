//! What a run sees of the project that it is targeted at.

use serde_json::{Value, json};
use wire::ProjectId;
use wire::resource::ProjectSpec;

/// `$context` at first: `{"project": {"id": "prj_…", "slug": "website", "name": "The website", "enabled": true}}`.
pub fn context(id: &ProjectId, slug: &str, spec: &ProjectSpec) -> Value {
    let mut shown = serde_json::to_value(spec).unwrap_or_default();
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("id".to_owned(), json!(id));
        fields.insert("slug".to_owned(), json!(slug));
    }
    json!({ "project": shown })
}
