//! Dot-stuffing (RFC 5321 §4.5.2): how a message goes through DATA, and how it comes out again.

/// A message as it goes on the wire: CR LF line ends, a dot before each line that begins with one, the final dot. Bare CR
/// and bare LF become CR LF: a conforming client cannot send them (cases.md 122).
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 64 + 8);
    let mut at_start = true;
    let mut bytes = message.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                    bytes.next();
                }
                wire.extend_from_slice(b"\r\n");
                at_start = true;
            }
            _ => {
                if at_start && byte == b'.' {
                    wire.push(b'.');
                }
                wire.push(byte);
                at_start = false;
            }
        }
    }
    if !at_start {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// One line of DATA without its line end: the line that it stands for, or `None` for the final dot.
pub fn unstuffed(line: &[u8]) -> Option<&[u8]> {
    match line {
        b"." => None,
        [b'.', rest @ ..] => Some(rest),
        line => Some(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dots_are_doubled_and_line_ends_made_whole() {
        assert_eq!(stuffed(b"a\n.\n..b\r\nc"), b"a\r\n..\r\n...b\r\nc\r\n.\r\n");
        assert_eq!(stuffed(b"a\n.\r\nQUIT"), b"a\r\n..\r\nQUIT\r\n.\r\n");
        assert_eq!(stuffed(b""), b".\r\n");
    }

    proptest! {
        #[test]
        fn the_final_dot_stands_once_and_at_the_end(message in any::<Vec<u8>>()) {
            let wire = stuffed(&message);
            let lines: Vec<&[u8]> = wire.split(|b| *b == b'\n').collect();
            let finals = lines.iter().filter(|line| **line == b".\r").count();
            prop_assert_eq!(finals, 1);
            prop_assert!(wire.ends_with(b".\r\n"));
        }
    }
}
