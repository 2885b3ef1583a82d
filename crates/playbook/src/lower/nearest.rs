//! "Did you mean …?"

/// Longer names, in bytes, are not compared.
const LONGEST: usize = 100;

/// The name that was probably meant.
pub(crate) fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Comparing takes the product of the lengths.
    let names = names
        .into_iter()
        .filter(|name| name.len().max(wrong.len()) <= LONGEST);
    let least = names
        .map(|name| {
            let distance = strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase());
            (distance, name)
        })
        .min_by_key(|(distance, _)| *distance);
    // A third of it may be wrong, and of a short one a single letter.
    least
        .filter(|(distance, name)| *distance <= (name.chars().count().max(wrong.chars().count()) / 3).max(1))
        .map(|(_, name)| name)
}

/// What to do about a name that is not there: the nearest, or else all that are.
pub(crate) fn advice<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str> + Clone) -> String {
    /// More names than this are no help.
    const MOST: usize = 12;
    if let Some(name) = nearest(wrong, names.clone()) {
        return format!("did you mean `{name}`?");
    }
    let mut names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.dedup();
    match names.len() {
        0 => "there is none".to_owned(),
        1..=MOST => format!("there is {}", names.join(", ")),
        many => format!(
            "there is {} and {} more",
            names.get(..MOST).unwrap_or_default().join(", "),
            many - MOST
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_suggested_and_what_is_far_is_not() {
        let names = ["output", "export", "timeout", "then", "if"];
        assert_eq!(nearest("ouput", names), Some("output"));
        assert_eq!(nearest("Then", names), Some("then"));
        assert_eq!(nearest("fi", names), Some("if"));
        assert_eq!(nearest("banana", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(advice("exprot", names), "did you mean `export`?");
        assert_eq!(advice("banana", ["a", "b"]), "there is `a`, `b`");
        assert_eq!(advice("x", []), "there is none");
    }
}
