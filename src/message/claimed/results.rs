//! `Authentication-Results` and its kin read as they come: RFC 8601's grammar, Microsoft's form without a server's name,
//! ARC's with an instance in front, and `Received-SPF` (RFC 7208 §9.1). Never refuses; what cannot be read is counted.

/// How much of one field is read; honest ones have some hundred bytes.
const MAX_BYTES: usize = 16 * 1024;
/// How many results of one field are read.
const MAX_RESULTS: usize = 64;
/// How many properties of one result are read.
const MAX_PROPERTIES: usize = 32;

/// One field, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Results {
    /// Who says so; `None` when the field names no server (Microsoft), or when its name cannot be read.
    pub authserv_id: Option<String>,
    /// What it says, in order.
    pub results: Vec<MethodResult>,
    /// How many parts could not be read.
    pub unread: usize,
}

/// The result of one method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MethodResult {
    /// `dkim`, `spf`, …, in lower case.
    pub method: String,
    /// The result in lower case.
    pub result: String,
    /// `reason=`.
    pub reason: Option<String>,
    /// Comments, in order.
    pub comments: Vec<String>,
    /// `header.d=…` and the like, names in lower case, in order.
    pub properties: Vec<(String, String)>,
}

impl MethodResult {
    /// A property by its name.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Results {
    /// Reads an unfolded value.
    pub fn parse(text: &str) -> Results {
        let mut found = Results::default();
        let cut = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_BYTES).last().unwrap_or(0);
        let text = if text.len() > MAX_BYTES { text.get(..cut).unwrap_or_default() } else { text };
        let mut parts = parts(text).into_iter();
        let Some(first) = parts.next() else { return found };
        let first_tokens = tokens(&first);
        // A method where the server's name should stand: Exchange writes so. A name followed by nothing is a name.
        match result(&first_tokens) {
            Some(result) => found.results.push(result),
            None => found.authserv_id = server(&first_tokens),
        }
        for part in parts {
            if found.results.len() >= MAX_RESULTS {
                break;
            }
            let tokens = tokens(&part);
            match result(&tokens) {
                Some(result) => found.results.push(result),
                None if is_none(&tokens) || tokens.is_empty() => {}
                None => found.unread += 1,
            }
        }
        found
    }

    /// Reads an unfolded `Received-SPF`; who says so is `receiver=`, or what stands before the colon of the comment.
    pub fn parse_received_spf(text: &str) -> Results {
        let text = text.get(..MAX_BYTES).unwrap_or(text).replace(';', " ");
        let tokens = tokens(&text);
        let mut words = tokens.iter();
        let Some(Token::Word(result)) = words.next() else { return Results { unread: 1, ..Results::default() } };
        let mut one = MethodResult { method: "spf".into(), result: result.to_lowercase(), ..MethodResult::default() };
        properties(words.as_slice(), &mut one);
        // The result is about MAIL FROM unless it says otherwise (RFC 7208 §9.1); HELO stands beside it then.
        let is_helo = one.property("identity").is_some_and(|identity| identity.eq_ignore_ascii_case("helo"));
        let commented = one.comments.first().and_then(|text| text.split_once("domain of ")).map(|(_, rest)| rest);
        let domain =
            commented.map(|rest| rest.trim_start_matches("transitioning ")).and_then(|rest| rest.split(' ').next());
        let about = if is_helo {
            ("smtp.helo", one.property("helo"))
        } else {
            ("smtp.mailfrom", one.property("envelope-from").or(domain))
        };
        let told = [about, ("smtp.remote-ip", one.property("client-ip"))];
        let told = told.map(|(name, value)| value.map(|value| (name.to_owned(), value.to_owned())));
        one.properties.extend(told.into_iter().flatten());
        let commented = one.comments.first().and_then(|text| text.split_once(':')).map(|(server, _)| server.trim());
        let server = one.property("receiver").or(commented.filter(|server| !server.contains(' '))).map(str::to_owned);
        Results { authserv_id: server.filter(|text| is_host(text)), results: vec![one], unread: 0 }
    }
}

/// The value cut at the semicolons that stand outside of quotes and comments.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut in_quotes, mut escaped) = (0_usize, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes || depth > 0 => escaped = true,
            '"' if depth == 0 => in_quotes = !in_quotes,
            '(' if !in_quotes => depth += 1,
            ')' if !in_quotes => depth = depth.saturating_sub(1),
            ';' if !in_quotes && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Equals,
    Comment(String),
}

