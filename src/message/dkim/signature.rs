//! A `DKIM-Signature` field read tag by tag (RFC 6376 §3.5); an `ARC-Message-Signature` is the same but for `v=` and `i=`
//! (RFC 8617 §4.1.2). Any bytes give a [`Signature`]; what is wrong comes with it as [`Problem`]s.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::finding::Span;
use crate::message::FieldRef;
use crate::message::canonical::{Canon, Hash};
use crate::message::dkim::problem::{Problem, ProblemKind};
use crate::name::Name;
use crate::records::{TagList, TagProblem};
use crate::untrusted;

/// Padding may be missing and bits may trail: verifiers decode such signatures, so we do.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How long a signature may be to be read: an RSA key of 8192 bits and a long `h=` take some 4 KB.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// Which kind of field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// `DKIM-Signature`.
    Dkim,
    /// `ARC-Message-Signature`.
    ArcMessage,
    /// `ARC-Seal`: no body hash, no list of fields, always relaxed.
    ArcSeal,
}

/// One signature as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The field's place among the header fields.
    pub field: usize,
    /// The field's value as text (bytes that are not UTF-8 as `\xff`); the problems' spans lie in it.
    pub text: String,
    /// `a=`.
    pub algorithm: Algorithm,
    /// `d=` as a name; `None` when it is missing or no name.
    pub domain: Option<Name>,
    /// `s=`, as it is written.
    pub selector: String,
    /// Where the key is published; `None` when DNS cannot carry that name.
    pub key_name: Option<Name>,
    /// `c=` for the header.
    pub header_canon: Canon,
    /// `c=` for the body.
    pub body_canon: Canon,
    /// `h=` in lower case, in order, repetitions kept.
    pub signed: Vec<String>,
    /// `bh=`, decoded.
    pub body_hash: Vec<u8>,
    /// `b=`, decoded.
    pub value: Vec<u8>,
    /// `l=`.
    pub length: Option<u64>,
    /// `i=` of DKIM, as it is written.
    pub identity: Option<String>,
    /// `t=`, seconds since 1970.
    pub timestamp: Option<i64>,
    /// `x=`, seconds since 1970.
    pub expires: Option<i64>,
    /// What is wrong in it.
    pub problems: Vec<Problem>,
}

/// `a=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `rsa-sha1`, `rsa-sha256`.
    Rsa(Hash),
    /// `ed25519-sha256` (RFC 8463).
    Ed25519,
    /// Another word, or none.
    Unknown(String),
}

impl Algorithm {
    /// The word in `a=`.
    pub fn as_str(&self) -> &str {
        match self {
            Algorithm::Rsa(Hash::Sha1) => "rsa-sha1",
            Algorithm::Rsa(Hash::Sha256) => "rsa-sha256",
            Algorithm::Ed25519 => "ed25519-sha256",
            Algorithm::Unknown(word) => word,
        }
    }

    /// The hash of body and header; SHA-256 where we know no better.
    pub fn hash(&self) -> Hash {
        match self {
            Algorithm::Rsa(hash) => *hash,
            Algorithm::Ed25519 | Algorithm::Unknown(_) => Hash::Sha256,
        }
    }
}

impl Signature {
    /// Reads one field.
    pub fn parse(field: FieldRef<'_>, flavor: Flavor) -> Signature {
        let value = field.value();
        let text = untrusted::lossless(value.get(..MAX_BYTES).unwrap_or(value)).into_owned();
        let list = TagList::parse(&text);
        let mut read = Reader { list: &list, problems: Vec::new() };
        if value.len() > MAX_BYTES {
            read.problem(ProblemKind::TooLong, None);
        }
        read.form(&text);
        if flavor == Flavor::Dkim {
            read.version();
        }
        let algorithm = read.algorithm();
        let domain = read.required("d").and_then(|tag| {
            let name = Name::from_unicode(tag.0).ok().filter(|name| !name.is_root());
            read.require(name, ProblemKind::BadValue("d"), tag.1)
        });
        let selector = read.required("s").map(|tag| tag.0.to_owned()).unwrap_or_default();
        let key_name = domain.as_ref().filter(|_| !selector.is_empty()).and_then(|domain| key_name(&selector, domain));
        if domain.is_some() && !selector.is_empty() && key_name.is_none() {
            read.problem(ProblemKind::NoKeyName, None);
        }
        let value = read.base64("b");
        let mut signature = Signature {
            field: field.index,
            algorithm,
            domain,
            selector,
            key_name,
            header_canon: Canon::Relaxed,
            body_canon: Canon::Relaxed,
            signed: Vec::new(),
            body_hash: Vec::new(),
            value,
            length: None,
            identity: None,
            timestamp: read.number("t").and_then(|t| i64::try_from(t).ok()),
            expires: None,
            problems: Vec::new(),
            text: String::new(),
        };
        match flavor {
            Flavor::Dkim | Flavor::ArcMessage => signature.message_tags(&mut read, flavor),
            Flavor::ArcSeal => {
                if let Some(found) = list.get("h") {
                    read.problem(ProblemKind::Forbidden("h"), Some(found.span()));
                }
            }
        }
        signature.problems = read.problems;
        signature.text = text;
        signature
    }

