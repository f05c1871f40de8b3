//! What mxray remembers of domains between runs, so that the next look can tell what changed: the DKIM selectors that were
//! found, and the MTA-STS `id` with the hash of its policy. One small JSON file, whole or not there; nothing else is kept,
//! and nothing leaves the machine. Without a file (settings, `--demo`, `--case`) nothing is remembered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::name::Name;
use crate::records::mta_sts::RememberedSts;
use crate::report::Report;

/// Domains that are kept; the one not looked at for the longest time goes first.
const MOST_DOMAINS: usize = 2000;
/// Selectors of one domain.
const MOST_SELECTORS: usize = 32;

/// Where the memory lies.
#[derive(Clone, Debug)]
pub struct Memory {
    path: PathBuf,
}

/// What is known of one domain from before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// DKIM selectors that had a key.
    #[serde(default)]
    pub selectors: Vec<String>,
    /// The MTA-STS id that was published.
    #[serde(default)]
    pub sts_id: Option<String>,
    /// SHA-256 of the policy's bytes, in hexadecimal.
    #[serde(default)]
    pub sts_policy_sha256: Option<String>,
    /// When it was looked at, in seconds since 1970.
    #[serde(default)]
    pub at: i64,
}

impl Remembered {
    /// The MTA-STS policy as it was seen, when both its parts were.
    pub fn sts(&self) -> Option<RememberedSts> {
        Some(RememberedSts { id: self.sts_id.clone()?, policy_sha256: self.sts_policy_sha256.clone()? })
    }
}

#[derive(Default, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    domains: BTreeMap<String, Remembered>,
}

impl File {
    fn forget_oldest(&mut self) {
        while self.domains.len() > MOST_DOMAINS {
            let oldest = self.domains.iter().min_by_key(|(_, known)| known.at).map(|(name, _)| name.clone());
            oldest.map(|name| self.domains.remove(&name));
        }
    }
}

impl Memory {
    /// The memory in this file, which need not exist.
    pub fn at(path: &Path) -> Memory {
        Memory { path: path.to_owned() }
    }

    /// What is known of a domain; a file that cannot be read knows nothing.
    pub fn recall(&self, name: &Name) -> Remembered {
        self.read().domains.remove(name.as_str()).unwrap_or_default()
    }

    /// Keeps what a finished report on a domain saw, or the selectors of the signatures that held in a message. What it
    /// could not look at stays as it was remembered.
    pub fn keep(&self, report: &Report) -> std::io::Result<()> {
        match report.kind {
            "domain" => self.keep_domain(report),
            "message" => self.keep_signers(report),
            _ => Ok(()),
        }
    }

    /// Only signatures whose mathematics hold: anybody can write a selector into a message.
    fn keep_signers(&self, report: &Report) -> std::io::Result<()> {
        let signatures =
            report.sections.iter().find(|one| one.id == "dkim").and_then(|one| one.facts.get("signatures"));
        let held = signatures.and_then(|all| all.as_array()).into_iter().flatten();
        let held: Vec<(&str, &str)> = held
            .filter(|one| one["header_signature"] == "valid")
            .filter_map(|one| one["domain"].as_str().zip(one["selector"].as_str()))
            .collect();
        let mut file = self.read();
        let mut is_new = false;
        for (domain, selector) in held {
            let known = file.domains.entry(domain.to_owned()).or_default();
            if known.selectors.len() < MOST_SELECTORS && !known.selectors.iter().any(|one| one == selector) {
                known.selectors.push(selector.to_owned());
                known.at = OffsetDateTime::now_utc().unix_timestamp();
                is_new = true;
            }
        }
        if !is_new {
            return Ok(());
        }
        file.forget_oldest();
        self.write(&file)
    }

    fn keep_domain(&self, report: &Report) -> std::io::Result<()> {
        let mut file = self.read();
        let before = file.domains.get(&report.target).cloned().unwrap_or_default();
        let seen = seen(report, &before);
        if seen.selectors.is_empty() && seen.sts_id.is_none() {
            return Ok(());
        }
        file.domains.insert(report.target.clone(), seen);
        file.forget_oldest();
        self.write(&file)
    }

