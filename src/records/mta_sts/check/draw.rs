//! The section as a person reads it: the record, the policy line by line, the MX beside it.

use super::{Found, Looked};
use crate::check::{Data, Look};
use crate::finding::Severity;
use crate::records::mta_sts::policy::{StsMode, StsPolicy};
use crate::report::{Block, Cell, Fact, Link, RecordBlock, Row, Table};

impl Looked<'_> {
    pub(super) fn addresses(&self) -> Vec<String> {
        self.a.addresses().chain(self.aaaa.addresses()).map(|address| address.to_string()).collect()
    }

    pub(super) fn host_is_known(&self) -> bool {
        [&self.a, &self.aaaa].iter().all(|answer| !matches!(answer.look(), Look::Unknown(_)))
    }

    pub(super) fn blocks(&self, texts: &[String], found: &Found<'_>, served: Option<String>) -> Vec<Block> {
        let mut blocks = Vec::new();
        // The record that counts comes first: findings underline its bytes.
        let counted = found.record.as_ref().map(|record| record.text.as_str());
        let mut texts: Vec<&String> = texts.iter().collect();
        texts.sort_by_key(|text| Some(text.as_str()) != counted);
        for text in texts {
            let marks = found.record.as_ref().filter(|record| record.text == *text).map(|record| record.marks.clone());
            blocks.push(Block::Record(RecordBlock {
                name: self.at.to_string(),
                host: self.at.relative_to(&self.domain.zone()),
                rr_type: "TXT".into(),
                priority: None,
                ttl: self.txt.ttl,
                text: text.clone(),
                marks: marks.unwrap_or_default(),
                lookup: Some(self.txt.id),
            }));
        }
        let mut facts = Vec::new();
        let alias = self.txt.aliases.iter().rev().find_map(|alias| match &alias.data {
            Data::Cname(target) => Some(target),
            _ => None,
        });
        if let Some(target) = alias {
            facts.push(Fact::new(
                "Kept at",
                Cell::from(format!("{target} (by CNAME)")).linked(Link::Domain(target.clone())),
            ));
        }
        facts.push(Fact::new("Policy host", self.host_cell()));
        if let Some(served) = served {
            facts.push(Fact::new("Served as", served));
        }
        blocks.push(Block::Facts(facts));
        if let Some(policy) = &found.policy {
            blocks.push(Block::Source {
                title: self.url.clone(),
                text: policy.text.clone(),
                marks: policy.marks.clone(),
            });
            blocks.push(Block::Table(self.mx_table(policy)));
        }
        blocks.push(how_to());
        blocks
    }

    pub(super) fn host_cell(&self) -> Cell {
        let alias = self.a.aliases.iter().chain(&self.aaaa.aliases).rev().find_map(|alias| match &alias.data {
            Data::Cname(target) => Some(target),
            _ => None,
        });
        let addresses = self.addresses();
        let mut text = self.host.to_string();
        if let Some(target) = alias {
            text.push_str(&format!(" CNAME {target}"));
        }
        if addresses.is_empty() {
            let what = if self.host_is_known() { "no address" } else { "its addresses could not be looked at" };
            return Cell::from(format!("{text}: {what}")).judged(Severity::Warning);
        }
        Cell::from(format!("{text}: {}", addresses.join(", "))).linked(Link::Domain(self.host.clone()))
    }

    pub(super) fn mx_table(&self, policy: &StsPolicy) -> Table {
        let columns = ["Preference", "MX today", "In the policy"].map(String::from).to_vec();
        let rows = self.mx.hosts.iter().map(|host| {
            let listed = policy.mx.iter().find(|pattern| pattern.matches(&host.name));
            let severity =
                if listed.is_none() && policy.mode != Some(StsMode::None) { Severity::Error } else { Severity::Ok };
            let how = listed.map_or("not listed".to_owned(), |pattern| format!("by {}", pattern.text));
            let cells = vec![
                Cell::from(host.preference.to_string()),
                Cell::from(host.name.to_string()).linked(Link::Smtp(host.name.to_string())),
                Cell::from(how).judged(severity),
            ];
            Row { cells, section: None }
        });
        let unused = policy.mx.iter().filter(|pattern| !self.mx.hosts.iter().any(|host| pattern.matches(&host.name)));
        let unused = unused.map(|pattern| Row {
            cells: vec![Cell::from("-"), Cell::from("none of today's MX"), Cell::from(pattern.text.clone())]
                .into_iter()
                .map(Cell::dimmed)
                .collect(),
            section: None,
        });
        let rows = if self.mx.unknown.is_some() { Vec::new() } else { rows.chain(unused).collect() };
        Table { columns, rows }
    }
}

pub(super) fn short(line: &str) -> String {
    const MOST: usize = 60;
    if line.chars().count() <= MOST { line.to_owned() } else { line.chars().take(MOST).chain(['…']).collect() }
}

pub(super) fn how_to() -> Block {
    let text = [
        "MTA-STS tells senders to deliver only over TLS with a valid certificate, so that nobody in between can strip the encryption or pose as your MX.",
        "First the host: mta-sts below the domain, an A, AAAA or CNAME record to a web server with a certificate for that name. Then the file there, at /.well-known/mta-sts.txt, served as text/plain without a redirect. Last the TXT record at _mta-sts with a new id.",
        "Start with mode: testing and a TLS-RPT record: senders then report failures and deliver as before. Enforce only when every MX is listed and its certificate has been seen.",
        "Whenever the file changes, publish the file first and a new id after it. When an MX changes, list the new one before it goes live.",
    ];
    Block::Prose { title: "How to set it up".into(), text: text.map(String::from).to_vec() }
}
