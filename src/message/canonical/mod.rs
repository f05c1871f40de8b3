//! Canonicalisation of header fields and body (RFC 6376 §3.4), and body hashes (§3.7).
//!
//! Our own, because an inspector shows these bytes, and because `l=` counts them after canonicalisation and white lines
//! at the end of a relaxed body go. The body streams: it is never copied whole, and one pass makes every hash of one
//! canonicalisation, whatever `l=` each signature has.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use serde::Serialize;

use crate::message::lines::is_wsp;
use crate::message::reading::{Stopped, Watch};

/// How much of a body is looked at at a time; small enough to stay in a core's cache.
const BLOCK: usize = 64 * 1024;

/// A canonicalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Canon {
    /// As it stands.
    Simple,
    /// White space is evened out, names are lower case.
    Relaxed,
}

impl Canon {
    /// The word in `c=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Canon::Simple => "simple",
            Canon::Relaxed => "relaxed",
        }
    }
}

/// A hash algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// SHA-1, computed to show what it would have said (RFC 8301 forbids to rely on it).
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Hash {
    /// The word in `a=` and in a key's `h=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Hash::Sha1 => "sha1",
            Hash::Sha256 => "sha256",
        }
    }

    fn context(self) -> Context {
        Context::new(match self {
            Hash::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &SHA256,
        })
    }

    /// The hash of some bytes.
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        let mut context = self.context();
        context.update(bytes);
        context.finish().as_ref().to_vec()
    }
}

/// Which body hash a signature wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The body's canonicalisation.
    pub canon: Canon,
    /// The hash.
    pub hash: Hash,
    /// `l=`: how many canonical bytes; `None` for all.
    pub length: Option<u64>,
}

/// The body hash of one [`Wanted`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyHash {
    /// The digest of what is covered; of the whole body when `length` is longer than it.
    pub digest: Vec<u8>,
    /// How many canonical bytes were hashed.
    pub covered: u64,
    /// How many canonical bytes the body has.
    pub total: u64,
}

/// The hashes of a body, in the order of `wanted`; one pass over the body for each canonicalisation and hash in use.
pub fn body_hashes(body: &[u8], wanted: &[Wanted]) -> Vec<BodyHash> {
    watched_hashes(body, wanted, Watch::of(&|_| true)).unwrap_or_default()
}

/// The same, while somebody hears how far it is.
pub(super) fn watched_hashes(body: &[u8], wanted: &[Wanted], watch: Watch<'_>) -> Result<Vec<BodyHash>, Stopped> {
    let mut passes: Vec<(Canon, Hash)> = Vec::new();
    for one in wanted {
        if !passes.contains(&(one.canon, one.hash)) {
            passes.push((one.canon, one.hash));
        }
    }
    let hashing = watch.hashing(body.len() as u64 * passes.len() as u64);
    let mut found: Vec<Option<BodyHash>> = vec![None; wanted.len()];
    for canon in [Canon::Simple, Canon::Relaxed] {
        for hash in [Hash::Sha1, Hash::Sha256] {
            let is_here = |w: &Wanted| w.canon == canon && w.hash == hash;
            if !wanted.iter().any(is_here) {
                continue;
            }
            let mut cuts: Vec<u64> = wanted.iter().filter(|w| is_here(w)).filter_map(|w| w.length).collect();
            cuts.sort_unstable();
            cuts.dedup();
            let mut hasher = Hasher { context: hash.context(), seen: 0, cuts, done: Vec::new() };
            canonical_body(canon, body, &mut |bytes| {
                if hashing.go_on(bytes.len()) {
                    hasher.update(bytes);
                }
            });
            hashing.end()?;
            for (slot, w) in found.iter_mut().zip(wanted) {
                if is_here(w) {
                    *slot = Some(hasher.result(w.length));
                }
            }
        }
    }
    Ok(found.into_iter().flatten().collect())
}

/// A hash that remembers what it was at each cut.
struct Hasher {
    context: Context,
    seen: u64,
    cuts: Vec<u64>,
    done: Vec<(u64, Vec<u8>)>,
}

impl Hasher {
    fn update(&mut self, mut bytes: &[u8]) {
        while let Some(cut) = self.cuts.get(self.done.len()).copied() {
            let left = usize::try_from(cut - self.seen).unwrap_or(usize::MAX);
            let Some((before, after)) = bytes.split_at_checked(left) else { break };
            self.feed(before);
            self.done.push((cut, self.context.clone().finish().as_ref().to_vec()));
            bytes = after;
        }
        self.feed(bytes);
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.seen += bytes.len() as u64;
    }

    fn result(&self, length: Option<u64>) -> BodyHash {
        let at_cut = length.and_then(|length| self.done.iter().find(|(cut, _)| *cut == length));
        match at_cut {
            Some((cut, digest)) => BodyHash { digest: digest.clone(), covered: *cut, total: self.seen },
            None => {
                let context = self.context.clone();
                // `l=0` over an empty relaxed body: no byte ever came by the cut.
                let covered = self.seen.min(length.unwrap_or(self.seen));
                BodyHash { digest: context.finish().as_ref().to_vec(), covered, total: self.seen }
            }
        }
    }
}

/// Feeds the canonical body to `sink`, piece by piece. The body has CRLF line ends.
pub fn canonical_body(canon: Canon, body: &[u8], sink: &mut dyn FnMut(&[u8])) {
    match canon {
        Canon::Simple => simple_body(body, sink),
        Canon::Relaxed => relaxed_body(body, sink),
    }
}

