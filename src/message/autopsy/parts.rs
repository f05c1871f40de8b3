//! What gateways and lists do inside the parts of a message: lines put above or below a text, blocks put into HTML, links
//! rewritten. Each part is tried alone and in pairs, with the links as they came and turned back; the encoding of a part is
//! kept as it was, byte for byte outside of the change.

use std::iter::once;
use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::links::{self, Rewritten};
use crate::finding::Span;
use crate::message::Message;
use crate::message::autopsy::html::blocks;
use crate::message::mime::{Encoding, Part, Tree};

/// How many text parts are looked into.
const MAX_LEAVES: usize = 4;
/// A part larger than this is left alone.
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// How many lines are taken off the top of a part.
const MAX_TOP: usize = 12;
/// How many lines are taken off its end.
const MAX_BOTTOM: usize = 24;
/// How many combinations are tried, at most.
const MAX_COMBINATIONS: usize = 4000;

/// One way in which a part may have been before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    /// In words that follow "if ".
    what: String,
    /// What is taken out of the decoded part.
    cuts: Vec<Range<usize>>,
}

/// A text part, decoded.
#[derive(Debug)]
struct Leaf {
    body: Span,
    encoding: Encoding,
    text: Vec<u8>,
    /// For each byte decoded from quoted-printable where it stood in the part, and where the last one ended.
    places: Vec<u32>,
    ways: Vec<Way>,
    links: Vec<Rewritten>,
    is_html: bool,
    width: usize,
}

/// How rewritten links are turned back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Links {
    #[default]
    AsTheyCame,
    /// In HTML with `&amp;` for `&`.
    Escaped,
    Plain,
}

/// One thing to try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Combination {
    links: Links,
    /// The leaf and its way.
    made: Vec<(usize, usize)>,
}

/// Every text part with its ways.
#[derive(Debug, Default)]
pub(super) struct Parts {
    leaves: Vec<Leaf>,
    /// What to try, the most likely first.
    pub(super) combinations: Vec<Combination>,
}

impl Parts {
    /// Reads the text parts and lists what to try.
    pub(super) fn read(message: &Message, tree: &Tree) -> Parts {
        let texts = tree.parts().into_iter().filter(|part| {
            part.children.is_empty()
                && part.kind.starts_with("text/")
                && part.disposition.as_deref() != Some("attachment")
        });
        let leaves: Vec<Leaf> = texts.filter_map(|part| Leaf::read(message, part)).take(MAX_LEAVES).collect();
        let mut modes = vec![Links::AsTheyCame];
        if leaves.iter().any(|leaf| leaf.links.iter().any(|link| link.was.is_some())) {
            modes.extend([Links::Escaped, Links::Plain]);
        }
        let ways = |leaf: usize| (0..leaves.get(leaf).map_or(0, |leaf| leaf.ways.len())).map(move |way| (leaf, way));
        let all = || (0..leaves.len()).flat_map(ways);
        let mut combinations = Vec::new();
        for links in modes.iter().copied().filter(|links| *links != Links::AsTheyCame) {
            combinations.push(Combination { links, made: Vec::new() });
        }
        for links in &modes {
            combinations.extend(all().map(|one| Combination { links: *links, made: vec![one] }));
        }
        for links in &modes {
            for one in all() {
                let others = (one.0 + 1..leaves.len()).flat_map(ways);
                combinations.extend(others.map(|other| Combination { links: *links, made: vec![one, other] }));
            }
        }
        combinations.truncate(MAX_COMBINATIONS);
        Parts { leaves, combinations }
    }

    /// The body as it may have been, and which bytes of the message were not in it.
    pub(super) fn apply(&self, message: &Message, made: &Combination) -> Option<(Vec<u8>, Vec<Span>)> {
        let (text, start) = (message.text(), message.body_start()?);
        let mut out = Vec::with_capacity(text.len() - start);
        let mut removed = Vec::new();
        let mut at = start;
        for (index, leaf) in self.leaves.iter().enumerate() {
            let way = made.made.iter().find(|(of, _)| *of == index).and_then(|(_, way)| leaf.ways.get(*way));
            let changes = leaf.changes(way, made.links);
            if changes.is_empty() {
                continue;
            }
            out.extend_from_slice(text.get(at..leaf.body.start)?);
            leaf.render(text, &changes, &mut out, &mut removed)?;
            at = leaf.body.end;
        }
        out.extend_from_slice(text.get(at..)?);
        Some((out, removed))
    }