    /// The tags that seals do not have.
    fn message_tags(&mut self, read: &mut Reader<'_>, flavor: Flavor) {
        (self.header_canon, self.body_canon) = match flavor {
            // The ARC suite and the programs that grew up on it sign so when they leave c= out.
            Flavor::ArcMessage if read.list.get("c").is_none() => (Canon::Relaxed, Canon::Relaxed),
            Flavor::Dkim | Flavor::ArcMessage | Flavor::ArcSeal => read.canonicalisation(),
        };
        self.body_hash = read.base64("bh");
        self.length = read.number("l");
        // An ARC message signature may sign no field at all (`h=` empty), only the body; its section says so.
        let signs_nothing = flavor == Flavor::ArcMessage && read.list.get("h").is_some_and(|tag| tag.value.is_empty());
        if !signs_nothing && let Some((value, span)) = read.required("h") {
            // Sloppy signers leave an empty name (`to::date`); it names no field, and other verifiers pass over it too.
            let names = value.split(':').map(|name| name.trim().to_ascii_lowercase());
            self.signed = names.filter(|name| !name.is_empty()).collect();
            if !self.signed.iter().any(|name| name == "from") {
                read.problem(ProblemKind::FromUnsigned, Some(span));
            }
        }
        self.expires = read.number("x").and_then(|x| i64::try_from(x).ok());
        if let (Some(signed), Some(expires)) = (self.timestamp, self.expires)
            && expires <= signed
        {
            let span = read.list.get("x").map(crate::records::Tag::span);
            read.problem(ProblemKind::ExpiresBeforeSigned, span);
        }
        if let Some(tag) = read.list.get("q")
            && !tag.value.split(':').any(|method| method.trim().eq_ignore_ascii_case("dns/txt"))
        {
            read.problem(ProblemKind::Unknown("q"), Some(tag.span()));
        }
        if flavor == Flavor::Dkim
            && let Some(tag) = read.list.get("i")
        {
            self.identity = Some(tag.value.to_owned());
            let outside = match (self.identity_domain(), &self.domain) {
                (Some(identity), Some(domain)) => !identity.is_at_or_below(domain),
                (None, _) => true,
                (Some(_), None) => false,
            };
            if outside {
                read.problem(ProblemKind::IdentityOutside, Some(tag.span()));
            }
        }
    }

    /// The domain of `i=`; that of `d=` when there is no `i=` (RFC 6376 §3.5).
    pub fn identity_domain(&self) -> Option<Name> {
        match &self.identity {
            Some(identity) => identity.rsplit_once('@').and_then(|(_, domain)| Name::from_unicode(domain.trim()).ok()),
            None => self.domain.clone(),
        }
    }

    /// The problem that decides its word: one that is `permerror` before one that is `neutral`.
    pub fn worst_problem(&self) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.kind.is_permerror()).or_else(|| self.problems.first())
    }

    /// How often a field name stands in `h=`; the name in lower case.
    pub fn mentions(&self, name: &str) -> usize {
        self.signed.iter().filter(|signed| *signed == name).count()
    }
}

/// Where a selector's key is published; U-labels become A-labels (RFC 8616 §4).
fn key_name(selector: &str, domain: &Name) -> Option<Name> {
    Name::from_unicode(&format!("{selector}._domainkey.{}", domain.as_str())).ok()
}

