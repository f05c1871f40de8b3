//! What about the parts is made to deceive, and what is only worth knowing.

use crate::finding::{Finding, Severity};
use crate::message::Message;
use crate::message::identities::looks_like;
use crate::message::mime::Content;
use crate::message::mime::tree::{MAX_DEPTH, MAX_PARTS, Part, Tree};
use crate::name::Name;
use crate::report::Section;
use crate::untrusted::is_hidden;

/// Endings that run when they are opened.
#[rustfmt::skip]
const RUNS: &[&str] = &["exe", "scr", "com", "pif", "bat", "cmd", "cpl", "dll", "msi", "msp", "hta", "js", "jse", "vbs",
    "vbe", "wsf", "wsh", "ps1", "lnk", "url", "reg", "jar", "application", "gadget", "scf", "inf", "iso", "img", "vhd",
    "vhdx", "one", "appx", "msix", "desktop", "sh", "run", "command", "apk", "dmg", "pkg"];
/// Documents that may hold programs.
const MACROS: &[&str] = &["docm", "dotm", "xlsm", "xltm", "xlam", "pptm", "potm", "ppam", "xll"];
/// Endings that a reader takes for harmless.
#[rustfmt::skip]
const HARMLESS: &[&str] = &["pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "txt", "csv", "jpg", "jpeg", "png", "gif",
    "mp3", "mp4", "zip", "html", "htm", "rtf", "odt"];

/// Looks at every part.
pub(super) fn find(message: &Message, tree: &Tree, parts: &[(&Part, &Content)], section: &mut Section) {
    for (part, content) in parts {
        let found = [name(part), disguise(part, content)];
        section.findings.extend(found.into_iter().flatten().map(|finding| finding.with_span(part.body)));
        links(part, content, section);
        form(part, content, section);
        crypto(part, content, section);
        whole(message, part, content.message.is_some(), section);
    }
    if tree.too_deep || tree.too_many {
        section.findings.push(Finding::warning(
            "mime.too-many-parts",
            format!("Parts are read {MAX_DEPTH} deep and {MAX_PARTS} in all; this message has more, which were not looked at."),
        ));
    }
}

/// What a file's name says of it.
fn name(part: &Part) -> Option<Finding> {
    let name = part.name.as_deref()?;
    if name.chars().any(is_hidden) {
        return Some(Finding::error(
            "mime.hidden-name",
            format!(
                "The attachment \"{name}\" has characters in its name that hide or reorder text: it ends otherwise than it seems to."
            ),
        ));
    }
    let lower = name.to_lowercase();
    let endings: Vec<&str> = lower.split('.').skip(1).map(str::trim).collect();
    let last = endings.last().copied()?;
    let before = endings.len().checked_sub(2).and_then(|at| endings.get(at)).copied();
    if RUNS.contains(&last) {
        return Some(match before.filter(|before| HARMLESS.contains(before)) {
            Some(before) => Finding::error(
                "mime.double-extension",
                format!("The attachment \"{name}\" looks like a .{before} and is a .{last}: many systems hide the last ending, and opening it runs it."),
            )
            .with_fix("Do not open it."),
            None => Finding::warning(
                "mime.program",
                format!("The attachment \"{name}\" is of a kind that runs, or holds what runs, when it is opened."),
            )
            .with_fix("Open it only if you asked for it."),
        });
    }
    if MACROS.contains(&last) {
        return Some(Finding::warning(
            "mime.macros",
            format!("The attachment \"{name}\" is a document that may hold a program (macros)."),
        ));
    }
    let is_page = matches!(last, "html" | "htm" | "shtml" | "xhtml" | "svg");
    (is_page && part.disposition.as_deref() != Some("inline")).then(|| {
        Finding::warning(
            "mime.page-attached",
            format!(
                "The attachment \"{name}\" is a web page: opened from disk, it can ask for a password as any site can."
            ),
        )
    })
}

/// What the first bytes say against the name.
fn disguise(part: &Part, content: &Content) -> Option<Finding> {
    let name = part.name.as_deref()?;
    let last = name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let is_program = content.head.starts_with(b"MZ") || content.head.starts_with(b"\x7fELF");
    if is_program && !RUNS.contains(&last.as_str()) {
        return Some(
            Finding::error(
                "mime.disguised-program",
                format!("The attachment \"{name}\" begins as a program does, whatever its name says."),
            )
            .with_fix("Do not open it."),
        );
    }
    None
}

