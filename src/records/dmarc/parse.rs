//! One DMARC record, read with the place of every tag (RFC 9989 §4.7, §4.8). Malformed input is the subject: what does not
//! fit becomes a [`Problem`]; only a text that does not start as `v=DMARC1` is no record at all.

use crate::finding::{Severity, Span};
use crate::records::dmarc::uri::ReportUri;
use crate::records::tags::{Tag, TagList, TagProblem};
use crate::report::Mark;

/// What the domain's owner asks receivers to do with mail that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// Deliver it; only report.
    None,
    /// Treat it with suspicion.
    Quarantine,
    /// Refuse it.
    Reject,
}

impl Policy {
    /// The word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::Quarantine => "quarantine",
            Policy::Reject => "reject",
        }
    }

    /// The policy of a word, upper or lower case.
    pub fn parse(text: &str) -> Option<Policy> {
        [Policy::None, Policy::Quarantine, Policy::Reject]
            .into_iter()
            .find(|policy| policy.as_str().eq_ignore_ascii_case(text))
    }

    /// One step weaker: what `t=y` asks for (RFC 9989 §4.7).
    pub fn lowered(self) -> Policy {
        match self {
            Policy::Reject => Policy::Quarantine,
            Policy::Quarantine | Policy::None => Policy::None,
        }
    }

    /// What it asks for, to follow "mail that fails is".
    pub fn in_words(self) -> &'static str {
        match self {
            Policy::None => "only reported and delivered like any other",
            Policy::Quarantine => "asked into quarantine (the spam folder)",
            Policy::Reject => "asked to be refused",
        }
    }
}

/// How near an identifier must be to the author's domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The same Organizational Domain is enough.
    Relaxed,
    /// The same name.
    Strict,
}

/// What the record says of the name it stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Psd {
    /// A public suffix: the Organizational Domain is one label below.
    Yes,
    /// This is the Organizational Domain.
    No,
    /// Nothing (`psd=u`, or no such tag).
    Unsaid,
}

/// A DMARC record.
#[derive(Clone, Debug, PartialEq)]
pub struct Dmarc {
    /// The record's text, strings joined.
    pub text: String,
    /// `p`, when it is there and valid.
    pub p: Option<Policy>,
    /// `sp`, when it is there and valid.
    pub sp: Option<Policy>,
    /// `np`, when it is there and valid.
    pub np: Option<Policy>,
    /// `adkim`.
    pub adkim: Mode,
    /// `aspf`.
    pub aspf: Mode,
    /// `psd`.
    pub psd: Psd,
    /// `t=y`.
    pub testing: bool,
    /// Where aggregate reports go, invalid URIs included.
    pub rua: Vec<ReportUri>,
    /// Where failure reports go, invalid URIs included.
    pub ruf: Vec<ReportUri>,
    /// The options of `fo` that count; empty when the tag is absent or was discarded.
    pub fo: Vec<char>,
    /// `pct` as RFC 7489 reads it: 0 to 100, nothing for no or no valid value.
    pub pct: Option<u8>,
    /// What every tag means, in order.
    pub marks: Vec<Mark>,
    /// What does not fit.
    pub problems: Vec<Problem>,
}

/// Something in a record that does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// Where it stands.
    pub span: Span,
}

