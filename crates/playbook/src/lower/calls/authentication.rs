//! Who is calling: `basic` and `bearer`, or the name of one of `use.authentications`.

use crate::lower::Lowering;
use crate::lower::fields::Fields;
use crate::lower::nearest::advice;
use crate::lower::scope::Scope;
use crate::lower::unsupported::AUTHENTICATION;
use crate::source::Spot;
use crate::{Authentication, Code, Expression, Template};
use serde_json::Value;

impl Lowering<'_, '_> {
    /// `authentication`, in a place where `$secrets` may be used.
    pub(super) fn authentication(&mut self, spot: &Spot<'_>, scope: &Scope) -> Option<Authentication> {
        if spot.field("use").is_none() {
            return self.authentication_policy(spot, scope);
        }
        let fields = self.object(spot, AUTHENTICATION, &["use", "basic", "bearer"]);
        let (_, named) = self.one_of(&fields, &["use", "basic", "bearer"])?;
        let name = self.text(&named, "`use`")?;
        let Some(definition) = self.library.authentications.take(name) else {
            let advice = advice(name, self.library.authentications.names());
            let message = format!("there is no authentication `{name}` in `use.authentications`; {advice}");
            self.issue(Code::UnknownReference, &named, message);
            return None;
        };
        self.authentication_policy(&definition, scope)
    }

    pub(in crate::lower) fn authentication_policy(
        &mut self,
        spot: &Spot<'_>,
        scope: &Scope,
    ) -> Option<Authentication> {
        let fields = self.object(spot, AUTHENTICATION, &["basic", "bearer"]);
        let has_other = spot
            .fields()
            .any(|(name, _)| matches!(name, "digest" | "oauth2" | "oidc"));
        if has_other && !fields.has("basic") && !fields.has("bearer") {
            return None;
        }
        let (name, policy) = self.one_of(&fields, &["basic", "bearer"])?;
        if name == "basic" {
            let fields = self.object(&policy, "`basic`", &["username", "password", "use"]);
            let mut part = |name| self.credential(&fields, name, &["username", "password"], scope);
            let (username, password) = (part("username"), part("password"));
            return Some(Authentication::Basic { username, password });
        }
        let fields = self.object(&policy, "`bearer`", &["token", "use"]);
        let token = self.credential(&fields, "token", &["token"], scope);
        Some(Authentication::Bearer { token })
    }

    /// A part of the credentials: written out, or a field of the secret that `use` names.
    fn credential(&mut self, fields: &Fields<'_>, name: &str, all: &[&str], scope: &Scope) -> Template {
        let nothing = Template::Literal(Value::Null);
        let Some(secret) = fields.get("use") else {
            let field = self.required(fields, name, &format!("{name}: ${{ $secrets.mine.{name} }}"));
            let what = format!("`{name}`");
            return field.map_or(nothing, |field| self.text_or_expression(&field, &what, scope));
        };
        if let Some(other) = all.iter().find(|other| fields.has(other)) {
            let message = format!(
                "both `use` and `{other}` are there; write either the name of a secret, or {other} itself"
            );
            self.issue(Code::OneOf, &fields.object, message);
            return nothing;
        }
        let Some(secret_name) = self.text(&secret, "`use`") else {
            return nothing;
        };
        self.knows_secret(&secret, secret_name);
        Template::Expression(Expression {
            code: format!("$secrets[{}].{name}", Value::from(secret_name)),
            pointer: secret.pointer,
            scope: scope.names.clone(),
        })
    }
}
