//! What the message is made of: its parts, their names, sizes and SHA-256, the links of its HTML, messages inside it
//! (RFC 2045, 2046, 2231), and what about them is made to deceive. Nothing is opened, rendered, run or followed; PGP and
//! S/MIME are recognised and not verified.

mod decode;
mod html;
mod suspect;
mod tree;

pub(in crate::message) use decode::Encoding;
pub(in crate::message) use tree::{Part, Tree};

use ring::digest::{Context, SHA256};
use serde_json::json;

use crate::check::{Check, Memo, Progress, Seen, Wait};
use crate::finding::{Severity, Span};
use crate::message::Message;
use crate::message::mime::html::Html;
use crate::report::{Block, Cell, Link, Row, Section, Table, TreeNode};

/// How many bytes of bodies are decoded in one step.
const SLICE: usize = 4 * 1024 * 1024;
/// How much of a text is read for links and marks; what a program is, its first bytes say.
const MAX_TEXT: usize = 512 * 1024;
/// How many links are shown.
const MAX_SHOWN: usize = 40;

/// The check.
pub struct Mime;

/// What one part holds.
#[derive(Clone, Debug, Default)]
struct Content {
    size: usize,
    sha256: String,
    /// The first decoded bytes.
    head: Vec<u8>,
    html: Option<Html>,
    /// Where a message inside lies in the bytes as they came, which are what opens.
    message: Option<Span>,
}

/// The work so far: decoding goes in slices, because an attachment can be as large as the message.
struct Work {
    tree: Tree,
    contents: Vec<Content>,
    done: u64,
    of: u64,
}

impl Check<Message> for Mime {
    fn id(&self) -> &'static str {
        "mime"
    }

    fn title(&self) -> &'static str {
        "MIME"
    }

    fn about(&self) -> &'static str {
        "the parts of the message: names, sizes, SHA-256, links of HTML, and what about them is made to deceive"
    }

    fn step(&self, message: &Message, _seen: &Seen<'_>, memo: &mut Memo) -> Result<Section, Wait> {
        let mut is_new = false;
        let work = memo.get_or_insert_with(|| {
            is_new = true;
            let tree = Tree::read(message);
            let of = tree.parts().iter().map(|part| length(part)).sum();
            Work { tree, contents: Vec::new(), done: 0, of }
        });
        // The first step may be on a worker that others wait for; a large body is not for it.
        if is_new && work.of > SLICE as u64 {
            return Err(Wait::Again(Progress { done: 0, of: work.of }));
        }
        work.slice(message);
        if work.contents.len() < work.tree.parts().len() {
            return Err(Wait::Again(Progress { done: work.done, of: work.of }));
        }
        work.find_messages(message);
        Ok(section(message, work))
    }
}

/// How many bytes of a part have to be decoded: leaves only.
fn length(part: &Part) -> u64 {
    if part.children.is_empty() { (part.body.end - part.body.start) as u64 } else { 0 }
}

impl Work {
    fn slice(&mut self, message: &Message) {
        let mut taken = 0;
        let parts = self.tree.parts();
        for part in parts.iter().skip(self.contents.len()) {
            if taken > SLICE as u64 {
                return;
            }
            self.contents.push(content(message, part));
            taken += length(part);
            self.done += length(part);
        }
    }
}

impl Work {
    /// Finds the messages inside in the bytes as they came; those are rebuilt once for all of them.
    fn find_messages(&mut self, message: &Message) {
        let mut original = None;
        for (part, content) in self.tree.parts().into_iter().zip(&mut self.contents) {
            let is_message = matches!(part.kind.as_str(), "message/rfc822" | "message/global");
            if is_message && part.encoding == Encoding::Identity {
                content.message = inner(original.get_or_insert_with(|| message.original()), message.text(), part);
            }
        }
    }
}

fn content(message: &Message, part: &Part) -> Content {
    if !part.children.is_empty() {
        return Content::default();
    }
    let body = part.body.of(message.text()).unwrap_or_default();
    let mut context = Context::new(&SHA256);
    let (mut size, mut head) = (0, Vec::new());
    part.encoding.decode(body, &mut |bytes| {
        context.update(bytes);
        size += bytes.len();
        let left = MAX_TEXT - head.len();
        head.extend_from_slice(bytes.get(..left).unwrap_or(bytes));
    });
    let html = (part.kind == "text/html").then(|| Html::read(&String::from_utf8_lossy(&head)));
    if !part.kind.starts_with("text/") {
        head.truncate(64);
    }
    let sha256 = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Content { size, sha256, head, html, message: None }
}

