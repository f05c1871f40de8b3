//! What a polite sender says next: a pure step over the transcript so far. It looks like mail, not like a scanner: one
//! connection, one greeting, STARTTLS where it is offered, QUIT (cases.md 126). DATA goes out only when the person has
//! composed and confirmed a message.

use std::sync::Arc;

use crate::check::{Dialogue, Stage, TlsMode, Transcript};
use crate::smtp::script::Script;
use crate::smtp::session::{Exchange, Session, Verb};

/// What the engine does next on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Sends this line; the engine adds CR LF.
    Send(Vec<u8>),
    /// Sends the dialogue's message, dot-stuffed, with the final dot.
    SendMessage,
    /// Sends this message, dot-stuffed, with the final dot: composed and confirmed by the person.
    SendThis(Arc<[u8]>),
    /// Says these lines, as far as the server's replies let them: pasted and confirmed by the person.
    Script(Box<Script>),
    /// Begins the TLS handshake.
    StartTls,
    /// Waits for the server, or for the person when it is hands-on.
    Listen,
    /// Connects anew, without TLS: what an opportunistic sender does after a failed handshake (RFC 7435 §3).
    Reconnect,
    /// Closes the connection: nothing is left to say.
    Hang,
}

/// The next move of a dialogue, `ehlo` being the name that we give.
pub fn next_move(dialogue: &Dialogue, ehlo: &str, transcript: &Transcript) -> Move {
    let session = Session::read(transcript);
    if session.tls_failed.is_some() && session.connections < 2 {
        return after_failed_handshake(dialogue);
    }
    if session.closed || session.silent || session.not_connected.is_some() {
        return Move::Hang;
    }
    let Some(last) = session.exchanges.last() else { return Move::Listen };
    if dialogue.tls == TlsMode::Implicit && session.tls.is_none() {
        return Move::StartTls;
    }
    // A person may have sent more behind it.
    let agreed = |one: &Exchange| one.reply.is_positive() && one.is_complete();
    if session.tls.is_none() && session.last(Verb::StartTls).is_some_and(agreed) {
        return Move::StartTls;
    }
    // A greeting without a code is no greeting: no client waits for the rest of it.
    let gibberish = last.verb == Verb::Banner && last.reply.lines.first().is_some_and(|line| line.code.is_none());
    if gibberish && !dialogue.hands_on {
        return Move::Hang;
    }
    if session.waiting().is_some() || dialogue.hands_on {
        return Move::Listen;
    }
    // 421 means that the server is closing whatever we say (RFC 5321 §3.8).
    if last.reply.code() == Some(421) || last.verb == Verb::Quit {
        return Move::Hang;
    }
    let quit = || Move::Send(b"QUIT".to_vec());
    let stage = last.verb.stage();
    if stage >= dialogue.stop_after && stage != Stage::StartTls && last.reply.code() != Some(354) {
        return quit();
    }
    let greet = |verb: &str| Move::Send(format!("{verb} {ehlo}").into_bytes());
    let hello = if dialogue.lmtp { "LHLO" } else { "EHLO" };
    match last.verb {
        Verb::Banner if last.reply.is_positive() => greet(hello),
        Verb::Banner => quit(),
        Verb::Ehlo if last.reply.is_permanent() => greet("HELO"),
        Verb::StartTls if last.reply.is_positive() => greet(hello),
        Verb::StartTls if dialogue.tls == TlsMode::Require => quit(),
        Verb::Ehlo | Verb::Helo | Verb::Lhlo if !last.reply.is_positive() => quit(),
        Verb::Ehlo | Verb::Helo | Verb::Lhlo | Verb::StartTls => after_greeting(dialogue, &session),
        Verb::Mail if last.reply.is_positive() => recipient_or(dialogue, 0, quit()),
        Verb::Rcpt => {
            let recipients = session.exchanges.iter().filter(|exchange| exchange.verb == Verb::Rcpt);
            let (tried, accepted) =
                recipients.fold((0, false), |(n, any), exchange| (n + 1, any || exchange.reply.is_positive()));
            let after = if accepted && dialogue.data.is_some() { Move::Send(b"DATA".to_vec()) } else { quit() };
            recipient_or(dialogue, tried, after)
        }
        Verb::Data if last.reply.code() == Some(354) => Move::SendMessage,
        Verb::Mail
        | Verb::Data
        | Verb::Message
        | Verb::Bdat
        | Verb::Auth
        | Verb::AuthStep
        | Verb::Rset
        | Verb::Noop
        | Verb::Vrfy
        | Verb::Expn
        | Verb::Help
        | Verb::Quit
        | Verb::Other => quit(),
    }
}

fn after_failed_handshake(dialogue: &Dialogue) -> Move {
    // Only a dialogue that wants to go past TLS shows what an opportunistic sender would do in the clear.
    if dialogue.tls == TlsMode::Auto && dialogue.mail_from.is_some() { Move::Reconnect } else { Move::Hang }
}

fn after_greeting(dialogue: &Dialogue, session: &Session<'_>) -> Move {
    let tried = session.last(Verb::StartTls).is_some();
    let wanted = matches!(dialogue.tls, TlsMode::Auto | TlsMode::Require);
    if wanted && session.tls.is_none() && !tried {
        if session.offers(false, "STARTTLS") {
            return Move::Send(b"STARTTLS".to_vec());
        }
        if dialogue.tls == TlsMode::Require {
            return Move::Send(b"QUIT".to_vec());
        }
    }
    match &dialogue.mail_from {
        Some(sender) if dialogue.stop_after >= Stage::MailFrom => {
            Move::Send(format!("MAIL FROM:<{sender}>").into_bytes())
        }
        _ => Move::Send(b"QUIT".to_vec()),
    }
}

