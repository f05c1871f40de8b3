//! The arguments of MAIL and RCPT (RFC 5321 §4.1.1.2, §4.1.2): a path and parameters. Read with some patience, because the
//! subject is what a sender does: what is wrong is named, and only what cannot be understood is refused.

/// A path with its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// What stands between the brackets, a source route left out.
    pub address: String,
    /// `SIZE=1000`: the keyword in upper case, and its value.
    pub parameters: Vec<(String, Option<String>)>,
    /// What is not as the grammar has it.
    pub slips: Vec<Slip>,
}

/// What real servers forgive, some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Slip {
    /// White space between the colon and the path.
    Blank,
    /// No angle brackets.
    NoBrackets,
    /// A source route, `<@relay:user@example>`.
    Route,
    /// A local part of more than 64 octets.
    LongLocalPart,
    /// A domain of more than 255 octets, or a path of more than 256.
    LongPath,
    /// Bytes beyond ASCII.
    NotAscii,
}

/// Reads `FROM:<path> PARAMETERS` after the verb; `word` is `FROM:` or `TO:`. The error says what is wrong.
pub(super) fn parse(argument: &str, word: &str) -> Result<Path, &'static str> {
    let mut path = Path::default();
    let begins = argument.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    let rest = argument.get(word.len()..).filter(|_| begins).ok_or("syntax: MAIL FROM:<path> or RCPT TO:<path>")?;
    let trimmed = rest.trim_start();
    if trimmed.len() != rest.len() {
        path.slips.push(Slip::Blank);
    }
    let (inside, parameters) = match trimmed.strip_prefix('<') {
        Some(after) => {
            let end = closing(after).ok_or("the path has no closing bracket")?;
            let behind = after.get(end + 1..).unwrap_or_default();
            if !behind.is_empty() && !behind.starts_with(' ') {
                return Err("after the path comes a blank, then a parameter");
            }
            (after.get(..end).unwrap_or_default(), behind)
        }
        None => {
            path.slips.push(Slip::NoBrackets);
            trimmed.split_once(' ').unwrap_or((trimmed, ""))
        }
    };
    let mut address = inside.trim();
    if let Some((_, after)) = address.strip_prefix('@').and_then(|route| route.split_once(':')) {
        path.slips.push(Slip::Route);
        address = after;
    }
    let quoted = address.starts_with('"');
    if address.chars().any(|c| c.is_control() || (!quoted && matches!(c, ' ' | '<' | '>'))) {
        return Err("the address holds a character that no address has");
    }
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    if local.len() > 64 {
        path.slips.push(Slip::LongLocalPart);
    }
    if domain.len() > 255 || address.len() > 254 {
        path.slips.push(Slip::LongPath);
    }
    if !address.is_ascii() {
        path.slips.push(Slip::NotAscii);
    }
    if !address.is_empty() && local.is_empty() {
        return Err("the address has nothing before its @");
    }
    path.address = address.to_owned();
    for word in parameters.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value.to_owned())));
        path.parameters.push((keyword.to_ascii_uppercase(), value));
    }
    Ok(path)
}

/// Where the bracket closes; in quotes it is part of the address.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_read_as_senders_write_them() {
        for (argument, address, slips) in [
            ("FROM:<ann@example.org>", "ann@example.org", vec![]),
            ("from:<>", "", vec![]),
            ("FROM: <ann@example.org>", "ann@example.org", vec![Slip::Blank]),
            ("FROM:ann@example.org SIZE=1", "ann@example.org", vec![Slip::NoBrackets]),
            ("FROM:<@a,@b:ann@example.org>", "ann@example.org", vec![Slip::Route]),
            ("FROM:<\"a > b\"@example.org>", "\"a > b\"@example.org", vec![]),
            ("FROM:<ä@example.org>", "ä@example.org", vec![Slip::NotAscii]),
        ] {
            let path = parse(argument, "FROM:").unwrap();
            assert_eq!((path.address.as_str(), path.slips), (address, slips), "{argument}");
        }
        let long = format!("FROM:<{}@example.org>", "a".repeat(65));
        assert_eq!(parse(&long, "FROM:").unwrap().slips, [Slip::LongLocalPart]);
    }

    #[test]
    fn parameters_are_keywords_and_values() {
        let path = parse("FROM:<a@b> size=10 BODY=8BITMIME SMTPUTF8", "FROM:").unwrap();
        let parameters: Vec<_> = path.parameters.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        assert_eq!(parameters, [("SIZE", Some("10")), ("BODY", Some("8BITMIME")), ("SMTPUTF8", None)]);
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        for argument in ["", "TO:<a@b>", "FROM:<a@b", "FROM:<a b@c>", "FROM:<@b>", "FROM:<a@b>SIZE=1", "FROM:<a\0@b>"] {
            assert!(parse(argument, "FROM:").is_err(), "{argument}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_an_error(text in any::<String>()) {
            let _ = parse(&text, "FROM:");
            let _ = parse(&format!("TO:<{text}"), "TO:");
        }
    }
}