/// RFC 6376 §3.4.3: empty lines at the end go, and the body ends with one CRLF.
fn simple_body(body: &[u8], sink: &mut dyn FnMut(&[u8])) {
    let mut content = body;
    while let Some(shorter) = content.strip_suffix(b"\r\n") {
        content = shorter;
    }
    for block in content.chunks(BLOCK) {
        sink(block);
    }
    sink(b"\r\n");
}

/// RFC 6376 §3.4.4: white space at line ends goes, runs of it become one space, lines that are empty by then go at the
/// end; an empty body stays empty.
fn relaxed_body(body: &[u8], sink: &mut dyn FnMut(&[u8])) {
    let end = relaxed_end(body);
    let mut rest = body.get(..end).unwrap_or_default();
    if rest.is_empty() {
        return;
    }
    let mut evened = Vec::new();
    while !rest.is_empty() {
        let (block, after) = rest.split_at_checked(block_end(rest)).unwrap_or((rest, &[]));
        if is_relaxed(block) {
            sink(block);
        } else {
            evened.clear();
            relax(block, &mut evened);
            sink(&evened);
        }
        rest = after;
    }
    sink(b"\r\n");
}

/// Where a relaxed body's last line ends, its white space and every white line after it taken away.
fn relaxed_end(body: &[u8]) -> usize {
    let mut end = body.len();
    loop {
        let content = body.get(..end).unwrap_or_default();
        match content {
            [.., b'\r', b'\n'] => end -= 2,
            [.., last] if is_wsp(*last) => end -= 1,
            _ => return end,
        }
    }
}

/// Where to cut a block: after a line end past [`BLOCK`] bytes.
fn block_end(rest: &[u8]) -> usize {
    let Some(past) = rest.get(BLOCK..) else { return rest.len() };
    memchr::memchr(b'\n', past).map_or(rest.len(), |lf| BLOCK + lf + 1)
}

/// Whether nothing in a block of whole lines would change: no tab, no second blank, no blank before CR. Most lines of
/// most bodies are base64 or HTML that is so, and a compiler makes vector code of this.
fn is_relaxed(block: &[u8]) -> bool {
    let next = block.get(1..).unwrap_or_default();
    let mut bad = block.last() == Some(&b'\t');
    for (a, b) in block.iter().zip(next) {
        bad |= (*a == b'\t') | ((*a == b' ') & ((*b == b' ') | (*b == b'\r')));
    }
    !bad
}

/// Evens out the white space of whole lines.
fn relax(block: &[u8], out: &mut Vec<u8>) {
    let mut rest = block;
    while let Some(at) = memchr::memchr2(b' ', b'\t', rest) {
        let (text, white) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(text);
        let run = white.iter().take_while(|byte| is_wsp(**byte)).count();
        rest = white.get(run..).unwrap_or_default();
        if !rest.starts_with(b"\r\n") {
            out.push(b' ');
        }
    }
    out.extend_from_slice(rest);
}

/// Adds one header field's canonical form, its CRLF included. `whole` is name, colon, value and CRLF as they stand.
pub fn canonical_field(canon: Canon, whole: &[u8], out: &mut Vec<u8>) {
    match canon {
        Canon::Simple => {
            out.extend_from_slice(whole);
            if !whole.ends_with(b"\r\n") {
                out.extend_from_slice(b"\r\n");
            }
        }
        Canon::Relaxed => relaxed_field(whole, out),
    }
}

/// RFC 6376 §3.4.2.
fn relaxed_field(whole: &[u8], out: &mut Vec<u8>) {
    let colon = memchr::memchr(b':', whole).unwrap_or(whole.len());
    let name = crate::message::lines::trim_end(whole.get(..colon).unwrap_or_default());
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let mut rest = whole.get(colon + 1..).unwrap_or_default();
    let mut white = false;
    let start = out.len();
    while let Some(byte) = rest.first() {
        if let Some(unfolded) = rest.strip_prefix(b"\r\n") {
            rest = unfolded;
            continue;
        }
        if is_wsp(*byte) {
            white = true;
        } else {
            if white && out.len() > start {
                out.push(b' ');
            }
            white = false;
            out.push(*byte);
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(b"\r\n");
}

/// A signature field as it is hashed by itself: the value of `b=` deleted with all white space around it, everything
/// else as it stands (RFC 6376 §3.5, §3.7).
pub fn without_signature(whole: &[u8]) -> Vec<u8> {
    let Some(value) = signature_span(whole) else { return whole.to_vec() };
    let mut out = whole.get(..value.start).unwrap_or_default().to_vec();
    out.extend_from_slice(whole.get(value.end..).unwrap_or_default());
    out
}

/// Where the value of `b=` stands in a signature field, the white space around it included, the field's CRLF not.
pub fn signature_span(whole: &[u8]) -> Option<crate::finding::Span> {
    let colon = memchr::memchr(b':', whole)?;
    let end = whole.strip_suffix(b"\r\n").map_or(whole.len(), <[u8]>::len);
    let mut start = colon + 1;
    for part in whole.get(start..end)?.split(|byte| *byte == b';') {
        let equals = memchr::memchr(b'=', part);
        if let Some(equals) = equals
            && part.get(..equals)?.trim_ascii() == b"b"
        {
            return Some(crate::finding::Span::new(start + equals + 1, start + part.len()));
        }
        start += part.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests;
