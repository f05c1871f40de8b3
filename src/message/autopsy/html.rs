//! Blocks that a gateway may have put into HTML: the first and the last elements of the body, and what stands between
//! comments that say "start" and "end". Nothing here understands HTML; a guess that is wrong mends no hash.

use std::iter::once;
use std::ops::Range;

/// How many elements of the body are looked at from its beginning to its end.
const MAX_ELEMENTS: usize = 3000;
/// How many elements at the beginning and at the end may have been put there.
const MAX_BLOCKS: usize = 3;
/// Elements without an end.
const VOID: &[&str] = &["br", "hr", "img", "input", "meta", "link", "!--", "!doctype"];

/// What may be taken out, each in words like "the first block" and as ranges.
pub(super) fn blocks(html: &[u8]) -> Vec<(String, Vec<Range<usize>>)> {
    let lower = html.to_ascii_lowercase();
    let mut found: Vec<(String, Vec<Range<usize>>)> = Vec::new();
    let marked = marked(&lower);
    if !marked.is_empty() {
        found.push(("what comments mark as inserted".into(), marked));
    }
    let start = memchr::memmem::find(&lower, b"<body")
        .and_then(|at| Some(at + memchr::memchr(b'>', lower.get(at..)?)? + 1))
        .unwrap_or(0);
    let end = memchr::memmem::rfind(&lower, b"</body").filter(|end| *end >= start).unwrap_or(lower.len());
    let elements = elements(&lower, start, end);
    let blank = |at: usize| {
        let rest = lower.get(at..end).unwrap_or_default();
        at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
    };
    for (number, element) in elements.iter().take(MAX_BLOCKS).enumerate() {
        let what =
            if number == 0 { "the first block".to_owned() } else { format!("all of the first {} blocks", number + 1) };
        let from = [start, elements.first().map_or(start, |first| first.start)];
        let to = [element.end, blank(element.end)];
        push(&mut found, &what, from, to);
    }
    for count in 1..=MAX_BLOCKS.min(elements.len()) {
        let Some(element) = elements.get(elements.len() - count) else { break };
        let what = if count == 1 { "the last block".to_owned() } else { format!("all of the last {count} blocks") };
        let above = lower.get(start..element.start).unwrap_or_default();
        let ended = start + above.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
        let last = elements.last().map_or(end, |last| last.end);
        push(&mut found, &what, [element.start, ended], [last, end]);
    }
    found
}

fn push(found: &mut Vec<(String, Vec<Range<usize>>)>, what: &str, from: [usize; 2], to: [usize; 2]) {
    for from in from {
        for to in to {
            let cuts: Vec<Range<usize>> = once(from..to).collect();
            if from < to && !found.iter().any(|(_, known)| *known == cuts) {
                found.push((what.to_owned(), cuts));
            }
        }
    }
}

/// Everything between `<!-- …start -->` and `<!-- …end -->`, the comments included, in order.
fn marked(lower: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = 0;
    while let Some(next) = lower.get(at..).and_then(|rest| memchr::memmem::find(rest, b"<!--")) {
        let start = at + next;
        let Some(length) = lower.get(start..).and_then(|rest| memchr::memmem::find(rest, b"-->")) else { break };
        let end = start + length + 3;
        let text = lower.get(start + 4..start + length).unwrap_or_default().trim_ascii();
        if text.ends_with(b"start") || text.ends_with(b"begin") {
            open.get_or_insert(start);
        } else if text.ends_with(b"end")
            && let Some(from) = open.take()
        {
            found.push(from..end);
        }
        at = end;
    }
    found
}

/// The elements between two places that stand in no other, in order.
fn elements(lower: &[u8], start: usize, end: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = start;
    while let Some(next) = lower.get(at..end).and_then(|rest| memchr::memchr(b'<', rest)) {
        let from = at + next;
        let Some(to) = element_end(lower, from, end) else { break };
        found.push(from..to);
        at = to;
        if found.len() >= MAX_ELEMENTS {
            // Where the last one is, is not known then.
            break;
        }
    }
    found
}

/// Where the element that begins at a place ends.
fn element_end(lower: &[u8], from: usize, end: usize) -> Option<usize> {
    let text = lower.get(from..end)?;
    if text.starts_with(b"<!--") {
        return memchr::memmem::find(text, b"-->").map(|at| from + at + 3);
    }
    let name = tag(text)?;
    let close = memchr::memchr(b'>', text)? + 1;
    if VOID.contains(&name) || text.get(close.checked_sub(2)?) == Some(&b'/') || name.starts_with('/') {
        return Some(from + close);
    }
    let (mut depth, mut at) = (1_usize, close);
    while let Some(next) = text.get(at..).and_then(|rest| memchr::memchr(b'<', rest)) {
        at += next;
        let rest = text.get(at..)?;
        match tag(rest) {
            Some(other) if other == name => depth += 1,
            Some(other) if other.strip_prefix('/') == Some(name) => depth -= 1,
            _ => {}
        }
        at += memchr::memchr(b'>', rest)? + 1;
        if depth == 0 {
            return Some(from + at);
        }
    }
    None
}

/// The name of the tag that a text begins with, the slash included.
fn tag(text: &[u8]) -> Option<&str> {
    let inner = text.strip_prefix(b"<")?;
    let end = inner.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'!' | b'-')))?;
    std::str::from_utf8(inner.get(..end)?).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(html: &str) -> Vec<String> {
        let cut = |cuts: Vec<Range<usize>>| {
            let mut out = String::new();
            let mut at = 0;
            for cut in cuts {
                out.push_str(html.get(at..cut.start).unwrap());
                at = cut.end;
            }
            out + html.get(at..).unwrap()
        };
        blocks(html.as_bytes()).into_iter().map(|(_, cuts)| cut(cuts)).collect()
    }

    #[test]
    fn the_page_before_a_banner_or_a_footer_was_put_in_is_among_the_guesses() {
        for (page, banner, at) in [
            ("<html><body lang=en>\r\n<p>Hi</p></body></html>", "<div><div>CAUTION</div></div>", "<body lang=en>"),
            ("<html><body>\r\n<p>Hi</p></body></html>", "\r\n<TABLE><tr><td>x</td></tr></TABLE><br>", "<body>"),
            ("<p>Hi</p><p>there</p>", "<div>EXTERNAL</div><hr>\r\n", ""),
            ("<body><p>Hi</p>\r\n</body>", "<div>left out by <b>list</b></div>\r\n", "</p>\r\n"),
            ("<body><p>Hi</p></body>", "<!-- B-start --><style>x</style><p>b</p><!-- B-end -->", "<body>"),
        ] {
            let at = page.find(at).unwrap() + at.len();
            let (above, below) = page.split_at_checked(at).unwrap();
            let changed = format!("{above}{banner}{below}");
            assert!(without(&changed).iter().any(|guess| guess == page), "{changed}: {:?}", without(&changed));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_markup_gives_ranges_inside_of_it(html in "(<|/|div|>|p|!--|-->|body| start| end|x|\\r\\n){0,60}") {
            for (_, cuts) in blocks(html.as_bytes()) {
                for cut in cuts {
                    proptest::prop_assert!(cut.start < cut.end && cut.end <= html.len());
                }
            }
        }
    }
}
