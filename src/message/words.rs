//! Encoded words of a header made readable (RFC 2047); mail-parser decodes, foreign characters stay as they are.

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

/// How much of a value is decoded.
const MAX_BYTES: usize = 4096;

/// A header text with its encoded words decoded; a text without any stays as it is.
pub(super) fn decoded(text: &str) -> String {
    if !text.contains("=?") || text.len() > MAX_BYTES {
        return text.to_owned();
    }
    let line = format!("{text}\r\n");
    match MessageStream::new(line.as_bytes()).parse_unstructured() {
        HeaderValue::Text(decoded) => decoded.into_owned(),
        HeaderValue::TextList(parts) => parts.join(" "),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_read_and_the_rest_stays() {
        assert_eq!(decoded("=?utf-8?q?B=C3=A4nk?="), "Bänk");
        assert_eq!(decoded("=?UTF-8?B?UGF5UGFs?= Service"), "PayPal Service");
        assert_eq!(decoded("plain \u{202e}text"), "plain \u{202e}text");
        assert_eq!(decoded("=?broken"), "=?broken");
    }
}
