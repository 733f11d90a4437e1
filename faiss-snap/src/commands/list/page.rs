//! The folder of backups as a page to look at: the snapshots in time, what was checked, drills, what would go next.

use std::fmt::{self, Display, Write as _};
use std::fs;
use std::io::Read;
use std::path::Path;

use chrono::{DateTime, Utc};
use golden::html::{Page, Text, cell, tile};
use serde_json::Value;

use super::bytes;
use crate::backups::{Backups, Contents, Snapshot};
use crate::drill::{FOLDER, Outcome};
use crate::manifest::{Half, Level, Manifest};
use crate::plan::Plan;
use crate::retention::{PassedOver, Reason, Verdict};

/// How many drills are shown, the newest.
const DRILLS: usize = 50;

/// More than any evidence has.
const LARGEST_EVIDENCE: u64 = 1 << 20;

/// The page of a folder, as it is now.
pub fn of<'b>(backups: &'b Backups, contents: &'b Contents, plan: &'b Plan, now: DateTime<Utc>) -> Page<Body<'b>> {
    Page { title: format!("Backups in {}", backups.folder().display()), body: Body { backups, contents, plan, now } }
}

/// What is to be seen.
pub struct Body<'b> {
    backups: &'b Backups,
    contents: &'b Contents,
    plan: &'b Plan,
    now: DateTime<Utc>,
}

impl Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "<h1>Backups in {}</h1>", Text(&self.backups.folder().display().to_string()))?;
        writeln!(f, "<p class=\"soft\">as of {}</p>", date(self.now))?;
        self.write_summary(f)?;
        self.write_line(f)?;
        self.write_snapshots(f)?;
        self.write_drills(f)?;
        self.write_rest(f)
    }
}

impl Body<'_> {
    fn manifests(&self) -> impl DoubleEndedIterator<Item = &Manifest> {
        self.contents.snapshots.iter().map(|Snapshot { manifest }| manifest)
    }

    fn write_summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |half| bytes(self.manifests().map(|manifest| manifest.size(half)).sum());
        let passed = self.manifests().rev().find(|manifest| is_passed(manifest));
        let going = self.plan.removals(self.contents).len();
        let latest = self.contents.latest().map(Snapshot::stamp);
        f.write_str("<div class=\"tiles\">\n")?;
        f.write_str(&tile(self.contents.snapshots.len(), "snapshots"))?;
        f.write_str(&tile(size(Half::Db), "databases"))?;
        f.write_str(&tile(size(Half::Faiss), "indexes; shared files counted each time"))?;
        f.write_str(&tile(going, "would go, whole or in part"))?;
        f.write_str("</div>\n")?;
        match latest {
            Some(stamp) => writeln!(f, "<p>The newest is of {}.</p>", date(stamp.time()))?,
            None => f.write_str("<p class=\"bad\">There is no snapshot.</p>\n")?,
        }
        match passed {
            Some(manifest) => writeln!(f, "<p>The last that passed a drill is of {}.</p>", date(manifest.stamp.time())),
            None => f.write_str("<p class=\"warn\">None has passed a drill yet.</p>\n"),
        }
    }

    /// The snapshots as points in time.
    fn write_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = (self.contents.snapshots.first(), self.contents.snapshots.last());
        let (Some(first), Some(last)) = ends else { return Ok(()) };
        let (first, last) = (first.stamp().time(), last.stamp().time());
        let length = (last - first).num_seconds().max(1) as f64;
        f.write_str("<div class=\"line\">\n")?;
        for manifest in self.manifests() {
            let place = (manifest.stamp.time() - first).num_seconds() as f64 / length * 100.0;
            let class = match manifest.level() {
                Level::Error => "wrong",
                _ if self.goes_whole(manifest) => "goes",
                _ => "stays",
            };
            writeln!(f, "<i class=\"{class}\" style=\"left: {place:.2}%\" title=\"{}\"></i>", manifest.stamp)?;
        }
        writeln!(f, "<span>{}</span><span>{}</span>\n</div>", first.format("%F"), last.format("%F"))?;
        f.write_str(
            "<p class=\"soft\">Filled: stays. Empty: would go. Red: something was wrong when it was taken.</p>\n",
        )
    }

    fn goes_whole(&self, manifest: &Manifest) -> bool {
        let verdicts = self.plan.verdicts.get(&manifest.stamp);
        verdicts.is_some_and(|verdicts| verdicts.values().all(|verdict| matches!(verdict, Verdict::Goes(_))))
    }

    fn write_snapshots(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.contents.snapshots.is_empty() {
            return Ok(());
        }
        f.write_str(
            "<h2>Snapshots</h2>\n<div class=\"scroll\"><table id=\"snapshots\">\n<thead><tr><th>Snapshot</th>",
        )?;
        f.write_str(
            "<th>Database</th><th>Indexes</th><th>Checks</th><th>Drill</th><th>Next</th></tr></thead>\n<tbody>\n",
        )?;
        for manifest in self.manifests().rev() {
            let mut name = manifest.stamp.to_string();
            for tag in &manifest.tags {
                let _ = write!(name, "<br><span class=\"soft\">{}</span>", Text(tag));
            }
            write!(f, "<tr>{}", cell("fit", "Snapshot", name))?;
            for (half, heading) in [(Half::Db, "Database"), (Half::Faiss, "Indexes")] {
                let size = if manifest.has(half) { bytes(manifest.size(half)) } else { "–".to_owned() };
                f.write_str(&cell("number", heading, size))?;
            }
            f.write_str(&cell("text", "Checks", Checks(manifest)))?;
            f.write_str(&cell("fit", "Drill", LastDrill(manifest)))?;
            writeln!(f, "{}</tr>", cell("text", "Next", self.next(manifest)))?;
        }
        f.write_str("</tbody></table></div>\n")
    }

    /// What becomes of the halves, and why; said once where it is the same.
    fn next(&self, manifest: &Manifest) -> String {
        let fate = |verdict: &Verdict| {
            let (class, fate, why) = match verdict {
                Verdict::Stays(why) => ("good", "stays", joined(why, Reason::to_string)),
                Verdict::Goes(why) => ("warn", "goes", joined(why, PassedOver::to_string)),
            };
            format!("<b class=\"{class}\">{fate}</b> <span class=\"soft\">{}</span>", Text(&why))
        };
        let verdicts = self.plan.verdicts.get(&manifest.stamp).into_iter().flatten();
        let fates: Vec<_> = verdicts.map(|(half, verdict)| (half, fate(verdict))).collect();
        match fates.as_slice() {
            [(_, both), (_, same)] if both == same => both.clone(),
            fates => fates.iter().map(|(half, fate)| format!("<div>{half} {fate}</div>")).collect(),
        }
    }

    fn write_drills(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let evidence = evidence(&self.backups.path(FOLDER));
        if evidence.is_empty() {
            return Ok(());
        }
        f.write_str("<h2>Drills</h2>\n<div class=\"scroll\"><table id=\"drills\">\n<thead><tr><th>Finished</th><th>Outcome</th>")?;
        f.write_str("<th>Snapshot</th><th>Document</th><th>Recall</th></tr></thead>\n<tbody>\n")?;
        for document in evidence {
            let text = |member: &str| document[member].as_str().unwrap_or("–").to_owned();
            let outcome = text("outcome");
            let class = match outcome.as_str() {
                "good" => "good",
                "bad" => "bad",
                _ => "warn",
            };
            let searches = document["retrieval"].as_array().map(Vec::as_slice).unwrap_or_default();
            let recalls = searches.iter().filter_map(|search| search["recall"].as_f64());
            let recalls: Vec<_> = recalls.map(|recall| format!("{recall:.3}")).collect();
            f.write_str("<tr>")?;
            f.write_str(&cell("fit", "Finished", Text(&text("finished_at"))))?;
            f.write_str(&cell(class, "Outcome", Text(&outcome)))?;
            f.write_str(&cell("fit", "Snapshot", Text(&text("snapshot"))))?;
            f.write_str(&cell("text", "Document", Text(&text("document"))))?;
            writeln!(f, "{}</tr>", cell("fit", "Recall", recalls.join(", ")))?;
        }
        f.write_str("</tbody></table></div>\n")
    }

    /// What is no snapshot, or none any more.
    fn write_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contents { unreadable, foreign, debris, .. } = self.contents;
        if !unreadable.is_empty() {
            f.write_str("<h2 class=\"bad\">Damaged</h2>\n<ul>\n")?;
            for one in unreadable {
                writeln!(f, "<li>{}: {}</li>", one.stamp, Text(&one.why.to_string()))?;
            }
            f.write_str("</ul>\n")?;
        }
        for (title, names) in [("Files of others", foreign), ("Left by an interrupted run", debris)] {
            if !names.is_empty() {
                writeln!(f, "<h2>{title}</h2>\n<ul>")?;
                names.iter().try_for_each(|name| writeln!(f, "<li>{}</li>", Text(name)))?;
                f.write_str("</ul>\n")?;
            }
        }
        Ok(())
    }
}

