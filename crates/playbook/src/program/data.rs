//! Data with expressions in it.

use serde_json::Value;

/// JSON with expressions in it: texts that are `${ … }` as a whole.
#[derive(Debug, Clone)]
pub enum Template {
    /// No expression in it.
    Literal(Value),
    /// Its value.
    Expression(Expression),
    /// Item by item.
    Array(Vec<Template>),
    /// Field by field, in order.
    Object(Vec<(String, Template)>),
}

/// A jq expression that compiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Without `${` and `}`.
    pub code: String,
    /// Where it stands in the document.
    pub pointer: String,
    /// The names that it may use beside the fixed ones ([`FIXED_VARIABLES`]), innermost last: loop and error variables.
    pub scope: Vec<String>,
}

/// The variables of every expression, without `$`. `secrets` is an empty object but where calls may use it;
/// `output` is null until there is one.
pub const FIXED_VARIABLES: [&str; 8] = [
    "context",
    "input",
    "output",
    "secrets",
    "authorization",
    "workflow",
    "task",
    "runtime",
];