fn tokens(part: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = part.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '=' => tokens.push(Token::Equals),
            '(' => {
                let (mut depth, mut text) = (1, String::new());
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => text.extend(chars.next()),
                        '(' => depth += 1,
                        ')' if depth == 1 => break,
                        ')' => depth -= 1,
                        _ => {}
                    }
                    if c != '\\' {
                        text.push(c);
                    }
                }
                tokens.push(Token::Comment(text));
            }
            '"' => {
                let mut text = String::new();
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => text.extend(chars.next()),
                        '"' => break,
                        c => text.push(c),
                    }
                }
                tokens.push(Token::Word(text));
            }
            c => {
                let mut word = String::from(c);
                // After "=" a value may hold more of them (base64); a name ends at the first.
                let is_value = matches!(tokens.last(), Some(Token::Equals));
                while let Some(next) = chars.peek().copied() {
                    if next.is_whitespace() || next == '(' || (next == '=' && !is_value) {
                        break;
                    }
                    word.push(next);
                    chars.next();
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens
}

fn is_none(tokens: &[Token]) -> bool {
    matches!(tokens, [Token::Word(word), ..] if word.eq_ignore_ascii_case("none"))
}

/// The server's name in the first part: one word, perhaps a version and comments after it.
fn server(tokens: &[Token]) -> Option<String> {
    let mut words = tokens.iter().filter(|token| !matches!(token, Token::Comment(_)));
    let Some(Token::Word(name)) = words.next() else { return None };
    let is_version =
        |token: &Token| matches!(token, Token::Word(word) if word.bytes().all(|byte| byte.is_ascii_digit()));
    // Anything else after it, and we do not know whose name it is.
    (words.all(is_version) && is_host(name)).then(|| name.clone())
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '@'))
}

fn result(tokens: &[Token]) -> Option<MethodResult> {
    let start = tokens.iter().position(|token| !matches!(token, Token::Comment(_)))?;
    let mut rest = tokens.get(start..)?.iter();
    let Some(Token::Word(method)) = rest.next() else { return None };
    // Comments may stand around the equals sign.
    let mut rest = rest.as_slice();
    rest = skip_comments(rest);
    let [Token::Equals, after @ ..] = rest else { return None };
    let [Token::Word(result), after @ ..] = skip_comments(after) else { return None };
    let method = method.split('/').next().unwrap_or(method);
    if !method.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return None;
    }
    let mut one =
        MethodResult { method: method.to_lowercase(), result: result.to_lowercase(), ..MethodResult::default() };
    properties(after, &mut one);
    Some(one)
}

fn skip_comments(mut tokens: &[Token]) -> &[Token] {
    while let [Token::Comment(_), rest @ ..] = tokens {
        tokens = rest;
    }
    tokens
}

