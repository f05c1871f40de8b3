//! What is strange in what a client does, in sentences: what was seen, why it matters, what to do.

use super::body::{Body, Smuggling};
use super::path::Slip;
use crate::finding::Finding;

pub(super) fn early_talk(bytes: usize) -> Finding {
    Finding::warning(
        "listen.talked-before-banner",
        format!(
            "The client sent {bytes} bytes before the banner. Spam programs do; many servers refuse such a client."
        ),
    )
    .with_fix("Wait for the whole 220 reply before the first command.")
    .with_reference("RFC 5321 §3.1")
}

pub(super) fn tls_on_clear_port() -> Finding {
    Finding::error(
        "listen.tls-on-clear-port",
        "The client began with a TLS handshake, but this port begins in the clear: it is set to implicit TLS (SMTPS).",
    )
    .with_fix("Set the client to STARTTLS, or listen with implicit-tls.")
    .with_reference("RFC 8314 §3.3")
}

/// No handshake came where TLS begins with the first byte.
pub fn no_tls_on_tls_port() -> Finding {
    Finding::error(
        "listen.no-tls-on-tls-port",
        "The client did not begin with a TLS handshake although this port is set to implicit TLS: it speaks or waits in the clear.",
    )
    .with_fix("Set the client to implicit TLS, or listen without implicit-tls.")
    .with_reference("RFC 8314 §3.3")
}

/// No handshake came after STARTTLS was answered 220.
pub fn no_tls_handshake() -> Finding {
    Finding::warning(
        "listen.no-tls-handshake",
        "The client did not begin a TLS handshake after STARTTLS was answered 220. Something between it and mxray may have \
         changed what was said, or it ignores the reply.",
    )
    .with_reference("RFC 3207 §4")
}

/// The client does not trust a certificate that signed itself.
pub fn certificate_refused() -> Finding {
    Finding::info(
        "listen.certificate-refused",
        "The client checks certificates and refused mxray's, which is self-signed. It is right to.",
    )
    .with_fix("To see the rest of its session, let it accept any certificate, or listen with no-starttls.")
}

pub(super) fn not_smtp() -> Finding {
    Finding::warning(
        "listen.not-smtp",
        "The client speaks HTTP, not SMTP. A browser or a scanner came to the wrong port.",
    )
}

pub(super) fn bare_end(what: &str) -> Finding {
    Finding::warning(
        "listen.bare-line-end-in-command",
        format!(
            "A command ended with {what} instead of <CR><LF>. Strict servers refuse it since SMTP smuggling is known."
        ),
    )
    .with_fix("End each command with CR LF.")
    .with_reference("RFC 5321 §2.3.8")
}

pub(super) fn long_command(most: usize) -> Finding {
    Finding::warning(
        "listen.command-too-long",
        format!("A command is longer than {most} bytes. Servers answer 500, and the rest of it is lost."),
    )
    .with_reference("RFC 5321 §4.5.3.1.4")
}

pub(super) fn pipelined() -> Finding {
    Finding::info(
        "listen.pipelined",
        "This command came before the reply to the one before it: pipelining, which was offered.",
    )
    .with_reference("RFC 2920")
}

pub(super) fn pipelined_without_offer() -> Finding {
    Finding::warning(
        "listen.pipelined-without-offer",
        "This command came before the reply to the one before it, and PIPELINING was not offered. Servers that answer 421 or \
         drop the rest lose mail of such a client.",
    )
    .with_fix("Wait for each reply unless EHLO offered PIPELINING.")
    .with_reference("RFC 2920 §3.1")
}

pub(super) fn pipelined_too_early(verb: &str) -> Finding {
    Finding::warning(
        "listen.pipelined-too-early",
        format!("The client did not wait for the reply to {verb}, which must be the last command of a group."),
    )
    .with_fix(format!("Wait for the reply to {verb} before anything else is sent."))
    .with_reference("RFC 2920 §3.1")
}

pub(super) fn injected(bytes: usize) -> Finding {
    Finding::error(
        "listen.starttls-injection",
        format!(
            "{bytes} bytes came in the clear right behind STARTTLS. They are dropped here; a server that keeps them would run \
             them as if they had come inside TLS."
        ),
    )
    .with_fix("Send nothing between STARTTLS and the handshake.")
    .with_reference("RFC 3207 §4.2")
}

