//! Bundles of PEM blocks, as `assets/demo/make.sh` writes them: each entry is a line `# NAME`, then its blocks.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The text of the entry `name`, without its title.
pub(super) fn entry<'a>(bundle: &'a str, name: &str) -> Option<&'a str> {
    entries(bundle).find(|(title, _)| *title == name).map(|(_, text)| text)
}

/// All entries: title and text. What stands before the first PEM block of a file is no entry.
pub(super) fn entries(bundle: &str) -> impl Iterator<Item = (&str, &str)> {
    bundle.split("\n# ").filter_map(|block| block.split_once('\n')).filter(|(_, text)| text.starts_with("-----BEGIN"))
}

/// The private key of an entry.
pub(super) fn private_key(bundle: &str, name: &str) -> Result<Option<PrivateKeyDer<'static>>, String> {
    let Some(text) = entry(bundle, name) else { return Ok(None) };
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map(Some).map_err(|why| format!("the key of {name}: {why}"))
}

/// The certificates of an entry, the server's own first.
pub(super) fn certificates(bundle: &str, name: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(entry(bundle, name).unwrap_or_default().as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|why| format!("the certificate of {name}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_where_the_next_begins() {
        let bundle = "# a word of warning\n# a.example\n-----BEGIN X-----\n1\n# b.example\n-----BEGIN X-----\n2\n";
        assert_eq!(entries(bundle).map(|(title, _)| title).collect::<Vec<_>>(), ["a.example", "b.example"]);
        assert_eq!(entry(bundle, "a.example"), Some("-----BEGIN X-----\n1"));
        assert_eq!(entry(bundle, "c.example"), None);
    }
}
