//! How a run ends its checks and tells what they found: sections, verdict, report.

use super::{AFTERWORD_TIME, Afterword, Run, Standing, contained};
use crate::check::{Query, Subject};
use crate::engine::desk::Reply;
use crate::engine::ledger::Way;
use crate::engine::memory::Memory;
use crate::finding::Severity;
use crate::job::JobEvent;
use crate::report::{Report, Section};
use std::sync::Arc;

impl<S: Subject> Run<S> {
    /// Adds what an afterword finds; one that breaks or takes too long adds nothing.
    pub(super) async fn add(&mut self, afterword: Afterword<S>) {
        let sections: Vec<Section> = self.sections.iter().map(|(_, section)| section.clone()).collect();
        let (subject, evidence) = (self.subject.clone(), self.evidence.clone());
        let work = move || contained(|| afterword(&subject, &evidence, &sections)).unwrap_or_default();
        let task = tokio::task::spawn_blocking(work);
        let Ok(Ok(findings)) = tokio::time::timeout(AFTERWORD_TIME, task).await else { return };
        for (id, finding) in findings {
            let place = self.sections.iter().find(|(_, section)| section.id == id);
            let Some((at, mut section)) = place.cloned() else { continue };
            section.findings.push(finding);
            self.publish(at, section.settle());
        }
        self.tell();
    }

    /// Lets the subject see all sections at once, and tells those that it changes.
    pub(super) fn together(&mut self) {
        let mut sections: Vec<Section> = self.sections.iter().map(|(_, section)| section.clone()).collect();
        let subject = self.subject.clone();
        if contained(|| subject.together(&mut sections)).is_none() {
            return;
        }
        let places: Vec<usize> = self.sections.iter().map(|(at, _)| *at).collect();
        for (at, section) in places.into_iter().zip(sections) {
            if !self.sections.iter().any(|(place, before)| *place == at && *before == section) {
                self.publish(at, section);
            }
        }
        self.tell();
    }

    /// No more is asked, and what is out is not waited for.
    pub(super) fn give_up(&mut self, why: String) {
        self.gave_up = Some(why.clone());
        self.answers.clear();
        self.unaddressed.clear();
        let out: Vec<Query> = self.pending.keys().cloned().collect();
        for query in out {
            self.settle(&query, Reply::failed(&query, &why), Way::Asked);
        }
        for at in 0..self.posts.len() {
            if self.posts.get(at).is_some_and(|post| matches!(post.standing, Standing::Working | Standing::Again)) {
                self.close(at, &why);
            }
        }
    }

    /// Nothing is out and something waits: a check that asked nothing. It must not hang the job.
    pub(super) fn unstick(&mut self) {
        for at in 0..self.posts.len() {
            if self.posts.get(at).is_some_and(|post| post.standing == Standing::Waiting) {
                self.close(at, "mxray itself broke here (it waits for nothing); please report it");
            }
        }
    }

    /// Ends a check without a verdict.
    pub(super) fn close(&mut self, at: usize, why: &str) {
        let Some(post) = self.posts.get_mut(at) else { return };
        post.standing = Standing::Done;
        let (id, title) = (post.check.id(), post.check.title());
        let mut section = Section::could_not_look((id, title), "mxray.not-done", title, why, post.read.clone());
        section.evidence.clone_from(&post.read);
        self.publish(at, section);
    }

    pub(super) fn publish(&mut self, at: usize, section: Section) {
        self.news = true;
        self.house.outbox.put(self.id, JobEvent::Section(Arc::new(section.clone())));
        match self.sections.binary_search_by_key(&at, |(place, _)| *place) {
            Ok(found) => {
                if let Some(entry) = self.sections.get_mut(found) {
                    entry.1 = section;
                }
            }
            Err(place) => self.sections.insert(place, (at, section)),
        }
    }

    /// Tells what has changed since the last time.
    pub(super) fn tell(&mut self) {
        for line in self.ledger.take_changed() {
            self.house.outbox.put(self.id, JobEvent::Lookup(line));
        }
        if !std::mem::take(&mut self.news) {
            return;
        }
        let sections: Vec<Section> = self.sections.iter().map(|(_, section)| section.clone()).collect();
        let subject = self.subject.clone();
        let verdict = contained(|| (subject.verdict(&sections), subject.summary(&sections))).unwrap_or_default();
        if verdict != self.verdict {
            self.verdict = verdict;
            self.house.outbox.put(self.id, JobEvent::Verdict(self.verdict.0.clone(), self.verdict.1.clone()));
        }
    }

    pub(super) fn finish(self) {
        let sections: Vec<Section> = self.sections.into_iter().map(|(_, section)| section).collect();
        let (verdict, summary) = self.verdict;
        let report = Report {
            mxray: env!("CARGO_PKG_VERSION"),
            schema: 1,
            kind: S::KIND,
            target: self.subject.target(),
            at: self.now,
            elapsed_ms: (self.start.elapsed().as_secs_f64() * 10_000.0).round() / 10.0,
            worst: sections.iter().map(Section::worst).max().unwrap_or(Severity::Ok),
            verdict,
            summary,
            since: None,
            sections,
            lookups: self.ledger.into_lines(),
        };
        // A replay or a what-if is not what the domain publishes today.
        if let (Some(path), None) = (&self.house.settings.memory, &self.job.evidence)
            && let Err(why) = Memory::at(path).keep(&report)
        {
            tracing::warn!("cannot remember {}: {why}", report.target);
        }
        self.house.outbox.put(self.id, JobEvent::Finished(Arc::new(report), self.evidence));
    }
}
