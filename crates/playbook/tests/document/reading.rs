//! Reads one document, with the OpenAPI documents that the samples name.

use expression::{Evaluator, Limits};
use hookyard_playbook::{Documents, Issue, Operations, Program, check as checked};
use serde_json::json;

/// What came of a document.
#[derive(Debug)]
pub(crate) enum Outcome {
    Read(Box<Program>, Operations),
    Refused(Vec<Issue>),
}

/// Reads a document as if it were about to be saved.
pub(crate) fn check(text: &str) -> Outcome {
    check_with(text, &mut Evaluator::new(Limits::default()))
}

/// The same, with an evaluator that has seen others.
pub(crate) fn check_with(text: &str, evaluator: &mut Evaluator) -> Outcome {
    match checked(text, &documents(), evaluator) {
        Ok((program, operations)) => Outcome::Read(Box::new(program), operations),
        Err(issues) => Outcome::Refused(issues),
    }
}

/// The issues of a document that must have some.
pub(crate) fn issues(text: &str) -> Vec<Issue> {
    match check(text) {
        Outcome::Refused(issues) => issues,
        Outcome::Read(..) => panic!("it was read:\n{text}"),
    }
}

/// What was fetched.
pub(crate) fn documents() -> Documents {
    let pets = json!({
        "swagger": "2.0",
        "host": "petstore.swagger.io",
        "basePath": "/v2",
        "schemes": ["https", "http"],
        "paths": {
            "/pet/findByStatus": {"get": {"operationId": "findPetsByStatus", "parameters": [
                {"name": "status", "in": "query", "required": true, "type": "array", "collectionFormat": "multi"}
            ]}},
            "/pet/{petId}": {"get": {"operationId": "getPetById", "parameters": [
                {"name": "petId", "in": "path", "required": true, "type": "integer"}
            ]}},
        },
    });
    let orders = json!({
        "openapi": "3.0.3",
        "servers": [{"url": "/api/{version}", "variables": {"version": {"default": "v1"}}}],
        "paths": {
            "/readings": {"post": {"operationId": "logreading"}},
            "/report": {"post": {"operationId": "produceReport"}},
        },
    });
    let three = json!({
        "openapi": "3.1.0",
        "servers": [{"url": "./{path}", "variables": {"path": {"default": "base"}}}],
        "paths": {
            "/orders/{orderId}": {
                "parameters": [{"$ref": "#/components/parameters/orderId"}],
                "put": {
                    "operationId": "putOrder",
                    "parameters": [
                        {"name": "tags", "in": "query", "schema": {"type": "array"}},
                        {"name": "fields", "in": "query", "explode": false, "schema": {"type": "array"}},
                        {"name": "x-trace", "in": "header"},
                        {"name": "created", "in": "query", "style": "deepObject"},
                        {"name": "theme", "in": "cookie"},
                    ],
                    "requestBody": {"required": true, "content": {
                        "application/xml": {},
                        "application/json": {"schema": {"$ref": "#/components/schemas/order"}},
                    }},
                },
            },
            "/files": {"post": {
                "operationId": "upload",
                "requestBody": {"required": true, "content": {"multipart/form-data": {}}},
            }},
            "/search": {
                "get": {"operationId": "search", "parameters": [{"name": "q", "in": "query", "style": "deepObject", "required": true}]},
                "post": {"operationId": "elsewhere", "parameters": [{"$ref": "other.json#/q"}]},
            },
        },
        "components": {
            "parameters": {"orderId": {"name": "orderId", "in": "path", "required": true}},
            "schemas": {"order": {"properties": {"amount": {}, "note": {}}}},
        },
    });
    Documents::from([
        ("https://api.example/v3/openapi.json".to_owned(), Ok(three)),
        ("https://petstore.swagger.io/v2/swagger.json".to_owned(), Ok(pets)),
        ("http://myorg.io/ordersservices.json".to_owned(), Ok(orders)),
    ])
}