fn section(message: &Message, work: &Work) -> Section {
    let mut section = Section::new("mime", "MIME");
    let parts: Vec<(&Part, &Content)> = work.tree.parts().into_iter().zip(&work.contents).collect();
    let attached = parts.iter().filter(|(part, _)| is_attached(part)).count();
    section.headline = match (message.body().is_some(), attached) {
        (false, _) => "no body".into(),
        (true, 0) if parts.len() == 1 => "1 part".into(),
        (true, 0) => format!("{} parts", parts.len()),
        (true, 1) => "1 attached".into(),
        (true, count) => format!("{count} attached"),
    };
    section.fact("parts", parts.iter().map(|(part, content)| fact(part, content)).collect::<Vec<_>>());
    section.fact("complete", !work.tree.too_deep && !work.tree.too_many);
    let mut at = 0;
    section.blocks.push(Block::Tree(vec![node(&work.tree.root, &work.contents, &mut at)]));
    let links: Vec<&html::Link> =
        parts.iter().filter_map(|(_, content)| content.html.as_ref()).flat_map(|html| &html.links).collect();
    section.fact(
        "links",
        links
            .iter()
            .map(|link| json!({"words": link.words, "target": link.target, "host": link.host, "says": link.says}))
            .collect::<Vec<_>>(),
    );
    if !links.is_empty() {
        section.blocks.push(Block::Table(table(&links)));
    }
    suspect::find(message, &work.tree, &parts, &mut section);
    section.settle()
}

/// Whether a part is for saving, not for reading.
fn is_attached(part: &Part) -> bool {
    let is_text = part.kind.starts_with("text/") || part.kind.starts_with("multipart/");
    part.children.is_empty() && (part.disposition.as_deref() == Some("attachment") || part.name.is_some() || !is_text)
}

/// Where a message inside lies in the bytes as they came; `None` when repairs have moved it so that it cannot be found again.
fn inner(raw: &[u8], text: &[u8], part: &Part) -> Option<Span> {
    if std::ptr::eq(raw.as_ptr(), text.as_ptr()) {
        return Some(part.body);
    }
    // Repairs of line ends keep the lines, so the same line begins it; anything else must prove itself below.
    let line_ends = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count();
    let (first, last) = (line_ends(text.get(..part.body.start)?), line_ends(text.get(..part.body.end)?));
    let start_of = |line: usize| match line {
        0 => Some(0),
        line => memchr::memchr_iter(b'\n', raw).nth(line - 1).map(|at| at + 1),
    };
    let start = start_of(first)?;
    let last_start = start_of(last)?;
    let rest = raw.get(last_start..)?;
    let end = last_start + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let found = raw.get(start..end)?;
    let plain = |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().filter(|byte| *byte != b'\r').collect() };
    let (found, wanted) = (plain(found), plain(part.body.of(text)?));
    (found.trim_ascii_end() == wanted.trim_ascii_end()).then_some(Span::new(start, end))
}

fn fact(part: &Part, content: &Content) -> serde_json::Value {
    let is_leaf = part.children.is_empty();
    json!({
        "path": part.path,
        "type": part.kind,
        "charset": part.charset,
        "name": part.name,
        "disposition": part.disposition,
        "encoding": part.encoding_word,
        "size": is_leaf.then_some(content.size),
        "sha256": is_leaf.then_some(&content.sha256),
        "span": part.body,
        "message": content.message,
    })
}

fn node(part: &Part, contents: &[Content], at: &mut usize) -> TreeNode {
    let content = contents.get(*at);
    *at += 1;
    let mut text = part.kind.clone();
    if let Some(name) = &part.name {
        text.push_str(&format!("  \"{name}\""));
    }
    let details = [part.charset.as_deref(), Some(part.encoding_word.as_str()), part.disposition.as_deref()];
    let details: Vec<&str> = details.into_iter().flatten().filter(|word| !word.is_empty()).collect();
    if !details.is_empty() {
        text.push_str(&format!("  ({})", details.join(", ")));
    }
    let mut cell = Cell::from(text);
    if let Some(span) = content.and_then(|content| content.message) {
        cell = cell.linked(Link::Message(span));
    }
    let mut children = Vec::new();
    let right = if part.kind.starts_with("multipart/") {
        format!("{} parts", part.children.len())
    } else {
        content.map_or_else(String::new, |content| bytes(content.size))
    };
    if is_attached(part)
        && let Some(content) = content
    {
        children
            .push(TreeNode { text: Cell::from(format!("sha256 {}", content.sha256)).dimmed(), ..TreeNode::default() });
    }
    children.extend(part.children.iter().map(|child| node(child, contents, at)));
    TreeNode { text: cell, right, children }
}

/// A size for a person.
fn bytes(size: usize) -> String {
    match size {
        0..10_000 => format!("{size} bytes"),
        10_000..10_000_000 => format!("{} KB", size / 1000),
        _ => format!("{} MB", size / 1_000_000),
    }
}

fn table(links: &[&html::Link]) -> Table {
    let columns = ["a link says", "and goes to (never followed)"].map(str::to_owned).to_vec();
    let rows = links.iter().take(MAX_SHOWN).map(|link| {
        let target = Cell::from(link.target.clone());
        let target = match link.name() {
            Some(name) => target.linked(Link::Domain(name)),
            None => target,
        };
        let severity = if link.says.is_some() || link.runs() { Severity::Warning } else { Severity::Ok };
        Row { cells: vec![link.words.clone().into(), target.judged(severity)], section: None }
    });
    Table { columns, rows: rows.collect() }
}

#[cfg(test)]
mod tests;
