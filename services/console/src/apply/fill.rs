//! Filling in what stands outside the file: `${NAME}` from the environment, `{file: NAME}` from beside it.
//!
//! Both happen in the tree and not in the text, so that no value can change what the file means. A text in which `$${`
//! stands holds `${` afterwards. The definition of a playbook that is written in place is left as it is: it is a language
//! of its own, in which `${ … }` means something else.

use crate::Problem;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The largest file that a `file:` key may name.
const LARGEST_FILE: u64 = 1 << 20;

/// What there is outside the file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outside<'a> {
    /// The environment; none where the file came over the network, and its variables were filled in before.
    pub variables: Option<&'a BTreeMap<String, String>>,
    /// The folder that holds the file; none where there is no such folder.
    pub folder: Option<&'a Path>,
}

/// Fills in a document; gives the problems, with which the document is of no use.
pub(super) async fn fill(document: &mut Value, outside: Outside<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    visit(document, "", &mut |path, value| {
        if let Value::String(text) = value {
            match substitute(text, outside.variables) {
                Ok(filled) => *text = filled,
                Err(message) => problems.push(Problem::new(path, message)),
            }
        }
    });
    let mut wanted = Vec::new();
    visit(document, "", &mut |path, value| {
        if let Value::Object(object) = value {
            wanted.extend(file_of(object).map(|name| (path.to_owned(), name.to_owned())));
        }
    });
    let mut texts = BTreeMap::new();
    for (path, name) in wanted {
        match read(&name, outside.folder).await {
            Ok(text) => {
                texts.insert(path, text);
            }
            Err(message) => problems.push(Problem::new(format!("{path}.file"), message)),
        }
    }
    visit(document, "", &mut |path, value| {
        if let Some(text) = texts.remove(path) {
            *value = Value::String(text);
        }
    });
    problems
}

/// The same document with nothing left to fill in, for sending it to where there is no environment and no folder.
pub(super) fn seal(document: &mut Value) {
    visit(document, "", &mut |_path, value| {
        if let Value::String(text) = value {
            *text = text.replace("${", "$${");
        }
    });
}

/// Calls `change` on every value, from the outside in, but for definitions that are written in place.
fn visit(value: &mut Value, path: &str, change: &mut impl FnMut(&str, &mut Value)) {
    change(path, value);
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter_mut().enumerate() {
                visit(element, &format!("{path}[{index}]"), change);
            }
        }
        Value::Object(object) => {
            let is_playbook = is_playbook(path);
            for (name, field) in object.iter_mut() {
                let is_own_language = is_playbook && name == "definition" && !is_file(field);
                if !is_own_language {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    visit(field, &path, change);
                }
            }
        }
        _ => {}
    }
}

/// `playbooks[7]`.
fn is_playbook(path: &str) -> bool {
    path.strip_prefix("playbooks[")
        .is_some_and(|rest| rest.find(']') == Some(rest.len() - 1))
}

fn is_file(value: &Value) -> bool {
    matches!(value, Value::Object(object) if file_of(object).is_some())
}

/// The file that an object stands for: one with nothing but the key `file`.
fn file_of(object: &Map<String, Value>) -> Option<&str> {
    if object.len() != 1 {
        return None;
    }
    object.get("file")?.as_str()
}

fn substitute(text: &str, variables: Option<&BTreeMap<String, String>>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(literal) = before.strip_suffix('$') {
            filled.push_str(literal);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}').filter(|(name, _)| is_name(name)) else {
            // No variable: an expression's own braces, say.
            filled.push_str("${");
            rest = after;
            continue;
        };
        let Some(variables) = variables else {
            return Err(format!(
                "`${{{name}}}` is filled in by `hookyard apply`, not by the server"
            ));
        };
        let value = variables.get(name);
        filled.push_str(value.ok_or_else(|| format!("the environment variable {name} is not set"))?);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Reads a file beside the document; one elsewhere is refused, also by way of `..` or of a link.
