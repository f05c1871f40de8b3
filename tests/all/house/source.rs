//! Rust source as the house rules need it: without comments, literals and test modules, so that neither prose nor a test
//! fools a rule. A scanner, not a parser: it knows just enough of the language for that.

use std::path::{Path, PathBuf};

/// One file of the project.
pub struct Source {
    /// Its path from the project's root, with `/`.
    pub path: String,
    /// How many lines it has, tests and comments included.
    pub lines: usize,
    /// Its tokens: words and single signs; comments, literals and `#[cfg(test)]` items left out.
    pub tokens: Vec<String>,
    /// The same with the `#[cfg(test)]` items.
    pub tokens_with_tests: Vec<String>,
}

/// Every `.rs` file below the folders, in order of path.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let tokens_with_tests = tokens(&text);
            Source {
                path: path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"),
                lines: text.lines().count(),
                tokens: without_tests(&tokens_with_tests),
                tokens_with_tests,
            }
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

impl Source {
    /// The top-level module that the file belongs to: `records` for `src/records/mx/names.rs`; empty for the crate's root.
    pub fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or("");
        let room = inside.split('/').next().unwrap_or("");
        match room {
            "lib.rs" | "main.rs" => "",
            _ => room.strip_suffix(".rs").unwrap_or(room),
        }
    }

    /// How many modules lie above this file's module: 1 for `src/job.rs` and `src/records/mod.rs`.
    fn depth(&self) -> usize {
        let inside = self.path.strip_prefix("src/").unwrap_or("");
        let parts = inside.split('/').count();
        if inside.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    /// The top-level modules of the crate that the file names, by `crate::` or by `super::` up to the root.
    pub fn named_rooms(&self) -> Vec<String> {
        let mut rooms = Vec::new();
        let tokens: Vec<&str> = self.tokens.iter().map(String::as_str).collect();
        for at in 0..tokens.len() {
            let after = match tokens[at] {
                "crate" => at + 1,
                "super" if at == 0 || tokens[at - 1] != ":" => {
                    let mut after = at;
                    let mut ups = 0;
                    while tokens.get(after) == Some(&"super") {
                        ups += 1;
                        after += if tokens.get(after + 3) == Some(&"super") { 3 } else { 1 };
                    }
                    if ups < self.depth() {
                        continue;
                    }
                    after
                }
                _ => continue,
            };
            if tokens.get(after..after + 2) != Some(&[":", ":"]) {
                continue;
            }
            rooms.extend(first_words(&tokens[after + 2..]));
        }
        rooms.sort();
        rooms.dedup();
        rooms
    }

    /// Whether the signs and words stand one after the other in the file, tests left out.
    pub fn says(&self, words: &[&str]) -> bool {
        stands_in(&self.tokens, words)
    }

    /// Whether they stand anywhere, tests included.
    pub fn says_anywhere(&self, words: &[&str]) -> bool {
        stands_in(&self.tokens_with_tests, words)
    }
}

fn stands_in(tokens: &[String], words: &[&str]) -> bool {
    tokens.windows(words.len()).any(|window| window == words)
}

/// The first word of a path, or of every path in a `{group}`.
fn first_words(tokens: &[&str]) -> Vec<String> {
    if tokens.first() != Some(&"{") {
        return tokens.first().map(|word| (*word).to_owned()).into_iter().collect();
    }
    let mut words = Vec::new();
    let (mut depth, mut first) = (0, true);
    for token in tokens {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => first = true,
            word if depth == 1 && first => {
                words.push(word.to_owned());
                first = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    words
}

/// Words and single signs; comments and literals are left out (a literal leaves the sign `""`).
pub fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let (c, next) = (chars[at], chars.get(at + 1).copied());
        if c == '/' && next == Some('/') {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '/' && next == Some('*') {
            at = after_block_comment(&chars, at);
        } else if c == '"' || (matches!(c, 'b' | 'r' | 'c') && opens_literal(&chars, at)) {
            at = after_string(&chars, at);
            tokens.push("\"\"".to_owned());
        } else if c == '\'' {
            at = after_quote(&chars, at, &mut tokens);
        } else if c.is_alphanumeric() || c == '_' {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            tokens.push(chars[start..at].iter().collect());
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            at += 1;
        }
    }
    tokens
}

fn after_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Whether `b"`, `r"`, `br#"`, `c"`, `b'` and their like begin here, and no word that merely starts so.
fn opens_literal(chars: &[char], at: usize) -> bool {
    let word_before = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let mut here = at;
    while matches!(chars.get(here), Some('b' | 'r' | 'c')) && here < at + 2 {
        here += 1;
    }
    let raw = chars[at..here].contains(&'r');
    while raw && chars.get(here) == Some(&'#') {
        here += 1;
    }
    !word_before && chars.get(here) == Some(&'"')
}

fn after_string(chars: &[char], mut at: usize) -> usize {
    let start = at;
    while chars[at] != '"' && chars[at] != '#' {
        at += 1;
    }
    let raw = chars[start..at].contains(&'r');
    let mut hashes = 0;
    while chars[at] == '#' {
        (hashes, at) = (hashes + 1, at + 1);
    }
    at += 1;
    while at < chars.len() {
        match chars[at] {
            '\\' if !raw => at += 2,
            '"' if chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes => {
                return at + 1 + hashes;
            }
            _ => at += 1,
        }
    }
    at
}

/// A character literal or a lifetime.
fn after_quote(chars: &[char], at: usize, tokens: &mut Vec<String>) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let mut end = at + 3;
            while chars.get(end).is_some_and(|c| *c != '\'') {
                end += 1;
            }
            tokens.push("\"\"".to_owned());
            end + 1
        }
        (Some(_), Some('\'')) => {
            tokens.push("\"\"".to_owned());
            at + 3
        }
        _ => at + 1,
    }
}

/// The tokens without the items that `#[cfg(test)]` guards.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let guard = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].iter().take(guard.len()).eq(guard.iter()) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += guard.len();
        let mut depth = 0;
        while at < tokens.len() {
            match tokens[at].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 && (tokens[at - 1] == "}" || tokens[at - 1] == ";") {
                break;
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        let tokens_with_tests = tokens(text);
        let tokens = without_tests(&tokens_with_tests);
        Source { path: path.into(), lines: text.lines().count(), tokens, tokens_with_tests }
    }

    #[test]
    fn prose_literals_and_tests_name_nothing() {
        let text = "// crate::tui\n/* crate::lab /* nested */ crate::cli */ let s = \"crate::engine\"; let r = r#\"crate::tui \"#;\n\
                    let c = '\"'; fn f<'a>(x: &'a str) {} #[cfg(test)] mod tests { use crate::lab; fn g() {} } use crate::job;";
        assert_eq!(source("src/check/mod.rs", text).named_rooms(), ["job"]);
    }

    #[test]
    fn groups_and_ways_up_are_followed() {
        let text = "use crate::{engine::{self, dns}, report::Report}; use super::super::lab::Lab; use super::key;";
        assert_eq!(source("src/records/mx.rs", text).named_rooms(), ["engine", "lab", "report"]);
        assert_eq!(source("src/records/mx/names.rs", text).named_rooms(), ["engine", "report"]);
    }

    #[test]
    fn a_path_in_the_code_counts_like_a_use() {
        assert_eq!(source("src/job.rs", "fn f() { crate::tui::run() }").named_rooms(), ["tui"]);
    }
}