    /// A combination in words that follow "if ".
    pub(super) fn words(&self, made: &Combination) -> String {
        let mut words: Vec<String> = Vec::new();
        if made.links != Links::AsTheyCame {
            let who = self.rewriters().into_iter().map(|(who, _)| who).collect::<Vec<_>>().join(" and ");
            words.push(format!("the links that {who} rewrote are turned back"));
        }
        let ways = made.made.iter().filter_map(|(leaf, way)| self.leaves.get(*leaf)?.ways.get(*way));
        words.extend(ways.map(|way| way.what.clone()));
        words.join(", and ")
    }

    /// Who rewrote links, and how many.
    pub(super) fn rewriters(&self) -> Vec<(&'static str, usize)> {
        let mut found: Vec<(&'static str, usize)> = Vec::new();
        for link in self.leaves.iter().flat_map(|leaf| &leaf.links) {
            match found.iter_mut().find(|(who, _)| *who == link.who) {
                Some((_, count)) => *count += 1,
                None => found.push((link.who, 1)),
            }
        }
        found
    }

    /// The decoded texts, for whoever looks for other signs.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.leaves.iter().map(|leaf| leaf.text.as_slice())
    }
}

impl Leaf {
    fn read(message: &Message, part: &Part) -> Option<Leaf> {
        let raw = part.body.of(message.text())?;
        if raw.len() > MAX_BYTES {
            return None;
        }
        let mut text = Vec::with_capacity(raw.len());
        let mut places = Vec::new();
        match part.encoding {
            Encoding::Base64 => part.encoding.decode(raw, &mut |bytes| text.extend_from_slice(bytes)),
            Encoding::QuotedPrintable => quoted_printable(raw, &mut text, &mut places),
            Encoding::Identity | Encoding::Unknown => {
                text.extend_from_slice(raw);
            }
        }
        let is_html = part.kind == "text/html";
        let name = if part.path.is_empty() { "the text".to_owned() } else { format!("part {}", part.path) };
        let mut ways = if is_html { Vec::new() } else { lines(&text, &name) };
        let html = if is_html { blocks(&text) } else { Vec::new() };
        ways.extend(
            html.into_iter().map(|(what, cuts)| Way { what: format!("{what} of the HTML of {name} is removed"), cuts }),
        );
        let width = raw.iter().position(|byte| *byte == b'\n').map_or(76, |end| end.saturating_sub(1)).max(4);
        let links = links::find(&text);
        Some(Leaf { body: part.body, encoding: part.encoding, text, places, ways, links, is_html, width })
    }

    /// What becomes of the decoded text, in order and without overlaps.
    fn changes(&self, way: Option<&Way>, links: Links) -> Vec<(Range<usize>, Vec<u8>)> {
        let mut all: Vec<(Range<usize>, Vec<u8>)> =
            way.into_iter().flat_map(|way| way.cuts.iter().cloned()).map(|cut| (cut, Vec::new())).collect();
        if links != Links::AsTheyCame {
            for link in &self.links {
                let Some(was) = &link.was else { continue };
                let escaped = self.is_html && links == Links::Escaped;
                let was = if escaped { was.replace('&', "&amp;") } else { was.clone() };
                all.push((link.start..link.end, was.into_bytes()));
            }
        }
        all.sort_by_key(|(range, with)| (range.start, !with.is_empty()));
        let mut end = 0;
        all.retain(|(range, _)| {
            let fits = range.start >= end;
            end = if fits { range.end } else { end };
            fits
        });
        all
    }

    /// Where a decoded byte stands in the message.
    fn place(&self, at: usize) -> Option<usize> {
        let inside = match self.encoding {
            Encoding::QuotedPrintable => usize::try_from(*self.places.get(at)?).ok()?,
            Encoding::Identity | Encoding::Unknown | Encoding::Base64 => at,
        };
        Some(self.body.start + inside)
    }

