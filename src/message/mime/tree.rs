//! The tree of a message's parts (RFC 2045, RFC 2046 §5.1), cut without copying. Depth and count are bounded; what lies
//! past a bound is said.

use memchr::memmem;

use crate::finding::Span;
use crate::message::Message;
use crate::message::mime::decode::Encoding;
use crate::message::parse::cut;
use crate::message::words::decoded;
use crate::untrusted;

/// How deep parts may lie; mail that was forwarded five times reaches twelve.
pub(super) const MAX_DEPTH: usize = 20;
/// How many parts are read.
pub(super) const MAX_PARTS: usize = 500;
/// How much of a part's header is read.
const MAX_HEADER: usize = 64 * 1024;

/// One part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::message) struct Part {
    /// Its place: `1.2`; the root's is empty.
    pub path: String,
    /// `type/subtype` in lower case; `text/plain` without a field (RFC 2045 §5.2).
    pub kind: String,
    /// `charset=` and `protocol=` of its Content-Type.
    pub charset: Option<String>,
    pub protocol: Option<String>,
    boundary: Option<String>,
    /// The file's name, encodings undone.
    pub name: Option<String>,
    /// `attachment`, `inline`, in lower case.
    pub disposition: Option<String>,
    pub encoding: Encoding,
    /// The word of its Content-Transfer-Encoding.
    pub encoding_word: String,
    /// Its body in the message's text.
    pub body: Span,
    pub children: Vec<Part>,
    /// A multipart whose last delimiter is missing, or that has no boundary.
    pub unclosed: bool,
    pub no_boundary: bool,
}

/// The tree with what was left out.
#[derive(Clone, Debug, Default)]
pub(in crate::message) struct Tree {
    pub root: Part,
    pub count: usize,
    pub too_deep: bool,
    pub too_many: bool,
}

impl Tree {
    /// Reads the parts of a message; only the root's header when the body was not pasted.
    pub fn read(message: &Message) -> Tree {
        let text = message.text();
        let value = |name: &str| message.named(name).next().map(|field| field.unfolded());
        let start = message.body_start().unwrap_or(text.len());
        let mut tree = Tree::default();
        let mut root = part(String::new(), &value, Span::new(start, text.len()));
        tree.fill(text, &mut root, 0);
        tree.root = root;
        tree
    }

    /// Every part, the root first.
    pub fn parts(&self) -> Vec<&Part> {
        fn walk<'a>(part: &'a Part, all: &mut Vec<&'a Part>) {
            all.push(part);
            part.children.iter().for_each(|child| walk(child, all));
        }
        let mut all = Vec::new();
        walk(&self.root, &mut all);
        all
    }

    fn fill(&mut self, text: &[u8], part: &mut Part, depth: usize) {
        self.count += 1;
        if !part.kind.starts_with("multipart/") {
            return;
        }
        let Some(boundary) = part.boundary.clone() else {
            part.no_boundary = true;
            return;
        };
        if depth >= MAX_DEPTH {
            self.too_deep = true;
            return;
        }
        let body = part.body.of(text).unwrap_or_default();
        let (spans, closed) = between(body, &boundary);
        part.unclosed = !closed;
        for (at, span) in spans.into_iter().enumerate() {
            if self.count >= MAX_PARTS {
                self.too_many = true;
                return;
            }
            let whole = Span::new(part.body.start + span.start, part.body.start + span.end);
            let path = if part.path.is_empty() { (at + 1).to_string() } else { format!("{}.{}", part.path, at + 1) };
            let mut child = child(text, whole, path, part.kind == "multipart/digest");
            self.fill(text, &mut child, depth + 1);
            part.children.push(child);
        }
    }
}

/// A part inside a multipart: its own header, then its body.
fn child(text: &[u8], whole: Span, path: String, in_digest: bool) -> Part {
    let bytes = whole.of(text).unwrap_or_default();
    // A delimiter may be followed by the blank line at once: a part without a header.
    let head = bytes.get(..MAX_HEADER).unwrap_or(bytes);
    let cut = cut(head);
    let start = cut.body.unwrap_or(head.len());
    let value = |name: &str| {
        let is_it = |span: Span| span.of(head).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()));
        let field = cut.fields.iter().find(|field| is_it(field.name))?;
        Some(unfolded(field.value.of(head).unwrap_or_default()))
    };
    let mut part = part(path, &value, Span::new(whole.start + start, whole.end));
    if in_digest && value("content-type").is_none() {
        part.kind = "message/rfc822".into();
    }
    part
}