async fn read(name: &str, folder: Option<&Path>) -> Result<String, String> {
    let Some(folder) = folder else {
        return Err(
            "files are read by `hookyard apply`, not by the server; write the text in place".to_owned(),
        );
    };
    let is_inside = Path::new(name)
        .components()
        .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
    let elsewhere =
        || format!("`{name}` is not beside the file; a path here leads into its folder and not out of it");
    if !is_inside {
        return Err(elsewhere());
    }
    let unreadable = |error: std::io::Error| format!("`{name}` cannot be read: {error}");
    let root: PathBuf = tokio::fs::canonicalize(folder).await.map_err(unreadable)?;
    let path = tokio::fs::canonicalize(root.join(name))
        .await
        .map_err(unreadable)?;
    if !path.starts_with(&root) {
        return Err(elsewhere());
    }
    let size = tokio::fs::metadata(&path).await.map_err(unreadable)?.len();
    if size > LARGEST_FILE {
        return Err(format!("`{name}` is over the limit of {LARGEST_FILE} bytes"));
    }
    let bytes = tokio::fs::read(&path).await.map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_binary| format!("`{name}` is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn variables() -> BTreeMap<String, String> {
        [("TOKEN".to_owned(), "t}${X}".to_owned())].into()
    }

    #[test]
    fn variables_are_filled_in_and_expressions_are_left_alone() {
        let variables = variables();
        let filled = |text| substitute(text, Some(&variables));
        assert_eq!(filled("a ${TOKEN} b"), Ok("a t}${X} b".to_owned()));
        assert_eq!(filled("$${TOKEN}"), Ok("${TOKEN}".to_owned()));
        assert_eq!(
            filled("${ .a }${}$TOKEN ${"),
            Ok("${ .a }${}$TOKEN ${".to_owned())
        );
        assert_eq!(
            filled("${NONE}"),
            Err("the environment variable NONE is not set".to_owned())
        );
        assert!(
            substitute("${TOKEN}", None)
                .unwrap_err()
                .contains("hookyard apply")
        );
    }

    #[tokio::test]
    async fn files_are_read_from_the_folder_and_from_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("a.jq"), ".a").unwrap();
        std::fs::write(folder.path().join("outside"), "secret").unwrap();
        std::os::unix::fs::symlink(folder.path().join("outside"), inner.join("link")).unwrap();
        let outside = Outside {
            variables: None,
            folder: Some(&inner),
        };
        let mut document = json!({"routes": [{"filter": {"file": "./a.jq"}}]});
        assert!(fill(&mut document, outside).await.is_empty());
        assert_eq!(document, json!({"routes": [{"filter": ".a"}]}));
        for bad in ["../outside", "link", "/etc/hostname", "none", ""] {
            let problems = fill(&mut json!({"a": {"file": bad}}), outside).await;
            assert_eq!(problems.len(), 1, "{bad}");
            assert_eq!(problems[0].path, "a.file");
            assert!(!problems[0].message.contains("secret"));
        }
    }

    #[tokio::test]
    async fn a_definition_in_place_is_a_language_of_its_own() {
        let definition = json!({"do": [{"call": {"file": "x"}}, "${TOKEN}"]});
        let mut document = json!({"playbooks": [{"slug": "${TOKEN}", "definition": definition}]});
        let variables = variables();
        let outside = Outside {
            variables: Some(&variables),
            folder: None,
        };
        assert!(fill(&mut document, outside).await.is_empty());
        assert_eq!(document["playbooks"][0]["definition"], definition);
        assert_eq!(document["playbooks"][0]["slug"], "t}${X}");
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_filled_in_as_it_was(text: String) {
            let mut document = Value::String(text.clone());
            seal(&mut document);
            prop_assert_eq!(substitute(document.as_str().unwrap(), None), Ok(text));
        }
    }
}