fn recipient_or(dialogue: &Dialogue, index: usize, otherwise: Move) -> Move {
    match dialogue.rcpt_to.get(index) {
        Some(recipient) if dialogue.stop_after >= Stage::RcptTo => {
            Move::Send(format!("RCPT TO:<{recipient}>").into_bytes())
        }
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::session::tests::transcript;

    fn dialogue() -> Dialogue {
        Dialogue::look("mail.example", "192.0.2.25:25".parse().unwrap())
    }

    fn next(dialogue: &Dialogue, text: &str) -> String {
        match next_move(dialogue, "me.example", &transcript(text)) {
            Move::Send(line) => String::from_utf8(line).unwrap(),
            other => format!("{other:?}"),
        }
    }

    const UP_TO_EHLO: &str = "*connect\nS: 220 hi\nC: EHLO me.example\nS: 250-mail.example\nS: 250 STARTTLS";

    #[test]
    fn the_polite_look_greets_encrypts_greets_again_and_quits() {
        let look = dialogue();
        assert_eq!(next(&look, "*connect"), "Listen");
        assert_eq!(next(&look, "*connect\nS: 220-wait"), "Listen");
        assert_eq!(next(&look, "*connect\nS: 220 hi"), "EHLO me.example");
        assert_eq!(next(&look, UP_TO_EHLO), "STARTTLS");
        assert_eq!(next(&look, &format!("{UP_TO_EHLO}\nC: STARTTLS\nS: 220 go")), "StartTls");
        let inside = format!("{UP_TO_EHLO}\nC: STARTTLS\nS: 220 go\n*tls");
        assert_eq!(next(&look, &inside), "EHLO me.example");
        let greeted = format!("{inside}\nC: EHLO me.example\nS: 250 mail.example");
        assert_eq!(next(&look, &greeted), "QUIT");
        assert_eq!(next(&look, &format!("{greeted}\nC: QUIT\nS: 221 bye")), "Hang");
    }

    #[test]
    fn a_server_that_does_not_want_us_is_left_politely() {
        assert_eq!(next(&dialogue(), "*connect\nS: 554 no"), "QUIT");
        assert_eq!(next(&dialogue(), "*connect\nS: 421 busy"), "Hang");
        assert_eq!(next(&dialogue(), "*connect\nS: HTTP/1.1 400 Bad Request"), "Hang");
        assert_eq!(next(&Dialogue { hands_on: true, ..dialogue() }, "*connect\nS: HTTP/1.1 400 Bad Request"), "Listen");
        assert_eq!(next(&dialogue(), "*connect\n*silence"), "Hang");
        assert_eq!(next(&dialogue(), "*connect\nS: 220 hi\nC: EHLO me\nS: 502 what"), "HELO me.example");
    }

    #[test]
    fn starttls_that_is_refused_is_not_starttls_that_is_required() {
        let refused = format!("{UP_TO_EHLO}\nC: STARTTLS\nS: 454 not now");
        let with_mail = Dialogue { mail_from: Some("a@b".into()), ..dialogue() };
        assert_eq!(next(&with_mail, &refused), "MAIL FROM:<a@b>");
        assert_eq!(next(&Dialogue { tls: TlsMode::Require, ..with_mail.clone() }, &refused), "QUIT");
        let absent = "*connect\nS: 220 hi\nC: EHLO me\nS: 250 mail";
        assert_eq!(next(&Dialogue { tls: TlsMode::Require, ..with_mail }, absent), "QUIT");
    }

    #[test]
    fn nothing_is_sent_in_the_clear_after_a_failed_handshake_unless_mail_was_asked_for() {
        let failed = format!("{UP_TO_EHLO}\nC: STARTTLS\nS: 220 go\n*tls-failed");
        assert_eq!(next(&dialogue(), &failed), "Hang");
        assert_eq!(next(&Dialogue { mail_from: Some(String::new()), ..dialogue() }, &failed), "Reconnect");
    }

    #[test]
    fn data_needs_a_message_and_an_accepted_recipient() {
        let with = Dialogue {
            tls: TlsMode::Never,
            mail_from: Some("a@b".into()),
            rcpt_to: vec!["c@d".into(), "e@f".into()],
            data: Some(std::sync::Arc::from(b"Subject: x\r\n\r\n".as_slice())),
            ..dialogue()
        };
        let mail = "*connect\nS: 220 hi\nC: EHLO me\nS: 250 mail\nC: MAIL FROM:<a@b>\nS: 250 ok";
        assert_eq!(next(&with, mail), "RCPT TO:<c@d>");
        let first = format!("{mail}\nC: RCPT TO:<c@d>\nS: 250 ok");
        assert_eq!(next(&with, &first), "RCPT TO:<e@f>");
        let both = format!("{first}\nC: RCPT TO:<e@f>\nS: 550 no");
        assert_eq!(next(&with, &both), "DATA");
        assert_eq!(next(&Dialogue { stop_after: Stage::RcptTo, ..with.clone() }, &both), "QUIT");
        assert_eq!(next(&Dialogue { data: None, ..with.clone() }, &both), "QUIT");
        let banner = "*connect\nS: 220 hi";
        assert_eq!(next(&Dialogue { stop_after: Stage::Banner, ..with.clone() }, banner), "QUIT");
        assert_eq!(next(&Dialogue { stop_after: Stage::Ehlo, ..dialogue() }, UP_TO_EHLO), "QUIT");
        assert_eq!(next(&Dialogue { stop_after: Stage::Auth, ..dialogue() }, UP_TO_EHLO), "STARTTLS");
        assert_eq!(next(&Dialogue { lmtp: true, ..with.clone() }, banner), "LHLO me.example");
        assert_eq!(next(&with, &format!("{both}\nC: DATA\nS: 354 go")), "SendMessage");
    }
}