pub(super) fn login_in_clear(with_secret: bool) -> Finding {
    match with_secret {
        true => Finding::error(
            "listen.credentials-in-clear",
            "The client sent credentials without TLS. Everybody on the way could read them; mxray has masked and not kept them.",
        )
        .with_fix("Make the client require TLS before AUTH, and change that password."),
        false => Finding::warning(
            "listen.login-in-clear",
            "The client wants to log in without TLS, which is not offered. Against a server that allows it, the password would \
             be readable on the way.",
        )
        .with_fix("Make the client require TLS before AUTH."),
    }
    .with_reference("RFC 4954 §4")
}

pub(super) fn slip(slip: Slip) -> Finding {
    let (id, severity, text, reference): (_, fn(&'static str, String) -> Finding, _, _) = match slip {
        Slip::Blank => (
            "listen.blank-before-path",
            Finding::info,
            "There is white space between the colon and the path. The grammar has none; strict servers answer 501.",
            "RFC 5321 §3.3",
        ),
        Slip::NoBrackets => (
            "listen.path-without-brackets",
            Finding::warning,
            "The address stands without <angle brackets>. Strict servers answer 501.",
            "RFC 5321 §4.1.1.2",
        ),
        Slip::Route => (
            "listen.source-route",
            Finding::info,
            "The path has a source route, which is obsolete and ignored.",
            "RFC 5321 appendix C",
        ),
        Slip::LongLocalPart => (
            "listen.local-part-too-long",
            Finding::warning,
            "The local part is longer than 64 octets. Servers may refuse it.",
            "RFC 5321 §4.5.3.1.1",
        ),
        Slip::LongPath => (
            "listen.path-too-long",
            Finding::warning,
            "The path is longer than 256 octets. Servers may refuse it.",
            "RFC 5321 §4.5.3.1.3",
        ),
        Slip::NotAscii => (
            "listen.address-not-ascii",
            Finding::warning,
            "The address holds bytes beyond ASCII and MAIL did not ask for SMTPUTF8. Most servers refuse it.",
            "RFC 6531 §3.4",
        ),
    };
    severity(id, text.to_owned()).with_reference(reference)
}

pub(super) fn helo(name: &str, client: std::net::IpAddr) -> Option<Finding> {
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = literal.map(|inside| inside.strip_prefix("IPv6:").unwrap_or(inside).parse::<std::net::IpAddr>());
    let why = match address {
        Some(Ok(ip)) if ip.to_canonical() == client.to_canonical() => return None,
        Some(Ok(ip)) => format!("is the address {ip}, but the client comes from {client}"),
        Some(Err(_)) => "is no address literal that can be read".to_owned(),
        None if name.is_empty() => "is empty".to_owned(),
        None if name.parse::<std::net::IpAddr>().is_ok() => {
            "is a bare address; a literal stands in [brackets]".to_owned()
        }
        None if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) => {
            "holds characters that no host name has".to_owned()
        }
        None if !name.trim_end_matches('.').contains('.') => "is not a full domain name".to_owned(),
        None => return None,
    };
    Some(
        Finding::info(
            "listen.helo-name",
            format!("The name in the greeting {why}. Many receivers refuse or distrust such a client, and SPF cannot check it."),
        )
        .with_fix("Greet with the host's full name, which should resolve to the address that it sends from.")
        .with_reference("RFC 5321 §4.1.4"),
    )
}

pub(super) fn parameter(keyword: &str) -> Finding {
    Finding::warning(
        "listen.parameter-not-offered",
        format!("The client gave the parameter {keyword}, which EHLO did not offer. Servers answer 555."),
    )
    .with_fix("Give only parameters whose keyword stood in the reply to EHLO.")
    .with_reference("RFC 5321 §4.1.1.11")
}

pub(super) fn too_large(size: u64, most: u64) -> Finding {
    Finding::warning(
        "listen.message-too-large",
        format!(
            "The message has {size} bytes, more than the {most} that SIZE offered. It is answered 552 and not kept."
        ),
    )
    .with_reference("RFC 1870 §6.1")
}

