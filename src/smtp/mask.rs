//! Secrets in a dialogue, masked before they reach a transcript: nothing that shows, copies or saves one can leak them.

use base64::Engine as _;

use crate::smtp::session::Verb;

/// What stands in place of a secret.
pub const MASK: &[u8] = b"********";

/// How many characters of a line that is being typed may be shown: all of them, but for what follows `AUTH` and a mechanism.
pub fn shown(typed: &str) -> usize {
    let all = typed.chars().count();
    let Some((auth, rest)) = typed.trim_start().split_once(' ') else { return all };
    let rest = rest.trim_start();
    match rest.find(' ') {
        Some(end) if auth.eq_ignore_ascii_case("AUTH") => {
            let secret = rest.get(end..).unwrap_or_default();
            all - secret.trim_start().chars().count()
        }
        Some(_) | None => all,
    }
}

/// Follows a dialogue and knows which line is a secret (RFC 4954 §4). In doubt it is one: lines go out before the replies to
/// those before them have come, and a reply may be to another command.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// The mechanism of the last AUTH.
    mechanism: Vec<u8>,
    /// Whether that AUTH is under way.
    open: bool,
    /// Whether the server waits for our next part.
    asked: bool,
    /// How many parts went out.
    parts: usize,
}

impl Mask {
    /// A line that we send, as it may be shown, and whether something in it was masked.
    pub fn sent(&mut self, line: &[u8]) -> (Vec<u8>, bool) {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
        if self.asked || (self.open && Verb::parse(line) == Verb::Other) {
            self.asked = false;
            self.parts += 1;
            // `*` cancels; the user name of LOGIN is no secret and says who tried.
            if line == b"*" {
                self.open = false;
                return (line.to_vec(), false);
            }
            if self.is_login() && self.parts == 1 && is_base64(line) {
                return (line.to_vec(), false);
            }
            return (MASK.to_vec(), true);
        }
        match words.as_slice() {
            [auth, mechanism, rest @ ..] if auth.eq_ignore_ascii_case(b"AUTH") => {
                (self.mechanism, self.open, self.parts) = (mechanism.to_ascii_uppercase(), true, 0);
                let [initial, ..] = rest else { return (line.to_vec(), false) };
                self.parts = 1;
                if *initial == b"=" || (self.is_login() && is_base64(initial)) {
                    return (line.to_vec(), false);
                }
                (["AUTH ".as_bytes(), mechanism, b" ", MASK].concat(), true)
            }
            _ => {
                self.open = false;
                (line.to_vec(), false)
            }
        }
    }

    /// A line from the server: 334 asks for the next part, whatever was said since; 235 and a refusal end the AUTH. Another
    /// reply is to another command.
    pub fn received(&mut self, line: &[u8]) {
        match line.first() {
            _ if line.starts_with(b"334") => (self.asked, self.open) = (true, true),
            Some(b'4' | b'5') => (self.asked, self.open) = (false, false),
            _ if line.starts_with(b"235") => (self.asked, self.open) = (false, false),
            _ => {}
        }
    }

    fn is_login(&self) -> bool {
        self.mechanism == b"LOGIN"
    }
}

fn is_base64(bytes: &[u8]) -> bool {
    base64::engine::general_purpose::STANDARD.decode(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(lines: &[&str]) -> Vec<String> {
        let mut mask = Mask::default();
        lines
            .iter()
            .map(|line| match line.strip_prefix("S ") {
                Some(server) => {
                    mask.received(server.as_bytes());
                    line.to_string()
                }
                None => String::from_utf8(mask.sent(line.as_bytes()).0).unwrap(),
            })
            .collect()
    }

    #[test]
    fn passwords_never_reach_a_transcript() {
        assert_eq!(run(&["AUTH PLAIN AGEAYg=="]), ["AUTH PLAIN ********"]);
        assert_eq!(run(&["auth plain", "S 334 ", "AGEAYg=="])[2], "********");
        assert_eq!(
            run(&["AUTH LOGIN", "S 334 VXNlcm5hbWU6", "dXNlcg==", "S 334 UGFzc3dvcmQ6", "cGFzcw=="])[4],
            "********"
        );
        assert_eq!(
            run(&["AUTH LOGIN dXNlcg==", "S 334 UGFzc3dvcmQ6", "cGFzcw=="]),
            ["AUTH LOGIN dXNlcg==", "S 334 UGFzc3dvcmQ6", "********"]
        );
        assert_eq!(
            run(&["AUTH LOGIN", "S 334 x", "my plain password"])[2],
            "********",
            "typed in the clear by mistake"
        );
        assert_eq!(run(&["AUTH XOAUTH2 dXNlcj1h"]), ["AUTH XOAUTH2 ********"]);
    }

    #[test]
    fn a_secret_is_covered_while_it_is_typed() {
        for (typed, open) in [
            ("AUTH PLAIN AGEAYg==", "AUTH PLAIN "),
            (" auth  plain  AGEAYg==", " auth  plain  "),
            ("AUTH PLAIN ", "AUTH PLAIN "),
            ("AUTH PLAIN", "AUTH PLAIN"),
            ("AUTH XOAUTH2 grün x", "AUTH XOAUTH2 "),
            ("MAIL FROM:<a@b> SIZE=3", "MAIL FROM:<a@b> SIZE=3"),
            ("", ""),
        ] {
            assert_eq!(typed.chars().take(shown(typed)).collect::<String>(), open);
        }
    }

    #[test]
    fn a_secret_that_is_sent_ahead_of_its_334_is_masked_too() {
        assert_eq!(run(&["AUTH PLAIN", "AGEAYg==", "QUIT"]), ["AUTH PLAIN", "********", "QUIT"]);
        assert_eq!(run(&["AUTH LOGIN", "dXNlcg==", "cGFzcw=="])[1..], ["dXNlcg==", "********"]);
        // The reply to a command before AUTH does not end it, nor does a command behind it.
        assert_eq!(run(&["NOOP", "AUTH PLAIN", "S 250 ok", "S 334 ", "AGEAYg=="])[4], "********");
        assert_eq!(run(&["AUTH PLAIN", "NOOP", "S 334 ", "AGEAYg=="])[3], "********");
    }

    #[test]
    fn what_is_no_secret_stays() {
        assert_eq!(run(&["AUTH PLAIN", "S 334 ", "*", "EHLO me"])[2..], ["*", "EHLO me"]);
        assert_eq!(run(&["AUTH PLAIN x", "S 535 no", "MAIL FROM:<a@b>"])[2], "MAIL FROM:<a@b>");
    }
}
