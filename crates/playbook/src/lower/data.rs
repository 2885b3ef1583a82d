//! How data flows through a task: `input`, `output`, `export`, and the schemas in them.

use super::Lowering;
use super::scope::Scope;
use crate::source::Spot;
use crate::{Code, Intake, Outlet, Schema, schema};

impl Lowering<'_, '_> {
    /// `input`.
    pub(super) fn intake(&mut self, spot: Option<&Spot<'_>>, scope: &Scope) -> Intake {
        let Some(spot) = spot else {
            return Intake::default();
        };
        let fields = self.object(spot, "`input`", &["schema", "from"]);
        Intake {
            schema: fields.get("schema").and_then(|spot| self.schema(&spot)),
            from: fields
                .get("from")
                .map(|spot| self.expression_or_object(&spot, "`from`", scope)),
        }
    }

    /// `output` or `export`.
    pub(super) fn outlet(&mut self, spot: Option<&Spot<'_>>, what: &'static str, scope: &Scope) -> Outlet {
        let Some(spot) = spot else {
            return Outlet::default();
        };
        let fields = self.object(spot, what, &["schema", "as"]);
        Outlet {
            as_: fields
                .get("as")
                .map(|spot| self.expression_or_object(&spot, "`as`", scope)),
            schema: fields.get("schema").and_then(|spot| self.schema(&spot)),
        }
    }

    /// `schema`: JSON Schema, inline.
    fn schema(&mut self, spot: &Spot<'_>) -> Option<Schema> {
        let fields = self.object(spot, "`schema`", &["format", "document", "resource"]);
        if let Some(field) = fields.get("format") {
            let format = self.text(&field, "`format`").unwrap_or("json");
            if format != "json" && !format.starts_with("json:") {
                let message = format!(
                    "schemas in the format `{format}` are not read here; write it as JSON Schema (`json`)"
                );
                self.issue(Code::Unsupported, &field, message);
            }
        }
        let (name, field) = self.one_of(&fields, &["document", "resource"])?;
        if name == "resource" {
            let message = "a schema that stands elsewhere is not fetched, so that a playbook means the same tomorrow; \
                           copy it to `document`";
            self.issue_of_name(Code::Unsupported, &field, message);
            return None;
        }
        let document = field.node.to_value();
        if let Err(error) = schema::check(&document) {
            self.issue(Code::InvalidValue, &field, format!("`document` {error}"));
        }
        Some(Schema {
            pointer: field.pointer,
            document,
        })
    }
}