fn links(part: &Part, content: &Content, section: &mut Section) {
    let Some(html) = &content.html else { return };
    for link in &html.links {
        let target = link.host.as_deref().unwrap_or(&link.target);
        let finding = match (&link.says, link.runs()) {
            (_, true) => Finding::error(
                "mime.link-runs",
                format!("A link (\"{}\") holds a program or a page instead of an address.", link.words),
            ),
            (Some(says), _) => {
                let names = (Name::from_unicode(target).ok(), Name::from_unicode(says).ok());
                let alike = matches!(names, (Some(target), Some(says)) if looks_like(&target, &says));
                let severity = if alike || link.goes_to_address() { Severity::Error } else { Severity::Warning };
                let more = if alike { ", which looks like it and is another name" } else { "" };
                Finding::new(
                    "mime.link-elsewhere",
                    severity,
                    format!("A link says {says} and goes to {target}{more}. Newsletters count clicks so; forgers hide their site so."),
                )
                .with_fix("Type the address that you know instead of following it.")
            }
            (None, _) if link.goes_to_address() => Finding::warning(
                "mime.link-to-address",
                format!("A link (\"{}\") goes to the bare address {target}. Honest sites have a name.", link.words),
            ),
            (None, _) => continue,
        };
        section.findings.push(finding.with_span(part.body));
    }
}

fn form(part: &Part, content: &Content, section: &mut Section) {
    let Some(html) = &content.html else { return };
    if html.has_form {
        section.findings.push(
            Finding::warning("mime.form", "The HTML holds a form: it asks for input inside the message.")
                .with_fix("Type nothing into it.")
                .with_span(part.body),
        );
    }
    if html.has_script {
        section.findings.push(
            Finding::info("mime.script", "The HTML holds a script. Mail programs do not run it; its author hoped so.")
                .with_span(part.body),
        );
    }
    if let Some(host) = html.pixels.first() {
        section.findings.push(
            Finding::info(
                "mime.tracking-pixel",
                format!(
                    "The HTML has a picture of one pixel at {host}: who shows pictures tells that the message was read."
                ),
            )
            .with_span(part.body),
        );
    }
}

/// PGP and S/MIME: recognised, never verified.
fn crypto(part: &Part, content: &Content, section: &mut Section) {
    let protocol = part.protocol.as_deref().unwrap_or_default();
    let inline = || content.head.starts_with(b"-----BEGIN PGP ");
    let found = match part.kind.as_str() {
        "multipart/encrypted" if protocol.contains("pgp") => Some(("mime.pgp", "encrypted with OpenPGP", "RFC 3156")),
        "multipart/signed" if protocol.contains("pgp") => Some(("mime.pgp", "signed with OpenPGP", "RFC 3156")),
        "multipart/signed" if protocol.contains("pkcs7") => Some(("mime.smime", "signed with S/MIME", "RFC 8551")),
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
            Some(("mime.smime", "encrypted or signed with S/MIME", "RFC 8551"))
        }
        "text/plain" if inline() => Some(("mime.pgp", "OpenPGP text inside the body", "RFC 9580")),
        _ => None,
    };
    if let Some((id, what, reference)) = found {
        section.findings.push(
            Finding::info(id, format!("The message holds a part that is {what}. It is recognised here and not verified: we have no keys of people."))
                .with_reference(reference)
                .with_span(part.body),
        );
    }
}

/// Messages inside, and multiparts that are broken.
fn whole(message: &Message, part: &Part, opens: bool, section: &mut Section) {
    if matches!(part.kind.as_str(), "message/rfc822" | "message/global") {
        let place = if part.path.is_empty() { "the body".to_owned() } else { format!("part {}", part.path) };
        let how = if opens {
            "Enter on it opens it on its own"
        } else {
            "it is encoded or was moved by a repair, so it has to be saved and opened by itself"
        };
        section.findings.push(
            Finding::info("mime.message-inside", format!("There is a message inside ({place}): {how}."))
                .with_reference("RFC 2046 §5.2.1")
                .with_span(part.body),
        );
    }
    if message.body().is_none() {
        return;
    }
    if part.no_boundary {
        section.findings.push(
            Finding::warning(
                "mime.no-boundary",
                format!("A {} has no boundary, so its parts cannot be told apart.", part.kind),
            )
            .with_reference("RFC 2046 §5.1.1")
            .with_span(part.body),
        );
    } else if part.unclosed {
        section.findings.push(
            Finding::info(
                "mime.unclosed",
                format!("A {} does not end with its last delimiter: it was cut off, or never closed.", part.kind),
            )
            .with_reference("RFC 2046 §5.1.1")
            .with_span(part.body),
        );
    }
}
