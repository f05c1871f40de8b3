//! Where reports go: the URIs of `rua` and `ruf` (RFC 9989 §4.7, RFC 3986, RFC 6068), shared with TLS-RPT. Nothing is fetched
//! or sent.

use crate::finding::Span;
use crate::name::Name;

/// One report address as it stands in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportUri {
    /// The URI as it stands, without a size suffix.
    pub text: String,
    /// Where it stands in the record, size suffix included.
    pub span: Span,
    /// The scheme in lower case; `None` when there is none.
    pub scheme: Option<String>,
    /// The host that would get the reports: the domain of a `mailto:`, the authority of another URI.
    pub host: Option<Name>,
    /// The obsolete size suffix (`!10m`), where there is one.
    pub size: Option<Span>,
    /// Why it is no URI that a report can go to.
    pub problem: Option<UriProblem>,
}

/// Why a report address cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriProblem {
    /// Nothing stands between two commas.
    Empty,
    /// `a@b.c` without `mailto:`.
    MissingScheme,
    /// A `mailto:` without a mailbox that mail could go to.
    NoMailbox,
    /// White space inside.
    Space,
    /// Another scheme without anything that says where.
    NoHost,
}

impl ReportUri {
    /// Reads a comma-separated list whose first byte stands at `start` of the record.
    pub fn parse_list(list: &str, start: usize) -> Vec<ReportUri> {
        let mut uris = Vec::new();
        let mut at = start;
        for part in list.split(',') {
            uris.push(ReportUri::parse(part, at));
            at += part.len() + 1;
        }
        uris
    }

    fn parse(part: &str, start: usize) -> ReportUri {
        let trimmed = part.trim_start();
        let from = start + part.len() - trimmed.len();
        let whole = trimmed.trim_end();
        let (text, size) = without_size(whole);
        let size = size.map(|at| Span::new(from + at, from + whole.len()));
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme.to_ascii_lowercase()), rest),
            _ => (None, text),
        };
        let host = match scheme.as_deref() {
            Some("mailto") | None => mailbox_domain(rest),
            Some(_) => rest.strip_prefix("//").and_then(authority),
        };
        let problem = match scheme.as_deref() {
            _ if text.is_empty() => Some(UriProblem::Empty),
            None => Some(UriProblem::MissingScheme),
            Some(_) if text.contains(char::is_whitespace) => Some(UriProblem::Space),
            Some("mailto") if host.is_none() => Some(UriProblem::NoMailbox),
            Some(_) if host.is_none() => Some(UriProblem::NoHost),
            Some(_) => None,
        };
        ReportUri { text: text.to_owned(), span: Span::new(from, from + whole.len()), scheme, host, size, problem }
    }

    /// Whether it is a URI that a report could go to. Receivers must know only `mailto:`, others stay legal.
    pub fn is_valid(&self) -> bool {
        self.problem.is_none()
    }

    /// Whether it is a `mailto:`.
    pub fn is_mailto(&self) -> bool {
        self.scheme.as_deref() == Some("mailto")
    }

    /// The mailbox of a `mailto:`, as it stands, without parameters.
    pub fn mailbox(&self) -> Option<&str> {
        let rest = self.text.split_once(':').map_or(self.text.as_str(), |(_, rest)| rest);
        let mailbox = rest.split('?').next().unwrap_or(rest);
        mailbox.contains('@').then_some(mailbox)
    }
}

/// The text before a `!10m` suffix, and where the suffix starts. A `!` elsewhere would have to be escaped, and is left.
fn without_size(text: &str) -> (&str, Option<usize>) {
    let Some((before, size)) = text.rsplit_once('!') else { return (text, None) };
    let digits = size.strip_suffix(['k', 'm', 'g', 't', 'K', 'M', 'G', 'T']).unwrap_or(size);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return (text, None);
    }
    (before, Some(before.len()))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn mailbox_domain(text: &str) -> Option<Name> {
    let written = text.split('?').next().unwrap_or(text);
    // An @ of the local part is escaped (RFC 6068 §2), so two of them are a slip.
    if written.matches('@').count() > 1 {
        return None;
    }
    let address = percent_decoded(written)?;
    let (local, domain) = address.rsplit_once('@')?;
    let bad = |c: char| c.is_whitespace() || c.is_control();
    if local.is_empty() || local.contains(bad) || domain.contains(bad) || !domain.contains('.') {
        return None;
    }
    Name::from_unicode(domain).ok().filter(|name| !name.is_root())
}

fn authority(text: &str) -> Option<Name> {
    let authority = text.split(['/', '?', '#']).next().unwrap_or(text);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host);
    Name::from_unicode(host).ok().filter(|name| !name.is_root())
}

/// `%40` and the like decoded (RFC 3986 §2.1); `None` when what comes out is no UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (bytes.next()?, bytes.next()?);
        let digit = |byte: u8| char::from(byte).to_digit(16);
        out.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> ReportUri {
        ReportUri::parse_list(text, 0).remove(0)
    }

    #[test]
    fn a_list_is_cut_at_commas_and_every_uri_knows_where_it_stands() {
        let record = "v=DMARC1; rua=mailto:a@b.c!10m , https://x.example/r";
        let uris = ReportUri::parse_list(record.get(14..).unwrap(), 14);
        assert_eq!(uris.iter().map(|u| u.text.as_str()).collect::<Vec<_>>(), ["mailto:a@b.c", "https://x.example/r"]);
        assert_eq!(uris[0].span.of_str(record), Some("mailto:a@b.c!10m"));
        assert_eq!(uris[0].size.unwrap().of_str(record), Some("!10m"));
        assert!(uris.iter().all(ReportUri::is_valid));
        assert_eq!(uris[1].host.as_ref().unwrap().as_str(), "x.example");
    }

    #[test]
    fn a_uri_keeps_its_case_and_its_domain_is_a_name() {
        let uri = one("MailTo:DMARC%40reports@Example.ORG?subject=x");
        assert_eq!(uri.text, "MailTo:DMARC%40reports@Example.ORG?subject=x");
        assert_eq!(uri.host.unwrap().as_str(), "example.org");
        assert_eq!(one("mailto:a@bücher.example").host.unwrap().as_str(), "xn--bcher-kva.example");
    }

    #[test]
    fn what_no_report_can_go_to_is_flagged() {
        for (text, problem) in [
            ("a@b.c", UriProblem::MissingScheme),
            ("", UriProblem::Empty),
            ("mailto:", UriProblem::NoMailbox),
            ("mailto:a", UriProblem::NoMailbox),
            ("mailto:@b.c", UriProblem::NoMailbox),
            ("mailto:a@b@c.d", UriProblem::NoMailbox),
            ("mailto:a@localhost", UriProblem::NoMailbox),
            ("mailto:a b@c.d", UriProblem::Space),
            ("mailto: a@c.d", UriProblem::Space),
            ("https:", UriProblem::NoHost),
        ] {
            assert_eq!(one(text).problem, Some(problem), "{text}");
        }
        assert_eq!(one("a@b.c").host.unwrap().as_str(), "b.c");
        assert_eq!(one("mailto:wow!@b.c").size, None);
    }
}
