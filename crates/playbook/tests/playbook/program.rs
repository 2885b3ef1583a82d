//! Reads documents for the tests.

use expression::{Evaluator, Limits};
use hookyard_playbook::{Documents, Program, check};
use serde_json::{Value, json};

/// An evaluator with nothing compiled yet.
pub(crate) fn evaluator() -> Evaluator {
    Evaluator::new(Limits::default())
}

/// Reads a document that must be right.
pub(crate) fn read(text: &str, evaluator: &mut Evaluator) -> Program {
    match check(text, &documents(), evaluator) {
        Ok((program, _)) => program,
        Err(issues) => {
            let issues: Vec<_> = issues.iter().map(ToString::to_string).collect();
            panic!("the document is refused:\n{}\n{text}", issues.join("\n"));
        }
    }
}

/// Reads YAML.
pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The `OpenAPI` document of the kit's scenarios.
fn documents() -> Documents {
    let pets = json!({
        "swagger": "2.0",
        "host": "petstore.swagger.io",
        "basePath": "/v2",
        "schemes": ["https"],
        "paths": {
            "/pet/findByStatus": {"get": {"operationId": "findPetsByStatus", "parameters": [
                {"name": "status", "in": "query", "required": true, "type": "array", "collectionFormat": "multi"},
            ]}},
            "/pet/{petId}": {"get": {"operationId": "getPetById", "parameters": [
                {"name": "petId", "in": "path", "required": true, "type": "integer"},
            ]}},
        },
    });
    Documents::from([("https://petstore.swagger.io/v2/swagger.json".to_owned(), Ok(pets))])
}