/// What was found when a snapshot was taken, but for what was in order.
struct Checks<'m>(&'m Manifest);

impl Display for Checks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let findings = &self.0.findings;
        let in_order = findings.iter().filter(|finding| finding.level == Level::Ok).count();
        write!(f, "<span class=\"good\">{in_order} in order</span>")?;
        for finding in findings {
            let class = match finding.level {
                Level::Ok => continue,
                Level::Warning => "warn",
                Level::Error => "bad",
            };
            write!(f, "<div class=\"{class}\">{}</div>", Text(&finding.to_string()))?;
        }
        Ok(())
    }
}

/// The last drill of a snapshot.
struct LastDrill<'m>(&'m Manifest);

impl Display for LastDrill<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(drill) = &self.0.drill else { return f.write_str("–") };
        let (class, outcome) = match drill.outcome {
            Outcome::Passed => ("good", "passed"),
            Outcome::Failed => ("bad", "failed"),
        };
        write!(f, "<span class=\"{class}\">{outcome}</span><br><span class=\"soft\">{}</span>", drill.at.format("%F"))
    }
}

fn is_passed(manifest: &Manifest) -> bool {
    manifest.drill.as_ref().is_some_and(|drill| drill.outcome == Outcome::Passed)
}

fn date(time: DateTime<Utc>) -> impl Display {
    time.format("%F %T UTC")
}

fn joined<T>(reasons: &[T], text: fn(&T) -> String) -> String {
    reasons.iter().map(text).collect::<Vec<_>>().join("; ")
}

/// What drills left, the newest first. Files that cannot be read are no evidence.
fn evidence(folder: &Path) -> Vec<Value> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    // Their names are the times at which they were finished.
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let mut text = Vec::new();
        fs::File::open(path).ok()?.take(LARGEST_EVIDENCE).read_to_end(&mut text).ok()?;
        serde_json::from_slice::<Value>(&text).ok().filter(Value::is_object)
    };
    files.iter().rev().take(DRILLS).filter_map(read).collect()
}