pub(super) fn lmtp() -> Finding {
    Finding::warning("listen.lmtp", "The client speaks LMTP; this is an SMTP listener.")
        .with_fix("Set the client to SMTP, or listen with lmtp.")
        .with_reference("RFC 2033 §4.1")
}

pub(super) fn not_lmtp() -> Finding {
    Finding::warning("listen.not-lmtp", "The client speaks SMTP; this listener was asked to speak LMTP.")
        .with_fix("Set the client to LMTP, or listen without lmtp.")
        .with_reference("RFC 2033 §4.1")
}

pub(super) fn cut_short(bytes: u64) -> Finding {
    Finding::warning(
        "listen.cut-short",
        format!("The connection ended in the middle of a message, after {bytes} bytes. Nothing of it is kept; the sender must try again."),
    )
    .with_reference("RFC 5321 §4.1.1.4")
}

pub(super) fn no_quit() -> Finding {
    Finding::info("listen.no-quit", "The client left without QUIT.")
        .with_fix("Say QUIT and wait for 221: some servers drop what came before an abrupt end.")
        .with_reference("RFC 5321 §4.1.1.10")
}

pub(super) fn in_the_clear() -> Finding {
    Finding::info(
        "listen.sent-in-clear",
        "The client sent mail in the clear although STARTTLS was offered: everybody on the way can read it.",
    )
    .with_fix("Set the client to use STARTTLS where it is offered.")
    .with_reference("RFC 3207")
}

/// What a message showed on its way in.
pub(super) fn message(body: &Body, eight_bit_said: bool, framed: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let seen = &body.seen;
    if let Some(smuggling) = seen.smuggling.filter(|_| !framed) {
        findings.push(smuggled(smuggling));
    }
    if seen.bare_lf > 0 {
        findings.push(
            Finding::warning(
                "listen.bare-lf",
                format!(
                    "{} of the message's lines end with LF alone. They do not count as line ends; large receivers refuse such mail.",
                    seen.bare_lf
                ),
            )
            .with_fix("Send CR LF at the end of each line.")
            .with_reference("RFC 5321 §2.3.8"),
        );
    }
    if seen.bare_cr > 0 {
        findings.push(
            Finding::warning(
                "listen.bare-cr",
                format!("The message holds {} CR without an LF. Servers refuse, drop or mend them, and a mended message fails DKIM.", seen.bare_cr),
            )
            .with_fix("Send CR only as the first half of CR LF.")
            .with_reference("RFC 5321 §2.3.8"),
        );
    }
    if seen.nul > 0 {
        findings.push(
            Finding::warning(
                "listen.nul",
                format!("The message holds {} NUL bytes, which mail must not have.", seen.nul),
            )
            .with_reference("RFC 5322 §4"),
        );
    }
    if seen.long_lines > 0 {
        findings.push(
            Finding::warning(
                "listen.long-lines",
                format!(
                    "{} lines are longer than 998 bytes. Servers may cut, fold or refuse them; each of it breaks DKIM.",
                    seen.long_lines
                ),
            )
            .with_fix("Encode the body as quoted-printable or base64.")
            .with_reference("RFC 5322 §2.1.1"),
        );
    }
    if seen.eight_bit && !eight_bit_said {
        findings.push(
            Finding::warning(
                "listen.eight-bit-not-said",
                "The message holds bytes beyond ASCII and MAIL did not say BODY=8BITMIME or SMTPUTF8. A server may refuse it or damage it.",
            )
            .with_fix("Say BODY=8BITMIME where it is offered, or encode the message.")
            .with_reference("RFC 6152 §3"),
        );
    }
    findings
}

fn smuggled(seen: Smuggling) -> Finding {
    Finding::error(
        "listen.smuggling",
        format!(
            "At byte {} the message holds {}.{}, which some servers take for its end: what follows would be read as commands of \
             its own (SMTP smuggling). Here the message goes on.",
            seen.at,
            seen.before.sign(),
            seen.after.sign()
        ),
    )
    .with_fix("A client must never send bare CR or LF, and must double each dot that begins a line.")
    .with_reference("RFC 5321 §4.1.1.4")
}