fn unfolded(value: &[u8]) -> String {
    untrusted::lossless(value).replace("\r\n", "").trim().to_owned()
}

fn part(path: String, value: &dyn Fn(&str) -> Option<String>, body: Span) -> Part {
    let content = value("content-type").unwrap_or_default();
    let (kind, parameters) = with_parameters(&content);
    let placed = value("content-disposition").unwrap_or_default();
    let (disposition, more) = with_parameters(&placed);
    let get = |list: &[(String, String)], name: &str| list.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone());
    let encoding_word = value("content-transfer-encoding").unwrap_or_default().to_lowercase();
    Part {
        path,
        kind: if kind.contains('/') { kind } else { "text/plain".into() },
        charset: get(&parameters, "charset"),
        protocol: get(&parameters, "protocol").map(|text| text.to_lowercase()),
        boundary: get(&parameters, "boundary").filter(|boundary| !boundary.is_empty() && boundary.len() <= 200),
        name: get(&more, "filename").or_else(|| get(&parameters, "name")).filter(|name| !name.is_empty()),
        disposition: Some(disposition).filter(|word| !word.is_empty()),
        encoding: Encoding::parse(&encoding_word),
        encoding_word,
        body,
        ..Part::default()
    }
}

/// A value and its parameters, continuations and charsets of RFC 2231 undone, encoded words too.
fn with_parameters(text: &str) -> (String, Vec<(String, String)>) {
    let mut pieces = pieces(text).into_iter();
    let value = pieces.next().unwrap_or_default().trim().to_lowercase();
    let mut found: Vec<(String, String)> = Vec::new();
    for piece in pieces.take(64) {
        let Some((key, raw)) = piece.split_once('=') else { continue };
        let key = key.trim().to_lowercase();
        let raw = unquoted(raw.trim());
        let (name, rest) = key.split_once('*').map_or((key.as_str(), None), |(name, rest)| (name, Some(rest)));
        let text = match rest {
            None => decoded(&raw),
            // `name*=utf-8''x%20y`, `name*0*=utf-8''x`, `name*1*=%20y`, `name*1=y`
            Some(rest) if rest.is_empty() || rest.ends_with('*') => {
                let bare = raw.splitn(3, '\'').nth(2).filter(|_| rest.is_empty() || rest.starts_with('0'));
                percent(bare.unwrap_or(&raw))
            }
            Some(_) => raw,
        };
        match found.iter_mut().find(|(known, _)| known == name) {
            Some((_, value)) if rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('0')) => {
                value.push_str(&text)
            }
            // The extended form goes before the plain one (RFC 2231 §4).
            Some((_, value)) if rest.is_some() => *value = text,
            Some(_) => {}
            None => found.push((name.to_owned(), text)),
        }
    }
    (value, found)
}

/// Cut at the semicolons outside of quotes; comments stay, they are rare here.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut in_quotes, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            ';' if !in_quotes => {
                pieces.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}

fn unquoted(text: &str) -> String {
    let Some(inside) = text.strip_prefix('"') else { return text.to_owned() };
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

fn percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        match hex.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    untrusted::lossless(&bytes).into_owned()
}

