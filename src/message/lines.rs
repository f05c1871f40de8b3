//! Lines of a text, found at memory speed: no line is copied.

/// The lines of `text`, each with its offsets.
pub(super) struct Lines<'a> {
    text: &'a [u8],
    at: usize,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Offset of its first byte.
    pub start: usize,
    /// The line without its end.
    pub bytes: &'a [u8],
    /// Offset just after its end.
    pub next: usize,
}

/// Cuts at LF; a CR before it belongs to the line end.
pub(super) fn lines(text: &[u8]) -> Lines<'_> {
    Lines { text, at: 0 }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let start = self.at;
        let (bytes, length) = match memchr::memchr(b'\n', rest) {
            Some(end) => {
                let line = rest.get(..end).unwrap_or_default();
                (line.strip_suffix(b"\r").unwrap_or(line), end + 1)
            }
            None => (rest, rest.len()),
        };
        self.at += length;
        Some(Line { start, bytes, next: self.at })
    }
}

/// Whether a byte is the grammar's WSP.
pub(super) fn is_wsp(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Whether a line continues the field above it (RFC 5322 §2.2.3).
pub(super) fn is_folded(line: &[u8]) -> bool {
    line.first().is_some_and(|byte| is_wsp(*byte))
}

/// How long the name is, and where the colon stands, when a line starts a header field: printable ASCII, then a colon,
/// obsolete white space between them allowed (RFC 5322 §4.5).
pub(super) fn field_name(line: &[u8]) -> Option<(usize, usize)> {
    let length = line.iter().position(|byte| !matches!(byte, 33..=57 | 59..=126))?;
    let colon = length + line.get(length..)?.iter().position(|byte| !is_wsp(*byte))?;
    (length > 0 && line.get(colon) == Some(&b':')).then_some((length, colon))
}

/// `bytes` without the WSP at its end.
pub(super) fn trim_end(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().rposition(|byte| !is_wsp(*byte)).map_or(0, |last| last + 1);
    bytes.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_know_where_they_stand() {
        let text = b"a\r\n\nbc";
        let found: Vec<_> = lines(text).map(|line| (line.start, line.bytes, line.next)).collect();
        assert_eq!(found, [(0, &b"a"[..], 3), (3, b"", 4), (4, b"bc", 6)]);
    }

    #[test]
    fn a_field_name_is_printable_and_ends_at_the_colon() {
        for (line, found) in [
            (&b"From: a"[..], Some((4, 4))),
            (b"X-A_b.c!:", Some((8, 8))),
            (b"Subject \t: x", Some((7, 9))),
            (b": x", None),
            (b"no colon", None),
            (b"https ://", Some((5, 6))),
            (b"two words: x", None),
            (b"na\xefve: x", None),
            (b"", None),
        ] {
            assert_eq!(field_name(line), found, "{line:?}");
        }
    }
}