    fn render(
        &self,
        text: &[u8],
        changes: &[(Range<usize>, Vec<u8>)],
        out: &mut Vec<u8>,
        removed: &mut Vec<Span>,
    ) -> Option<()> {
        if self.encoding == Encoding::Base64 {
            let mut decoded = Vec::with_capacity(self.text.len());
            let mut at = 0;
            for (range, with) in changes {
                decoded.extend_from_slice(self.text.get(at..range.start)?);
                decoded.extend_from_slice(with);
                at = range.end;
            }
            decoded.extend_from_slice(self.text.get(at..)?);
            let encoded = BASE64_STANDARD.encode(decoded);
            for line in encoded.as_bytes().chunks(self.width) {
                out.extend_from_slice(line);
                out.extend_from_slice(b"\r\n");
            }
            // A part's last line end belongs to the delimiter below it.
            if !self.body.of(text)?.ends_with(b"\n") {
                out.truncate(out.len().saturating_sub(2));
            }
            removed.push(self.body);
            return Some(());
        }
        let mut at = self.body.start;
        for (range, with) in changes {
            let (from, to) = (self.place(range.start)?, self.place(range.end)?);
            out.extend_from_slice(text.get(at..from)?);
            if self.encoding == Encoding::QuotedPrintable {
                out.extend(with.iter().flat_map(|byte| match byte {
                    b'=' => b"=3D".to_vec(),
                    byte => vec![*byte],
                }));
            } else {
                out.extend_from_slice(with);
            }
            if from < to {
                removed.push(Span::new(from, to));
            }
            at = to;
        }
        out.extend_from_slice(text.get(at..self.body.end)?);
        Some(())
    }
}

/// Decodes, and notes where each byte stood.
fn quoted_printable(raw: &[u8], text: &mut Vec<u8>, places: &mut Vec<u32>) {
    // Parts have at most [`MAX_BYTES`].
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        let soft = |length: usize| raw.get(at + 1..at + 1 + length).unwrap_or_default();
        let (value, length) = match byte {
            b'=' if soft(2) == b"\r\n" => (None, 3),
            b'=' if soft(1) == b"\n" => (None, 2),
            b'=' => match std::str::from_utf8(soft(2)).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(value) => (Some(value), 3),
                None => (Some(b'='), 1),
            },
            byte => (Some(*byte), 1),
        };
        if let Some(value) = value {
            text.push(value);
            places.push(place(at));
        }
        at += length;
    }
    places.push(place(raw.len()));
}

/// Lines taken off the top or the end, and Proofpoint's marked banner.
fn lines(text: &[u8], name: &str) -> Vec<Way> {
    let starts: Vec<usize> = std::iter::once(0)
        .chain(memchr::memchr_iter(b'\n', text).map(|at| at + 1))
        .filter(|at| *at < text.len())
        .collect();
    let count = |lines: usize| if lines == 1 { "line".to_owned() } else { format!("{lines} lines") };
    let is = |lines: usize| if lines == 1 { "is" } else { "are" };
    let mut ways = Vec::new();
    let find = |word: &[u8]| memchr::memmem::find(text, word);
    if let (Some(from), Some(to)) = (find(b"ZjQcmQRYFpfptBannerStart"), find(b"ZjQcmQRYFpfptBannerEnd")) {
        let from = starts.iter().rev().find(|start| **start <= from).copied().unwrap_or(from);
        let to = starts.iter().find(|start| **start > to).copied().unwrap_or(text.len());
        if from < to {
            ways.push(Way {
                what: format!("Proofpoint's banner in {name} is removed"),
                cuts: once(from..to).collect(),
            });
        }
    }
    for lines in 1..=MAX_TOP {
        let Some(end) = starts.get(lines) else { break };
        let what = format!("the first {} of {name} {} removed", count(lines), is(lines));
        ways.push(Way { what, cuts: once(0..*end).collect() });
    }
    for lines in 1..=MAX_BOTTOM {
        let Some(start) = starts.len().checked_sub(lines).and_then(|at| starts.get(at)).filter(|start| **start > 0)
        else {
            break;
        };
        let what = format!("the last {} of {name} {} removed", count(lines), is(lines));
        // The line end before them was perhaps the delimiter's, and perhaps the text's.
        let before = text.get(..*start).unwrap_or_default();
        let ends = if before.ends_with(b"\r\n") { 2 } else { 1 };
        for start in [*start, start.saturating_sub(ends)] {
            ways.push(Way { what: what.clone(), cuts: once(start..text.len()).collect() });
        }
    }
    ways
}