/// Reads tags and gathers what is wrong.
struct Reader<'a> {
    list: &'a TagList<'a>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn problem(&mut self, kind: ProblemKind, span: Option<Span>) {
        self.problems.push(Problem { kind, span });
    }

    fn require<T>(&mut self, found: Option<T>, kind: ProblemKind, span: Span) -> Option<T> {
        if found.is_none() {
            self.problem(kind, Some(span));
        }
        found
    }

    fn form(&mut self, text: &str) {
        for problem in &self.list.problems {
            match *problem {
                TagProblem::NoEquals(span) | TagProblem::NoName(span) => {
                    self.problem(ProblemKind::NotATag, Some(span));
                }
                TagProblem::Duplicate(span) => self.problem(ProblemKind::Duplicate, Some(span)),
            }
        }
        // Records tolerate what a signature must not have (RFC 6376 §3.2): a name that is no tag-name, `;;`.
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        for tag in self.list.tags.iter().filter(|tag| !is_name(tag.name)) {
            self.problems.push(Problem { kind: ProblemKind::NotATag, span: Some(tag.span()) });
        }
        if text.trim_end().trim_end_matches(';').split(';').any(|part| part.trim().is_empty())
            || text.trim_end().ends_with(";;")
        {
            self.problem(ProblemKind::NotATag, None);
        }
    }

    fn required(&mut self, name: &'static str) -> Option<(&'a str, Span)> {
        let found = self.list.get(name).map(|tag| (tag.value, tag.value_span));
        if found.is_none() {
            self.problem(ProblemKind::Missing(name), None);
        }
        found.filter(|(value, _)| !value.is_empty()).or_else(|| {
            if let Some((_, span)) = found {
                self.problem(ProblemKind::BadValue(name), Some(span));
            }
            None
        })
    }

    fn version(&mut self) {
        match self.list.get("v") {
            None => self.problem(ProblemKind::Missing("v"), None),
            Some(tag) if tag.value != "1" => self.problem(ProblemKind::Version, Some(tag.span())),
            Some(_) => {}
        }
    }

    fn algorithm(&mut self) -> Algorithm {
        let Some((value, span)) = self.required("a") else { return Algorithm::Unknown(String::new()) };
        match value.to_ascii_lowercase().as_str() {
            "rsa-sha256" => Algorithm::Rsa(Hash::Sha256),
            "rsa-sha1" => Algorithm::Rsa(Hash::Sha1),
            "ed25519-sha256" => Algorithm::Ed25519,
            _ => {
                self.problem(ProblemKind::Unknown("a"), Some(span));
                Algorithm::Unknown(value.to_owned())
            }
        }
    }

    /// `c=`: both are simple without it, and the body is simple when only one word stands there (RFC 6376 §3.5).
    fn canonicalisation(&mut self) -> (Canon, Canon) {
        let Some(tag) = self.list.get("c") else { return (Canon::Simple, Canon::Simple) };
        let (header, body) = tag.value.split_once('/').unwrap_or((tag.value, "simple"));
        let read = |word: &str| match word.trim().to_ascii_lowercase().as_str() {
            "simple" => Some(Canon::Simple),
            "relaxed" => Some(Canon::Relaxed),
            _ => None,
        };
        match (read(header), read(body)) {
            (Some(header), Some(body)) => (header, body),
            _ => {
                self.problem(ProblemKind::Unknown("c"), Some(tag.span()));
                (Canon::Simple, Canon::Simple)
            }
        }
    }

    /// A required base64 value, folding white space anywhere in it allowed (RFC 6376 §2.10).
    fn base64(&mut self, name: &'static str) -> Vec<u8> {
        let Some((value, span)) = self.required(name) else { return Vec::new() };
        let packed: Vec<u8> = value.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        self.require(LENIENT.decode(packed).ok(), ProblemKind::BadValue(name), span).unwrap_or_default()
    }

    fn number(&mut self, name: &'static str) -> Option<u64> {
        let tag = self.list.get(name)?;
        let digits = !tag.value.is_empty() && tag.value.bytes().all(|byte| byte.is_ascii_digit());
        self.require(tag.value.parse().ok().filter(|_| digits), ProblemKind::BadValue(name), tag.value_span)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::Envelope;
    use crate::message::Message;

    const BASE: &str = "v=1; a=rsa-sha256; d=Example.com; s=k1; h=From:To:from; bh=YQ==; b=Yg==";

    fn parse(value: &str) -> Signature {
        let text = format!("DKIM-Signature: {value}\r\n\r\n");
        let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
        let field = message.field(0).unwrap();
        Signature::parse(field, Flavor::Dkim)
    }

    fn kinds(value: &str) -> Vec<ProblemKind> {
        parse(value).problems.into_iter().map(|problem| problem.kind).collect()
    }

    #[test]
    fn defaults_are_those_of_the_rfc() {
        let plain = parse(BASE);
        assert_eq!((plain.header_canon, plain.body_canon), (Canon::Simple, Canon::Simple));
        assert_eq!(plain.problems, []);
        assert_eq!(plain.key_name.as_ref().unwrap().as_str(), "k1._domainkey.example.com");
        assert_eq!(plain.identity_domain().unwrap().as_str(), "example.com");
        assert_eq!((plain.mentions("from"), plain.mentions("to"), plain.mentions("cc")), (2, 1, 0));
        let half = parse(&format!("{BASE}; c=relaxed"));
        assert_eq!((half.header_canon, half.body_canon), (Canon::Relaxed, Canon::Simple));
    }

    #[test]
    fn folding_white_space_inside_base64_is_no_content() {
        let signature = parse("v=1; a=rsa-sha256; d=a.b; s=k; h=from; bh=\r\n YQ=\r\n\t=; b=Y g = =");
        assert_eq!((signature.body_hash, signature.value), (b"a".to_vec(), b"b".to_vec()));
        assert_eq!(signature.problems, []);
    }

    #[test]
    fn each_mistake_has_its_name_and_its_word() {
        for (value, kind, permerror) in [
            (format!("{BASE}; d=x.y"), ProblemKind::Duplicate, true),
            (BASE.replace("From:To:from", "To"), ProblemKind::FromUnsigned, true),
            (format!("{BASE}; t=10; x=10"), ProblemKind::ExpiresBeforeSigned, true),
            (BASE.replace("s=k1", "s=k..1"), ProblemKind::NoKeyName, true),
            (BASE.replace("v=1; ", ""), ProblemKind::Missing("v"), false),
            (BASE.replace("v=1", "v=2"), ProblemKind::Version, false),
            (BASE.replace("rsa-sha256", "rsa-md5"), ProblemKind::Unknown("a"), false),
            (format!("{BASE}; c=strict"), ProblemKind::Unknown("c"), false),
            (format!("{BASE}; q=ldap"), ProblemKind::Unknown("q"), false),
            (format!("{BASE}; l=many"), ProblemKind::BadValue("l"), false),
            (format!("{BASE}; l=+1"), ProblemKind::BadValue("l"), false),
            (format!("{BASE}; i=@other.com"), ProblemKind::IdentityOutside, false),
            (format!("{BASE}; i=@notexample.com"), ProblemKind::IdentityOutside, false),
            (format!("{BASE}; junk"), ProblemKind::NotATag, false),
            (format!("{BASE};; x=1"), ProblemKind::NotATag, false),
            (format!("{BASE}; _=1"), ProblemKind::NotATag, false),
            (BASE.replace("b=Yg==", "b=***"), ProblemKind::BadValue("b"), false),
            (BASE.replace("b=Yg==", "b="), ProblemKind::BadValue("b"), false),
        ] {
            assert_eq!(kind.is_permerror(), permerror, "{value}");
            assert_eq!(kinds(&value), [kind], "{value}");
        }
    }

    #[test]
    fn what_is_odd_and_legal_is_no_problem() {
        for value in [
            format!("{BASE}; unknown=tag"),
            format!("{BASE}; x=10"),
            format!("{BASE}; i=user@SUB.example.COM"),
            format!("{BASE}; n=;"),
            format!("{BASE}; \r\n "),
            BASE.replace("To:from", "To: :from:"),
            BASE.replace("s=k1", "s=0"),
            BASE.replace("d=Example.com", "d=bücher.example"),
            BASE.replace("s=k1", "s=with_underscore"),
        ] {
            assert_eq!(kinds(&value), [], "{value}");
        }
    }
}
