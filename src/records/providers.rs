//! Mail providers as DNS shows them: whose hosts take the mail, whose names stand in an SPF record, to whom DKIM names are
//! delegated. The list is `assets/providers.toml`, facts that vendors document; it guesses nothing about an account.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::name::Name;

/// The embedded list.
const LIST: &str = include_str!("../../assets/providers.toml");

/// One provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// How people call it.
    pub name: String,
    /// Its mail hosts; each name stands for itself and all below it.
    mx: Vec<String>,
    /// The names that its customers include in SPF.
    spf: Vec<String>,
    /// The SPF term that its documentation asks for, where that is the same for everybody.
    pub spf_term: Option<String>,
    /// Where its customers' DKIM names are delegated to.
    #[serde(default)]
    cname: Vec<String>,
    /// The DKIM selectors that it documents.
    #[serde(default)]
    pub selectors: Vec<String>,
    /// The `mx` lines of an MTA-STS policy that cover its hosts.
    #[serde(default)]
    pub sts_mx: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    provider: Vec<Provider>,
}

static ALL: LazyLock<Vec<Provider>> =
    LazyLock::new(|| toml::from_str::<File>(LIST).map(|file| file.provider).unwrap_or_default());

/// Every provider of the list.
pub fn all() -> &'static [Provider] {
    &ALL
}

/// The provider that a mail host belongs to.
pub fn by_mx(host: &Name) -> Option<&'static Provider> {
    best(host, |provider| &provider.mx)
}

/// The provider whose name stands in an `include:` or `redirect=`.
pub fn by_include(name: &Name) -> Option<&'static Provider> {
    best(name, |provider| &provider.spf)
}

/// The provider that a DKIM name is delegated to.
pub fn by_cname(target: &Name) -> Option<&'static Provider> {
    best(target, |provider| &provider.cname)
}

/// The provider with the longest pattern at or above `name`.
fn best(name: &Name, patterns: impl Fn(&'static Provider) -> &'static [String]) -> Option<&'static Provider> {
    let matches = |pattern: &str| {
        let name = name.as_str();
        name.strip_suffix(pattern).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    all()
        .iter()
        .filter_map(|provider| {
            let longest = patterns(provider).iter().filter(|p| matches(p)).map(String::len).max()?;
            Some((longest, provider))
        })
        .max_by_key(|(longest, _)| *longest)
        .map(|(_, provider)| provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    fn called(provider: Option<&Provider>) -> Option<&str> {
        provider.map(|provider| provider.name.as_str())
    }

    #[test]
    fn the_embedded_list_reads_and_has_no_bad_name() {
        assert!(all().len() >= 40);
        for provider in all() {
            for pattern in provider.mx.iter().chain(&provider.spf).chain(&provider.cname) {
                assert_eq!(name(pattern).as_str(), pattern, "{}", provider.name);
            }
            for selector in &provider.selectors {
                assert!(name("example.com").below(selector).is_ok(), "{selector}");
            }
            assert!(!provider.mx.is_empty() || !provider.spf.is_empty() || !provider.cname.is_empty());
        }
    }

    #[test]
    fn hosts_includes_and_delegations_name_their_provider() {
        for (host, provider) in [
            ("smtp.google.com", Some("Google Workspace")),
            ("alt1.aspmx.l.google.com", Some("Google Workspace")),
            ("smtp.google.example", Some("Google Workspace")),
            ("contoso-com.mail.protection.outlook.com", Some("Microsoft 365")),
            ("in1-smtp.messagingengine.com", Some("Fastmail")),
            ("mail.notgoogle.com", None),
            ("mx.example.com", None),
        ] {
            assert_eq!(called(by_mx(&name(host))), provider, "{host}");
        }
        assert_eq!(called(by_include(&name("_spf.google.com"))), Some("Google Workspace"));
        assert_eq!(called(by_include(&name("eu._netblocks.mimecast.com"))), Some("Mimecast"));
        assert_eq!(called(by_cname(&name("selector1-a-com._domainkey.a.onmicrosoft.com"))), Some("Microsoft 365"));
    }

    #[test]
    fn the_longest_pattern_wins() {
        assert_eq!(called(by_cname(&name("k2.dkim2.mcsv.net"))), Some("Mailchimp"));
        assert_eq!(called(by_include(&name("spf.mandrillapp.com"))), Some("Mailchimp Transactional (Mandrill)"));
    }
}