/// What can be wrong in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// No `p` at all; the span is the version.
    MissingPolicy,
    /// The value of `p`, `sp` or `np` is no policy; the tag's name.
    BadPolicy(&'static str),
    /// Another tag's value is not one that it can have, so the tag's default counts; the tag's name.
    BadValue(&'static str),
    /// `fo` holds 0 and 1: the tag is discarded.
    FoZeroAndOne,
    /// A tag that RFC 9989 removed (`pct`, `rf`, `ri`).
    Removed(&'static str),
    /// A tag that no RFC knows; ignored.
    UnknownTag,
    /// A tag's name is not in lower case.
    UpperCaseTag,
    /// The second of two tags of one name.
    Duplicate,
    /// A part without `=`, or without a name before it.
    NotATag,
    /// `p` does not follow `v` at once, as RFC 7489 wanted it.
    PolicyNotSecond,
}

impl Dmarc {
    /// Reads a text; `None` when it does not start with `v=DMARC1` (white space around `=`, then `;` or the end).
    pub fn parse(text: &str) -> Option<Dmarc> {
        if !has_version(text) {
            return None;
        }
        let list = TagList::parse(text);
        let mut dmarc = Dmarc {
            text: text.to_owned(),
            p: None,
            sp: None,
            np: None,
            adkim: Mode::Relaxed,
            aspf: Mode::Relaxed,
            psd: Psd::Unsaid,
            testing: false,
            rua: Vec::new(),
            ruf: Vec::new(),
            fo: Vec::new(),
            pct: None,
            marks: Vec::new(),
            problems: Vec::new(),
        };
        for problem in &list.problems {
            match problem {
                TagProblem::NoEquals(span) | TagProblem::NoName(span) => dmarc.problem(ProblemKind::NotATag, *span),
                TagProblem::Duplicate(_) => {}
            }
        }
        let mut names: Vec<String> = Vec::new();
        for tag in &list.tags {
            let name = tag.name.to_ascii_lowercase();
            if name != tag.name {
                dmarc.problem(ProblemKind::UpperCaseTag, tag.name_span);
            }
            if names.contains(&name) {
                dmarc.problem(ProblemKind::Duplicate, tag.span());
                dmarc.mark(
                    tag,
                    "the same tag again: not counted here; strict readers drop the whole record",
                    Severity::Error,
                );
                continue;
            }
            dmarc.tag(&name, tag);
            names.push(name);
        }
        match names.iter().position(|name| name == "p") {
            None => dmarc.problem(ProblemKind::MissingPolicy, list.tags.first().map_or(Span::new(0, 0), Tag::span)),
            Some(1) => {}
            Some(_) => {
                if let Some(tag) = list.tags.iter().find(|tag| tag.name.eq_ignore_ascii_case("p")) {
                    dmarc.problem(ProblemKind::PolicyNotSecond, tag.span());
                }
            }
        }
        Some(dmarc)
    }

    fn tag(&mut self, name: &str, tag: &Tag<'_>) {
        match name {
            "v" => self.mark(tag, "a DMARC record", Severity::Ok),
            "p" => {
                self.p = self.policy(
                    "p",
                    tag,
                    "the policy for this name (and for those below it, unless sp or np say otherwise)",
                )
            }
            "sp" => self.sp = self.policy("sp", tag, "the policy for subdomains that exist"),
            "np" => self.np = self.policy("np", tag, "the policy for subdomains that do not exist"),
            "adkim" => self.adkim = self.mode("adkim", tag, "DKIM"),
            "aspf" => self.aspf = self.mode("aspf", tag, "SPF"),
            "rua" => {
                self.rua = ReportUri::parse_list(tag.value, tag.value_span.start);
                self.mark(
                    tag,
                    "where receivers send aggregate reports (who sends in this name, and what passes)",
                    Severity::Ok,
                );
            }
            "ruf" => {
                self.ruf = ReportUri::parse_list(tag.value, tag.value_span.start);
                self.mark(
                    tag,
                    "where receivers may send failure reports (few do: they hold message parts)",
                    Severity::Ok,
                );
            }
            "fo" => self.fo(tag),
            "psd" => {
                let (psd, note) = match tag.value.to_ascii_lowercase().as_str() {
                    "y" => (Psd::Yes, "this name is a public suffix: organizations start one label below"),
                    "n" => (Psd::No, "this name is the Organizational Domain: the walk ends here"),
                    "u" => (Psd::Unsaid, "says nothing of public suffixes (the default)"),
                    _ => return self.bad("psd", tag, "not y, n or u: read as u"),
                };
                self.psd = psd;
                self.mark(tag, note, Severity::Ok);
            }
            "t" => match tag.value.to_ascii_lowercase().as_str() {
                "y" => {
                    self.testing = true;
                    self.mark(tag, "testing: receivers are asked to apply the policy one step weaker", Severity::Info);
                }
                "n" => self.mark(tag, "not testing (the default)", Severity::Ok),
                _ => self.bad("t", tag, "not y or n: read as n"),
            },
            "pct" => {
                self.pct = tag.value.parse().ok().filter(|pct| *pct <= 100);
                self.problem(ProblemKind::Removed("pct"), tag.span());
                self.mark(
                    tag,
                    "a share of the mail: removed in RFC 9989, older receivers still obey it",
                    Severity::Info,
                );
            }
            "rf" => self.removed("rf", tag, "the format of failure reports: removed in RFC 9989, ignored"),
            "ri" => self.removed("ri", tag, "the time between reports: removed in RFC 9989, ignored"),
            _ => {
                self.problem(ProblemKind::UnknownTag, tag.span());
                self.mark(tag, "not a DMARC tag: ignored", Severity::Info);
            }
        }
    }

    fn policy(&mut self, name: &'static str, tag: &Tag<'_>, who: &str) -> Option<Policy> {
        let policy = Policy::parse(tag.value);
        match policy {
            Some(policy) => self.mark(tag, format!("{who}: mail that fails is {}", policy.in_words()), Severity::Ok),
            None => {
                self.problem(ProblemKind::BadPolicy(name), tag.span());
                self.mark(tag, "not a policy: none, quarantine or reject", Severity::Error);
            }
        }
        policy
    }

    fn mode(&mut self, name: &'static str, tag: &Tag<'_>, method: &str) -> Mode {
        match tag.value.to_ascii_lowercase().as_str() {
            "r" => {
                self.mark(
                    tag,
                    format!("{method} counts from any name of the organization (the default)"),
                    Severity::Ok,
                );
                Mode::Relaxed
            }
            "s" => {
                self.mark(tag, format!("{method} counts only from exactly the author's domain"), Severity::Ok);
                Mode::Strict
            }
            _ => {
                self.bad(name, tag, "not r or s: read as r");
                Mode::Relaxed
            }
        }
    }

    /// Options after colons; 0 and 1 together break the grammar, and then the tag alone is discarded (RFC 9989 §4.7).
    fn fo(&mut self, tag: &Tag<'_>) {
        let mut options = Vec::new();
        for option in tag.value.split(':') {
            match option.trim().to_ascii_lowercase().as_str() {
                "0" => options.push('0'),
                "1" => options.push('1'),
                "d" => options.push('d'),
                "s" => options.push('s'),
                _ => return self.bad("fo", tag, "not a list of 0, 1, d and s: ignored"),
            }
        }
        if options.contains(&'0') && options.contains(&'1') {
            self.problem(ProblemKind::FoZeroAndOne, tag.span());
            return self.mark(tag, "0 and 1 exclude each other: the tag is ignored", Severity::Warning);
        }
        self.fo = options;
        self.mark(tag, "for which failures failure reports are asked", Severity::Ok);
    }

    fn removed(&mut self, name: &'static str, tag: &Tag<'_>, note: &str) {
        self.problem(ProblemKind::Removed(name), tag.span());
        self.mark(tag, note, Severity::Info);
    }

    fn bad(&mut self, name: &'static str, tag: &Tag<'_>, note: &str) {
        self.problem(ProblemKind::BadValue(name), tag.span());
        self.mark(tag, note, Severity::Warning);
    }

    fn problem(&mut self, kind: ProblemKind, span: Span) {
        self.problems.push(Problem { kind, span });
    }

    fn mark(&mut self, tag: &Tag<'_>, note: impl Into<String>, severity: Severity) {
        self.marks.push(Mark { span: tag.span(), note: note.into(), severity });
    }

    /// Whether the policy tags cannot be used as they stand: no valid `p`, or an invalid `sp` or `np` (RFC 9989 §4.10.1).
    pub fn is_policy_broken(&self) -> bool {
        self.p.is_none() || self.is_broken("sp") || self.is_broken("np")
    }

    /// Whether the policy tag of that name is there and holds no policy.
    pub fn is_broken(&self, tag: &str) -> bool {
        self.problems.iter().any(|problem| matches!(problem.kind, ProblemKind::BadPolicy(name) if name == tag))
    }

    /// Whether an aggregate report could go anywhere.
    pub fn has_valid_rua(&self) -> bool {
        self.rua.iter().any(ReportUri::is_valid)
    }

    /// The policies that count, for the name itself, for a subdomain and for one that does not exist. A record with broken
    /// policy tags is `p=none` as a whole when it has a valid `rua`, and asks for nothing without (`None`; RFC 9989 §4.10.1).
    pub fn policies(&self) -> Option<Policies> {
        match self.p {
            Some(p) if !self.is_policy_broken() => {
                let subdomain = self.sp.unwrap_or(p);
                Some(Policies { own: p, subdomain, nonexistent: self.np.unwrap_or(subdomain) })
            }
            _ if self.has_valid_rua() => {
                Some(Policies { own: Policy::None, subdomain: Policy::None, nonexistent: Policy::None })
            }
            _ => None,
        }
    }
}

/// The three policies of one record, defaults filled in, before `t=y` lowers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policies {
    /// `p`.
    pub own: Policy,
    /// `sp`, else `p`.
    pub subdomain: Policy,
    /// `np`, else `sp`, else `p`.
    pub nonexistent: Policy,
}

/// The version must come first; its value is case-sensitive, `v` itself is accepted in either case (readers differ).
pub(super) fn has_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(['v', 'V']) else { return false };
    let wsp = [' ', '\t'];
    let Some(rest) = rest.trim_start_matches(wsp).strip_prefix('=') else { return false };
    let Some(rest) = rest.trim_start_matches(wsp).strip_prefix("DMARC1") else { return false };
    let rest = rest.trim_start_matches(wsp);
    rest.is_empty() || rest.starts_with(';')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dmarc(text: &str) -> Dmarc {
        Dmarc::parse(text).unwrap()
    }

    fn kinds(text: &str) -> Vec<ProblemKind> {
        dmarc(text).problems.into_iter().map(|problem| problem.kind).collect()
    }

    #[test]
    fn the_version_comes_first_in_its_own_case_with_space_around_the_equals_sign_only() {
        for yes in ["v=DMARC1", "v=DMARC1;p=none", "v = DMARC1 ; p=none", "v\t=\tDMARC1;", "V=DMARC1; p=none"] {
            assert!(Dmarc::parse(yes).is_some(), "{yes}");
        }
        for no in [
            "",
            " v=DMARC1; p=none",
            "v=DMARC12",
            "v=dmarc1; p=none",
            "p=none; v=DMARC1",
            "v=DMARC1 p=none",
            "v=DMARC1\\; p=none",
        ] {
            assert!(Dmarc::parse(no).is_none(), "{no}");
        }
        assert_eq!(kinds("V=DMARC1; p=none"), [ProblemKind::UpperCaseTag]);
    }

    #[test]
    fn values_are_read_in_either_case_and_uris_keep_theirs() {
        let record = dmarc(
            "v=DMARC1; p=Reject; sp=QUARANTINE ; np=None; adkim=S; aspf=R; psd=N; t=Y; rua=mailto:A@Example.COM;",
        );
        assert_eq!(
            (record.p, record.sp, record.np),
            (Some(Policy::Reject), Some(Policy::Quarantine), Some(Policy::None))
        );
        assert_eq!(
            (record.adkim, record.aspf, record.psd, record.testing),
            (Mode::Strict, Mode::Relaxed, Psd::No, true)
        );
        assert_eq!(record.rua[0].text, "mailto:A@Example.COM");
        assert_eq!(record.problems, []);
    }

    #[test]
    fn upper_case_tag_names_count_and_are_noted() {
        let record = dmarc("v=DMARC1; P=reject; RUA=mailto:a@b.c");
        assert_eq!((record.p, record.rua.len(), record.problems.len()), (Some(Policy::Reject), 1, 2));
    }

    #[test]
    fn fo_with_0_and_1_discards_the_tag_only() {
        let record = dmarc("v=DMARC1; p=reject; fo=0:1");
        assert_eq!((record.fo.as_slice(), record.p), ([].as_slice(), Some(Policy::Reject)));
        assert_eq!(record.problems.iter().map(|p| &p.kind).collect::<Vec<_>>(), [&ProblemKind::FoZeroAndOne]);
        assert_eq!(dmarc("v=DMARC1; p=reject; fo=1:d:S").fo, ['1', 'd', 's']);
        assert_eq!(kinds("v=DMARC1; p=reject; fo=x"), [ProblemKind::BadValue("fo")]);
    }

    #[test]
    fn pct_0_is_not_a_missing_pct_and_a_bad_one_is_no_error() {
        assert_eq!(dmarc("v=DMARC1; p=reject").pct, None);
        assert_eq!(dmarc("v=DMARC1; p=reject; pct=0").pct, Some(0));
        assert_eq!(dmarc("v=DMARC1; p=reject; pct=101").pct, None);
        assert_eq!(kinds("v=DMARC1; p=reject; pct=many"), [ProblemKind::Removed("pct")]);
        assert!(!dmarc("v=DMARC1; p=reject; pct=many").is_policy_broken());
    }

    #[test]
    fn duplicates_and_unknown_tags_and_junk_are_told_apart() {
        let record = dmarc("v=DMARC1; p=none; p=reject; foo=bar; junk; rf=afrf; ri=86400");
        assert_eq!(record.p, Some(Policy::None), "the first counts");
        assert_eq!(
            record.problems.into_iter().map(|p| p.kind).collect::<Vec<_>>(),
            [
                ProblemKind::NotATag,
                ProblemKind::Duplicate,
                ProblemKind::UnknownTag,
                ProblemKind::Removed("rf"),
                ProblemKind::Removed("ri"),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_every_span_lies_inside(text in "(v=DMARC1;)?[ a-z=;:,!@.\\PC]{0,60}") {
            if let Some(record) = Dmarc::parse(&text) {
                let spans = record.marks.iter().map(|m| m.span)
                    .chain(record.problems.iter().map(|p| p.span))
                    .chain(record.rua.iter().chain(&record.ruf).flat_map(|u| [Some(u.span), u.size]).flatten());
                for span in spans {
                    prop_assert!(span.of_str(&text).is_some(), "{span:?} in {text:?}");
                }
            }
        }
    }
}