/// The bodies between the delimiters of a boundary, and whether the last delimiter stands (RFC 2046 §5.1.1).
fn between(body: &[u8], boundary: &str) -> (Vec<Span>, bool) {
    let delimiter = format!("--{boundary}");
    let delimiter = delimiter.as_bytes();
    let mut spans = Vec::new();
    let mut open: Option<usize> = None;
    for at in memmem::find_iter(body, delimiter) {
        if at > 0 && body.get(at - 1) != Some(&b'\n') {
            continue;
        }
        let rest = body.get(at + delimiter.len()..).unwrap_or_default();
        let line_end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let after = rest.get(..line_end).unwrap_or_default();
        let is_last = after.starts_with(b"--");
        // Only white space may follow: another boundary may begin with this one's text.
        if !is_last && !after.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Some(start) = open.take() {
            // The line end before a delimiter belongs to it.
            let end = at.saturating_sub(2).max(start);
            spans.push(Span::new(start, end));
        }
        if is_last {
            return (spans, true);
        }
        if spans.len() >= MAX_PARTS {
            return (spans, false);
        }
        open = Some(at + delimiter.len() + line_end);
    }
    if let Some(start) = open {
        spans.push(Span::new(start.min(body.len()), body.len()));
    }
    (spans, false)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::Envelope;

    fn tree(text: &str) -> (Tree, Vec<u8>) {
        let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
        (Tree::read(&message), message.text().to_vec())
    }

    #[test]
    fn nested_parts_know_their_place_and_their_bytes() {
        let (tree, text) = tree(
            "From: a@b.c\nContent-Type: multipart/mixed; boundary=\"o\"\n\npreamble\n--o\n\
             Content-Type: multipart/alternative; boundary=oo\n\n--oo\n\none\n--oo\nContent-Type: TEXT/HTML; charset=utf-8\n\n<p>\n--oo--\n\
             --o\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\naGk=\n--o--\nepilogue\n",
        );
        let shape: Vec<_> = tree.parts().iter().map(|part| (part.path.as_str(), part.kind.as_str())).collect();
        assert_eq!(
            shape,
            [
                ("", "multipart/mixed"),
                ("1", "multipart/alternative"),
                ("1.1", "text/plain"),
                ("1.2", "text/html"),
                ("2", "application/pdf")
            ]
        );
        let bodies: Vec<_> = tree.parts().iter().skip(2).map(|part| part.body.of(&text).unwrap().to_vec()).collect();
        assert_eq!(bodies, [b"one".to_vec(), b"<p>".to_vec(), b"aGk=".to_vec()]);
        assert!(tree.parts().iter().all(|part| !part.unclosed));
    }

    #[test]
    fn names_are_read_in_every_form() {
        for (header, name) in [
            ("Content-Type: a/b; name=\"x y.pdf\"", "x y.pdf"),
            ("Content-Disposition: attachment; filename*=utf-8''b%C3%A4r.pdf", "bär.pdf"),
            ("Content-Disposition: attachment; filename=plain; filename*=utf-8''b%C3%A4r.pdf", "bär.pdf"),
            ("Content-Disposition: attachment; filename*0*=utf-8'en'a%20; filename*1=b.pdf", "a b.pdf"),
            ("Content-Type: a/b; name=\"=?utf-8?q?b=C3=A4r.pdf?=\"", "bär.pdf"),
            ("Content-Type: a/b; name=\"a\\\"b;c\"", "a\"b;c"),
            ("Content-Disposition: attachment; filename*=utf-8''x%E2%80%AEfdp.exe", "x\u{202e}fdp.exe"),
        ] {
            let (tree, _) = tree(&format!("From: a@b.c\n{header}\n\nx"));
            assert_eq!(tree.root.name.as_deref(), Some(name), "{header}");
        }
    }

    #[test]
    fn broken_multiparts_are_told_and_give_what_they_have() {
        let (open, _) = tree("From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--xy\ntwo\n");
        assert!(open.root.unclosed);
        assert_eq!(open.root.children.len(), 1);
        let (none, _) = tree("From: a@b.c\nContent-Type: multipart/mixed\n\nbody");
        assert!(none.root.no_boundary);
        let (digest, _) =
            tree("From: a@b.c\nContent-Type: multipart/digest; boundary=x\n\n--x\n\nFrom: d@e.f\n\n--x--\n");
        assert_eq!(digest.root.children[0].kind, "message/rfc822");
    }

    #[test]
    fn a_thousand_levels_and_ten_thousand_parts_are_bounded() {
        let mut deep = String::from("From: a@b.c\n");
        for level in 0..1000 {
            deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"));
        }
        let (tree_, _) = tree(&deep);
        assert!(tree_.too_deep && tree_.count <= MAX_DEPTH + 2);
        let wide = "--x\n\na\n".repeat(10_000);
        let (tree_, _) = tree(&format!("From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n\n{wide}"));
        assert!(tree_.too_many && tree_.count <= MAX_PARTS);
    }

    proptest::proptest! {
        #[test]
        fn any_body_gives_a_tree_inside_the_text(body in "(--x(--)?|\r|\n|[a-z:=; ]|Content-Type: multipart/mixed; boundary=x){0,80}") {
            let (tree, text) = tree(&format!("From: a@b.c\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n{body}"));
            for part in tree.parts() {
                proptest::prop_assert!(part.body.of(&text).is_some());
            }
        }
    }
}
