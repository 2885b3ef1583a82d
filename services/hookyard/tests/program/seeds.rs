//! The document against what the four families' own documents say, field by field: addresses, parameters, fields of
//! requests and answers, statuses, error codes. Those documents stand beside the repository (`../shared/seeds`).

use crate::openapi::{document, repository};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;

/// A family's document; none where it is not beside the repository, which is said loudly.
fn seed(name: &str) -> Option<String> {
    let path = repository().join("../shared/seeds").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        let line = format!("\n*** NOT TESTED: that the API is what {name} says. It needs ../shared/seeds\n");
        // Not `eprintln!`, which the test harness keeps to itself when the test passes.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
    text
}

/// An operation of the document.
struct Described {
    document: Value,
    operation: Value,
}

impl Described {
    fn of(method: &str, path: &str) -> Self {
        let document = document();
        let operation = document["paths"][path][method].clone();
        assert!(operation.is_object(), "{method} {path} is not described");
        Self { document, operation }
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }

    /// The names of parameters at this place, and whether each is asked for.
    fn parameters(&self, place: &str) -> BTreeSet<(String, bool)> {
        let all = self.operation["parameters"].as_array().unwrap();
        let here = all.iter().filter(|parameter| parameter["in"] == place);
        here.map(|parameter| {
            let name = parameter["name"].as_str().unwrap().to_owned();
            (name, parameter["required"] == true)
        })
        .collect()
    }

    fn statuses(&self) -> BTreeSet<String> {
        self.operation["responses"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }

    fn answer(&self, status: &str) -> &Value {
        let response = self.resolved(&self.operation["responses"][status]);
        &response["content"]["application/json"]["schema"]
    }

    fn body(&self) -> &Value {
        &self.operation["requestBody"]["content"]["application/json"]["schema"]
    }

    /// Each way in which an object can look: the names of its fields.
    fn fields(&self, schema: &Value) -> Vec<BTreeSet<String>> {
        let schema = self.resolved(schema);
        if let Some(several) = schema["anyOf"].as_array() {
            return several.iter().flat_map(|one| self.fields(one)).collect();
        }
        let properties = schema["properties"].as_object();
        properties
            .map(|properties| properties.keys().cloned().collect())
            .into_iter()
            .collect()
    }

    /// The error codes of a status.
    fn codes(&self, status: &str) -> Vec<String> {
        let properties = &self.answer(status)["properties"]["error"];
        let code = match properties["properties"]["code"].as_object() {
            Some(_) => &properties["properties"]["code"],
            None => properties,
        };
        let words = code["enum"]
            .as_array()
            .unwrap_or_else(|| panic!("no codes at {status}"));
        words
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    }
}

fn names(fields: &[&str]) -> BTreeSet<String> {
    fields.iter().map(ToString::to_string).collect()
}

/// The rows of the table whose head begins so: the cells of each, without backticks.
fn table(text: &str, head: &str) -> Vec<Vec<String>> {
    let rows = text
        .split(head)
        .nth(1)
        .unwrap_or_else(|| panic!("no table {head}"));
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim().trim_matches('|').split('|');
        cells
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect()
    };
    rows.lines()
        .skip(2)
        .take_while(|line| line.contains('|'))
        .map(cells)
        .collect()
}

