//! Just enough of jq's lexical structure to find variables and the end of `${ … }`. Whether a text is jq is decided by
//! compiling it.

use std::collections::BTreeSet;

/// A piece of a program that matters here. Strings and comments are skipped, but not what is interpolated in strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    /// `$name`, and what follows it.
    Variable(&'t str, &'t str),
    /// A keyword, a filter, a name after a dot.
    Word(&'t str),
    /// Any other character but space, and where it is.
    Sign(char, usize),
}

/// Walks over a program. Any text will do.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
    /// How many parentheses are open in the program, and in each interpolation around this place.
    open: Vec<usize>,
    in_string: bool,
    after_dot: bool,
}

impl<'t> Tokens<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            open: vec![0],
            in_string: false,
            after_dot: false,
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Goes on behind a string's end, or to the beginning of what is interpolated in it.
    fn skip_string(&mut self) {
        let mut characters = self.rest().char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += offset + 1;
                    self.in_string = false;
                    return;
                }
                '\\' => {
                    if let Some((offset, '(')) = characters.next() {
                        self.at += offset + 1;
                        self.open.push(0);
                        self.in_string = false;
                        return;
                    }
                }
                _ => {}
            }
        }
        self.at = self.text.len();
    }

    fn word(&self, from: usize) -> &'t str {
        let rest = self.text.get(from..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    }

    /// Counts a parenthesis; a closing one may lead back into a string.
    fn count(&mut self, sign: char) {
        let is_interpolated = self.open.len() > 1;
        match (sign, self.open.last_mut()) {
            ('(', Some(open)) => *open += 1,
            (')', Some(0)) if is_interpolated => {
                self.open.pop();
                self.in_string = true;
            }
            (')', Some(open)) => *open = open.saturating_sub(1),
            _ => {}
        }
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        loop {
            if self.in_string {
                self.skip_string();
            }
            let (start, sign) = (self.at, self.rest().chars().next()?);
            let after_dot = std::mem::take(&mut self.after_dot);
            self.at += sign.len_utf8();
            match sign {
                '"' => self.in_string = true,
                '#' => {
                    let end = self.rest().find('\n');
                    self.at = end.map_or(self.text.len(), |end| self.at + end);
                }
                '$' if !self.word(self.at).is_empty() => {
                    let name = self.word(self.at);
                    self.at += name.len();
                    return Some(Token::Variable(name, self.rest()));
                }
                'a'..='z' | 'A'..='Z' | '_' => {
                    let word = self.word(start);
                    self.at = start + word.len();
                    if !after_dot {
                        return Some(Token::Word(word));
                    }
                }
                _ if sign.is_whitespace() => {}
                _ => {
                    self.after_dot = sign == '.';
                    self.count(sign);
                    return Some(Token::Sign(sign, start));
                }
            }
        }
    }
}

/// Where the brace stands that closes a `${`, whose content a text begins with.
pub(super) fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for token in Tokens::of(text) {
        match token {
            Token::Sign('{', _) => open += 1,
            Token::Sign('}', at) if open == 0 => return Some(at),
            Token::Sign('}', _) => open -= 1,
            _ => {}
        }
    }
    None
}

/// The variable whose every mention counts.
pub(super) const SECRETS: &str = "secrets";

/// A variable that a program uses and does not define itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Used<'t> {
    /// Without `$`.
    pub(super) name: &'t str,
    /// The field of it that is taken, as in `$name.field`.
    pub(super) field: Option<&'t str>,
}

/// The variables that a program uses and defines nowhere.
pub(super) fn used(program: &str) -> Vec<Used<'_>> {
    let (mut used, mut defined) = (Vec::new(), BTreeSet::new());
    // Behind `as`, up to the pattern's end; and behind `def`, up to the colon.
    let mut pattern: Option<usize> = None;
    let (mut in_parameters, mut after_label) = (false, false);
    for token in Tokens::of(program) {
        let was_label = std::mem::take(&mut after_label);
        match token {
            Token::Word("as") => pattern = Some(0),
            Token::Word("def") => in_parameters = true,
            Token::Word("label" | "break") => after_label = true,
            Token::Sign('|' | '(', _) if pattern == Some(0) => pattern = None,
            Token::Sign('[' | '{' | '(', _) => pattern = pattern.map(|depth| depth + 1),
            Token::Sign(']' | '}' | ')', _) => pattern = pattern.map(|depth| depth.saturating_sub(1)),
            Token::Sign(':', _) => in_parameters = false,
            Token::Variable(_, _) if was_label => {}
            // Whoever calls a variable of theirs so is refused as well: nothing may slip through.
            Token::Variable(name, _) if name != SECRETS && (pattern.is_some() || in_parameters) => {
                defined.insert(name);
            }
            Token::Variable(name, rest) => used.push(Used {
                name,
                field: field(rest),
            }),
            Token::Word(_) | Token::Sign(..) => {}
        }
    }
    used.retain(|variable| !defined.contains(variable.name));
    used
}

/// `.field`, `."field"` or `["field"]` at the beginning of a text.
fn field(rest: &str) -> Option<&str> {
    let rest = rest.trim_start();
    if let Some(quoted) = rest.strip_prefix(".\"").or_else(|| rest.strip_prefix("[\"")) {
        return quoted.split_once('"').map(|(field, _)| field);
    }
    let name = Tokens::of(rest.strip_prefix('.')?).word(0);
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(program: &str) -> Vec<&str> {
        used(program).iter().map(|variable| variable.name).collect()
    }

    #[test]
    fn the_brace_that_closes_is_found_past_strings_and_objects() {
        for (text, rest) in [
            (" .a }", ""),
            (" .a } and ${ .b }", " and ${ .b }"),
            (r#" "}" }"#, ""),
            (r#" "\"}\(.a | {b: "}"})}" } x"#, " x"),
            (" {a: {}} }!", "!"),
            (" .a # }\n }", ""),
        ] {
            let at = closing_brace(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(text.get(at + 1..), Some(rest), "{text}");
        }
        for text in ["", " .a", " \"}", " {", " # }", "\\", "\"\\"] {
            assert_eq!(closing_brace(text), None, "{text}");
        }
    }

    #[test]
    fn variables_are_those_that_a_program_does_not_define() {
        assert_eq!(names("$input.a + $item"), ["input", "item"]);
        assert_eq!(names(r#""$no \($yes | "\($too)") $no" # $no"#), ["yes", "too"]);
        assert_eq!(names(". as $x | $x + $y"), ["y"]);
        assert_eq!(names(". as [$a, {b: $c, $d}] | $a + $c + $d + $e"), ["e"]);
        assert_eq!(names("reduce .[] as $x ($seed; . + $x)"), ["seed"]);
        assert_eq!(names("def f($a; g): $a + $b; f(1; .)"), ["b"]);
        assert_eq!(names("label $out | ., break $out"), [""; 0]);
        assert_eq!(names("{$item, as: .as} | .as.$x"), ["item", "x"]);
        assert_eq!(names("$ $$ ${"), [""; 0]);
        assert_eq!(names("(. as $secrets | 1), $secrets"), ["secrets", "secrets"]);
        assert_eq!(names("{as: $secrets}"), ["secrets"]);
    }

    #[test]
    fn the_field_of_a_variable_is_told() {
        let field = |program| used(program)[0].field;
        assert_eq!(field("$secrets.slack.token"), Some("slack"));
        assert_eq!(field("$secrets[\"a b\"]"), Some("a b"));
        assert_eq!(field("$secrets.\"a b\""), Some("a b"));
        assert_eq!(field("$secrets | keys"), None);
        assert_eq!(field("$secrets[$x]"), None);
    }
}