    fn read(&self) -> File {
        std::fs::read_to_string(&self.path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    fn write(&self, file: &File) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        write_whole(&self.path, serde_json::to_string_pretty(file)?.as_bytes())
    }
}

/// Writes a file so that it is whole or as it was: beside its place, then moved.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = Path::new(&beside);
    let written = std::fs::write(beside, bytes).and_then(|()| std::fs::rename(beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(beside);
    }
    written
}

fn seen(report: &Report, before: &Remembered) -> Remembered {
    let fact = |section: &str, key: &str| {
        let section = report.sections.iter().find(|one| one.id == section)?;
        section.facts.get(key)
    };
    let mut selectors = before.selectors.clone();
    let keys = fact("dkim", "keys").and_then(|keys| keys.as_array()).into_iter().flatten();
    for selector in keys.filter_map(|key| key.get("selector")?.as_str()) {
        if !selectors.iter().any(|known| known == selector) {
            selectors.push(selector.to_owned());
        }
    }
    let text = |key| fact("mta-sts", key).and_then(|value| value.as_str()).map(str::to_owned);
    let (sts_id, sts_policy_sha256) = match (text("id"), text("policy_sha256")) {
        (Some(id), Some(hash)) => (Some(id), Some(hash)),
        _ => (before.sts_id.clone(), before.sts_policy_sha256.clone()),
    };
    selectors.truncate(MOST_SELECTORS);
    Remembered { selectors, sts_id, sts_policy_sha256, at: OffsetDateTime::now_utc().unix_timestamp() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;
    use crate::report::Section;

    fn report(target: &str, selector: &str, id: Option<&str>) -> Report {
        let mut dkim = Section::new("dkim", "DKIM");
        dkim.fact("keys", serde_json::json!([{ "selector": selector }]));
        let mut sts = Section::new("mta-sts", "MTA-STS");
        sts.fact("id", id);
        sts.fact("policy_sha256", id.map(|id| format!("hash of {id}")));
        Report {
            mxray: "0.1.0",
            schema: 1,
            kind: "domain",
            target: target.into(),
            at: OffsetDateTime::UNIX_EPOCH,
            elapsed_ms: 1.0,
            worst: Severity::Ok,
            verdict: Vec::new(),
            summary: None,
            since: None,
            sections: vec![dkim, sts],
            lookups: Vec::new(),
        }
    }

    #[test]
    fn what_was_seen_is_known_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::at(&folder.path().join("state/memory.json"));
        let name = Name::from_text("monsec.io").unwrap();
        assert_eq!(memory.recall(&name), Remembered::default());

        memory.keep(&report("monsec.io", "google", Some("1"))).unwrap();
        memory.keep(&report("other.test", "s1", None)).unwrap();
        memory.keep(&report("monsec.io", "s2", None)).unwrap();
        let mut message = report("<id@x>", "unused", None);
        message.kind = "message";
        message.sections.truncate(1);
        let one = |domain: &str, selector: &str, header: &str| serde_json::json!({"domain": domain, "selector": selector, "header_signature": header});
        let signatures = [one("signer.test", "held", "valid"), one("signer.test", "forged", "invalid")];
        message.sections[0].fact("signatures", signatures);
        memory.keep(&message).unwrap();
        assert_eq!(memory.recall(&Name::from_text("signer.test").unwrap()).selectors, ["held"]);
        let known = memory.recall(&name);
        assert_eq!(known.selectors, ["google", "s2"]);
        assert_eq!(known.sts(), Some(RememberedSts { id: "1".into(), policy_sha256: "hash of 1".into() }));
        let files = std::fs::read_dir(folder.path().join("state")).unwrap().count();
        assert_eq!(files, 1, "no half-written file is left beside it");
    }

    #[test]
    fn a_broken_file_knows_nothing_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::at(&folder.path().join("memory.json"));
        std::fs::write(folder.path().join("memory.json"), "{ half").unwrap();
        let name = Name::from_text("monsec.io").unwrap();
        assert_eq!(memory.recall(&name), Remembered::default());
        memory.keep(&report("monsec.io", "google", None)).unwrap();
        assert_eq!(memory.recall(&name).selectors, ["google"]);
    }
}