/// An OpenAPI document that stands in one of theirs.
fn agrees_with_openapi(name: &str, path: &str) -> Option<(String, Described)> {
    let text = seed(name)?;
    let yaml = text
        .split("```yaml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let theirs: Value = serde_saphyr::from_str(yaml).unwrap();
    let base = theirs["servers"][0]["url"].as_str().unwrap();
    let (address, item) = theirs["paths"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(format!("{base}{address}"), path);
    let wanted = &item["post"];
    let ours = Described::of("post", path);
    for place in ["path", "header", "query"] {
        let asked = wanted["parameters"].as_array().unwrap().iter();
        let asked: BTreeSet<_> = asked
            .filter(|parameter| parameter["in"] == place)
            .map(|parameter| {
                (
                    parameter["name"].as_str().unwrap().to_owned(),
                    parameter["required"] == true,
                )
            })
            .collect();
        let known = ours.parameters(place);
        let needed: BTreeSet<_> = known.iter().filter(|(_, required)| *required).cloned().collect();
        assert_eq!(
            needed,
            asked.iter().filter(|(_, required)| *required).cloned().collect()
        );
        assert!(asked.is_subset(&known), "{place}: {asked:?} {known:?}");
    }
    let error = &theirs["components"]["schemas"]["ErrorResponse"];
    for (status, response) in wanted["responses"].as_object().unwrap() {
        let schema = &ours.answer(status);
        assert!(!schema.is_null(), "{status} is not described");
        if response["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/ErrorResponse" {
            let required = error["required"].as_array().unwrap();
            let has = |name: &Value| schema["required"].as_array().unwrap().contains(name);
            assert!(required.iter().all(has), "{status}");
            let known = names(&["error", "issues", "message"]);
            assert!(
                ours.fields(schema).iter().all(|fields| fields.is_subset(&known)),
                "{status}"
            );
            let with_issues = ours.codes(status).iter().any(|code| code == "invalid_body");
            assert!(
                !with_issues || ours.fields(schema)[0].contains("issues"),
                "{status}"
            );
        } else {
            assert_eq!(schema["type"].as_str().unwrap_or("object"), "object");
        }
    }
    Some((text, ours))
}

#[test]
fn rakerones_channels_are_as_it_documents_them() {
    let path = "/api/channels/orgs/{orgSlug}/{channelSlug}";
    let Some((_, ours)) = agrees_with_openapi("rakerone-channel-ingest.md", path) else {
        return;
    };
    // Any JSON is taken, as in its example.
    assert_eq!(*ours.body(), json!({}));
}

#[test]
fn rakerones_playbooks_are_as_it_documents_them() {
    let path = "/api/webhooks/orgs/{orgSlug}/playbooks/{playbookSlug}";
    let Some((text, ours)) = agrees_with_openapi("rakerone-playbook-trigger.md", path) else {
        return;
    };
    let example = text.split("**Response**").nth(1).unwrap();
    let example = example
        .split("```json\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let given: BTreeSet<String> = example.as_object().unwrap().keys().cloned().collect();
    for status in ["200", "201"] {
        assert_eq!(
            ours.fields(ours.answer(status)),
            std::slice::from_ref(&given),
            "{status}"
        );
    }
    assert_eq!(
        ours.answer("201")["properties"]["status"]["enum"],
        json!([example["status"]])
    );
}

#[test]
fn nahooks_ingest_is_as_it_documents_it() {
    let Some(text) = seed("nahook-ingest.md") else {
        return;
    };
    assert!(text.contains("POST /api/ingest/{endpointId}"));
    let ours = Described::of("post", "/api/ingest/{endpointId}");
    assert_eq!(
        ours.parameters("path"),
        BTreeSet::from([("endpointId".to_owned(), true)])
    );
    assert_eq!(ours.operation["security"], json!([{"apiKey": []}]));
    let body = ours.body();
    let asked = table(&text, "| Field | Type | Required | Notes |");
    let given: Vec<&str> = asked.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(ours.fields(body), [names(&given)]);
    for row in asked {
        let field = &body["properties"][&row[0]];
        let types = match &field["type"] {
            Value::Array(several) => several.clone(),
            one => vec![one.clone()],
        };
        assert!(types.contains(&json!(row[1])), "{row:?} {field}");
        let required = body["required"].as_array().unwrap().contains(&json!(row[0]));
        assert_eq!(required, row[2] == "yes", "{row:?}");
    }
    let answered = table(&text, "| Field | Type | Notes |");
    let given: Vec<&str> = answered.iter().map(|row| row[0].as_str()).collect();
    assert!(text.contains("202 Accepted"));
    let schema = ours.resolved(ours.answer("202"));
    assert_eq!(ours.fields(schema), [names(&given)]);
    assert_eq!(schema["required"].as_array().unwrap().len(), given.len());
    for row in table(&text, "| Status | Code | When |") {
        assert!(ours.codes(&row[0]).contains(&row[1]), "{row:?}");
    }
}

#[test]
fn gethooks_ingest_is_as_it_documents_it() {
    let Some(text) = seed("gethook-ingest.md") else {
        return;
    };
    assert!(text.contains("POST /ingest/{token}"));
    let ours = Described::of("post", "/ingest/{token}");
    let parameters = table(&text, "| Parameter | Type | Description |");
    for row in parameters {
        assert!(
            ours.parameters("path").contains(&(row[0].clone(), true)),
            "{row:?}"
        );
    }
    for row in table(&text, "| Header | Description |") {
        // OpenAPI 3.1 tells the content type by the body's media types.
        let is_known =
            row[0] == "Content-Type" || ours.parameters("header").contains(&(row[0].clone(), false));
        assert!(is_known, "{row:?}");
    }
    assert!(text.contains("202 Accepted"));
    let data = &ours.answer("202")["properties"]["data"];
    // A duplicate's answer has the id, too, so that what was recorded can be looked at.
    let known = [names(&["id", "status"]), names(&["id", "note", "status"])];
    assert_eq!(ours.fields(data), known);
    for row in table(&text, "| Status | Cause |") {
        assert!(ours.statuses().contains(&row[0]), "{row:?}");
    }
}

#[test]
fn orqos_webhooks_are_as_it_documents_them() {
    let Some(text) = seed("orqo-webhooks.md") else {
        return;
    };
    for (theirs, path, parameter) in [
        (
            "POST /api/v1/webhooks/:app_id",
            "/api/v1/webhooks/{appId}",
            Some("appId"),
        ),
        (
            "POST /api/v1/hooks/:token",
            "/api/v1/hooks/{token}",
            Some("token"),
        ),
        ("POST /api/v1/trigger", "/api/v1/trigger", None),
    ] {
        assert!(text.contains(theirs), "{theirs}");
        let ours = Described::of("post", path);
        let expected = parameter.map(|name| (name.to_owned(), true));
        assert_eq!(ours.parameters("path"), expected.into_iter().collect());
    }
    // Meta's challenge comes as a GET.
    assert!(text.contains("sends a GET request with hub.verify_token"));
    assert!(
        Described::of("get", "/api/v1/webhooks/{appId}")
            .statuses()
            .contains("200")
    );
    assert!(
        text.contains(r#"{"workflow_id": 42, "input": "..."}"#) && text.contains("Authorization: Bearer")
    );
    let ours = Described::of("post", "/api/v1/trigger");
    assert_eq!(ours.fields(ours.body()), [names(&["input", "workflow_id"])]);
    assert_eq!(ours.operation["security"], json!([{"apiKey": []}]));
}
