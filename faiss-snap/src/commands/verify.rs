//! `verify`: whether snapshots are still what their manifests say.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Error, Kind, Result};
use serde::Serialize;

use super::settled;
use crate::backups::{Contents, Snapshot};
use crate::cli;
use crate::manifest::Half;
use crate::selector::Selector;
use crate::stamp::Stamp;
use crate::verification::{Depth, Problem, Verifier};

/// Verifies what was asked for.
pub fn run(arguments: &cli::Verify, reporter: &Reporter) -> Result<ExitCode> {
    let backups = settled(&arguments.backups.backups, reporter)?;
    let contents = backups.contents()?;
    let depth = match (arguments.quick, arguments.deep) {
        (true, _) => Depth::Sizes,
        (_, true) => Depth::Contents,
        _ => Depth::Digests,
    };
    let mut verifier = Verifier::new(&backups, depth, arguments.subset);
    let mut report =
        Report { depth: depth.name(), snapshots: unreadable(&contents, arguments), not_checked: Vec::new() };
    for snapshot in selected(&contents, arguments)? {
        let manifest = &snapshot.manifest;
        let problems = verifier.verify(manifest);
        let size = manifest.size(Half::Db) + manifest.size(Half::Faiss);
        report.snapshots.push(Verified { stamp: snapshot.stamp(), size, problems });
    }
    report.not_checked = verifier.not_checked();
    report.snapshots.sort_by_key(|verified| verified.stamp);
    let is_whole = report.snapshots.iter().all(|verified| verified.problems.is_empty());
    reporter.report(&report, !is_whole)?;
    Ok(if is_whole { ExitCode::SUCCESS } else { Kind::Data.into() })
}

fn selected<'c>(contents: &'c Contents, arguments: &cli::Verify) -> Result<Vec<&'c Snapshot>> {
    if contents.snapshots.is_empty() && contents.unreadable.is_empty() {
        return Err(Error::data(format!("there is no snapshot in {}", arguments.backups.backups.display()))
            .guidance("faiss-snap create takes one; faiss-snap list shows what else is there"));
    }
    if arguments.all {
        return Ok(contents.snapshots.iter().collect());
    }
    match &arguments.snapshot {
        Selector::Latest => Ok(contents.latest().into_iter().collect()),
        Selector::Stamp(stamp) if contents.unreadable.iter().any(|unreadable| unreadable.stamp == *stamp) => {
            Ok(Vec::new())
        }
        Selector::Stamp(stamp) => Ok(vec![contents.find(*stamp)?]),
    }
}

/// The manifests among those asked for that cannot be read: a newer one than the newest that can counts
/// as the latest.
fn unreadable(contents: &Contents, arguments: &cli::Verify) -> Vec<Verified> {
    let latest = contents.latest().map(Snapshot::stamp);
    let is_asked_for = |stamp| match &arguments.snapshot {
        _ if arguments.all => true,
        Selector::Latest => Some(stamp) > latest,
        Selector::Stamp(wanted) => stamp == *wanted,
    };
    let damaged = contents.unreadable.iter().filter(|unreadable| is_asked_for(unreadable.stamp));
    let verified = damaged.map(|unreadable| Verified {
        stamp: unreadable.stamp,
        size: 0,
        problems: vec![Problem { file: unreadable.stamp.manifest(), message: unreadable.why.message().to_owned() }],
    });
    verified.collect()
}

impl Depth {
    fn name(self) -> &'static str {
        match self {
            Self::Sizes => "sizes",
            Self::Digests => "digests",
            Self::Contents => "contents",
        }
    }
}

#[derive(Serialize)]
struct Report {
    depth: &'static str,
    snapshots: Vec<Verified>,
    /// Why something that was asked for could not be looked at.
    not_checked: Vec<String>,
}

#[derive(Serialize)]
struct Verified {
    stamp: Stamp,
    size: u64,
    problems: Vec<Problem>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Verified { stamp, size, problems } in &self.snapshots {
            if problems.is_empty() {
                writeln!(f, "{stamp}: ok ({}, by {})", super::list::bytes(*size), self.depth)?;
            } else {
                writeln!(f, "{stamp}: {} problem(s)", problems.len())?;
            }
            for Problem { file, message } in problems {
                writeln!(f, "  {}: {}", golden::visible(file), golden::visible(message))?;
            }
        }
        for why in &self.not_checked {
            writeln!(f, "not checked: {}", golden::visible(why))?;
        }
        Ok(())
    }
}