fn properties(mut tokens: &[Token], one: &mut MethodResult) {
    loop {
        match tokens {
            [] => return,
            [Token::Word(key), Token::Equals, Token::Word(value), rest @ ..] => {
                if key.eq_ignore_ascii_case("reason") {
                    one.reason = Some(value.clone());
                } else if one.properties.len() < MAX_PROPERTIES {
                    one.properties.push((key.to_lowercase(), value.trim_end_matches(',').to_owned()));
                }
                tokens = rest;
            }
            [Token::Comment(text), rest @ ..] => {
                if one.comments.len() < MAX_PROPERTIES {
                    one.comments.push(text.clone());
                }
                tokens = rest;
            }
            [_, rest @ ..] => tokens = rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> (Option<String>, Vec<String>) {
        let read = Results::parse(text);
        (read.authserv_id, read.results.iter().map(|one| format!("{}={}", one.method, one.result)).collect())
    }

    #[test]
    fn the_forms_of_the_field_in_the_wild_are_read() {
        for (text, id, results) in [
            (
                "mx.example; spf=pass smtp.mailfrom=a.example; dkim=fail",
                Some("mx.example"),
                vec!["spf=pass", "dkim=fail"],
            ),
            ("mx.microsoft.com 1; spf=Pass", Some("mx.microsoft.com"), vec!["spf=pass"]),
            (
                "mx.google.com (a comment (in a comment (in one)));\r\n dmarc=pass",
                Some("mx.google.com"),
                vec!["dmarc=pass"],
            ),
            ("\"mx.example\" 1 ; none", Some("mx.example"), vec![]),
            ("mx.example", Some("mx.example"), vec![]),
            (
                "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=a.example; dkim=pass (signature was verified) header.d=a.example;dmarc=pass action=none header.from=a.example;compauth=pass reason=100",
                None,
                vec!["spf=pass", "dkim=pass", "dmarc=pass", "compauth=pass"],
            ),
            (
                "mx.example; dkim=timeout; dmarc=bestguesspass",
                Some("mx.example"),
                vec!["dkim=timeout", "dmarc=bestguesspass"],
            ),
            ("mx.example; dkim/1=pass header.b=abc==", Some("mx.example"), vec!["dkim=pass"]),
            ("mx.example; dkim = (x) pass", Some("mx.example"), vec!["dkim=pass"]),
            ("two words; spf=pass", None, vec!["spf=pass"]),
            ("", None, vec![]),
        ] {
            let results: Vec<String> = results.into_iter().map(str::to_owned).collect();
            assert_eq!(words(text), (id.map(str::to_owned), results), "{text}");
        }
    }

    #[test]
    fn reasons_properties_and_comments_keep_their_bytes() {
        let read = Results::parse(
            "mx.example; dkim=fail reason=\"bad: \\\"x\\\"; y\" (2048-bit key; unprotected) header.d=a.example header.b=\"q:1\" header.i=@a.example",
        );
        let one = &read.results[0];
        assert_eq!(one.reason.as_deref(), Some("bad: \"x\"; y"));
        assert_eq!(one.comments, ["2048-bit key; unprotected"]);
        assert_eq!((one.property("header.d"), one.property("header.b")), (Some("a.example"), Some("q:1")));
        assert_eq!(read.unread, 0);
        assert_eq!(Results::parse("mx.example; what is this; spf=pass").unread, 1);
    }

    #[test]
    fn received_spf_names_its_receiver_or_has_it_in_the_comment() {
        let read = Results::parse_received_spf(
            "Pass (google.com: domain of x@a.example designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1; envelope-from=\"x@a.example\"; helo=o.a.example;",
        );
        assert_eq!(read.authserv_id.as_deref(), Some("google.com"));
        assert_eq!(
            (read.results[0].result.as_str(), read.results[0].property("smtp.mailfrom")),
            ("pass", Some("x@a.example"))
        );
        let read = Results::parse_received_spf("softfail (x) receiver=mx.b.example; client-ip=192.0.2.1");
        assert_eq!(read.authserv_id.as_deref(), Some("mx.b.example"));
        assert_eq!(Results::parse_received_spf("(only a comment)").unread, 1);
    }

    #[test]
    fn received_spf_is_about_mail_from_unless_it_says_helo() {
        let about = |text: &str| {
            let one = Results::parse_received_spf(text).results.remove(0);
            ["smtp.mailfrom", "smtp.helo"].map(|name| one.property(name).map(str::to_owned))
        };
        let microsoft = "Pass (protection.outlook.com: domain of a.example designates 192.0.2.1 as permitted sender) receiver=protection.outlook.com; client-ip=192.0.2.1; helo=o.a.example; pr=C";
        assert_eq!(about(microsoft), [Some("a.example".into()), None]);
        let google = "softfail (google.com: domain of transitioning x@a.example does not designate 192.0.2.1 as permitted sender) client-ip=192.0.2.1;";
        assert_eq!(about(google), [Some("x@a.example".into()), None]);
        let helo = "None (mailfrom) identity=helo; client-ip=192.0.2.1; helo=o.a.example; envelope-from=x@a.example; receiver=r.example";
        assert_eq!(about(helo), [None, Some("o.a.example".into())]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_bounded_results(text in "\\PC{0,300}", odd in "[a=;()\" \\\\]{0,200}") {
            for text in [text, odd] {
                let read = Results::parse(&text);
                proptest::prop_assert!(read.results.len() <= MAX_RESULTS);
                let _ = Results::parse_received_spf(&text);
            }
        }
    }
}
