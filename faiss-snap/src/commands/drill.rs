//! `drill`: the newest backups restored into a scratch folder, verified, searched, and evidence of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use golden::cli::Reporter;
use golden::settings::Settings;
use golden::store::Location;
use golden::{Error, Kind, Result};
use serde::Serialize;

use super::locked;
use crate::backups::{Backups, LockedBackups};
use crate::cli;
use crate::drill::{
    DocumentDrill, Drill, Evidence, FOLDER, Outcome, Protocol, Queries, Scratch, ScratchSchema, Searcher,
    SnapshotDrill, Subject, Vectors, Verdict,
};
use crate::manifest::Manifest;
use crate::source::Places;
use crate::stamp::Stamp;

/// How long to wait for another run before the outcome is noted.
const PATIENCE: Duration = Duration::from_secs(600);

/// Rehearses, and says what came out.
pub fn run(arguments: &cli::Drill, reporter: &Reporter) -> Result<ExitCode> {
    let started_at = Utc::now();
    let queries = arguments.queries.as_deref().map(Queries::read).transpose()?;
    let backups = Backups::new(&arguments.backups.backups);
    let inside = arguments.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Scratch::make(&inside, &Places::named(&arguments.live)?, reporter)?;
    let searcher = queries.as_ref().map(|queries| Searcher {
        queries,
        k: arguments.k,
        min_recall: arguments.min_recall,
        embed: arguments.embed.as_deref(),
        scratch: &scratch,
    });

    let locked = if wants(arguments, Subject::Snapshot) { Some(locked(&backups, reporter)?) } else { None };
    let schema = scratch_schema(arguments, started_at, reporter)?;

    // From here on to where the scratch places are removed, whatever fails is written down.
    let (mut protocol, mut retrieval) = (Protocol::default(), Vec::new());
    let mut snapshot = None;
    if let Some(locked) = locked {
        snapshot = SnapshotDrill::carry_out(&arguments.snapshot, &locked, &scratch, &mut protocol);
        drop(locked);
        if let (Some(searcher), Some(restored)) = (&searcher, &snapshot) {
            let index = index_of(restored, arguments.index.as_deref());
            retrieval.extend(searcher.search(Subject::Snapshot, index, &mut protocol));
        }
    }
    let mut document = None;
    if wants(arguments, Subject::Document) {
        document = protocol.check(Subject::Document, "find", || find_document(arguments));
        let vectors = if searcher.is_some() { Vectors::Made(arguments.embed.as_deref()) } else { Vectors::LeftOut };
        let index = document.as_deref().and_then(|file| {
            let (schema, mapping) = (schema.as_ref(), arguments.schema.as_deref());
            DocumentDrill { file, schema, mapping, vectors, scratch: &scratch }.carry_out(&mut protocol)
        });
        if let (Some(searcher), Some(index)) = (&searcher, index) {
            retrieval.extend(searcher.search(Subject::Document, Ok(index), &mut protocol));
        }
    }
    let removed = schema.map_or(Ok(()), ScratchSchema::remove);
    scratch.remove().and(removed)?;

    let snapshot = snapshot.map(|restored| restored.manifest.stamp);
    let noted =
        snapshot.map_or(Ok(()), |stamp| note(&backups, stamp, protocol.verdict_on(Subject::Snapshot), reporter));
    let evidence = Evidence {
        format: 1,
        tool: concat!("faiss-snap ", env!("CARGO_PKG_VERSION")).to_owned(),
        started_at,
        finished_at: Utc::now(),
        outcome: protocol.verdict(),
        snapshot,
        document,
        checks: protocol,
        retrieval,
    };
    let folder = arguments.evidence.clone().unwrap_or_else(|| backups.path(FOLDER));
    let file = evidence.write(&folder)?;
    noted?;
    let outcome = evidence.outcome;
    reporter.report(&Report { evidence, file }, outcome != Verdict::Good)?;
    Ok(match outcome {
        Verdict::Good => ExitCode::SUCCESS,
        Verdict::Bad => Kind::Data.into(),
        Verdict::Inconclusive => Kind::Environment.into(),
    })
}

fn wants(arguments: &cli::Drill, subject: Subject) -> bool {
    arguments.only.is_none_or(|only| only == subject)
}

fn scratch_schema(arguments: &cli::Drill, now: DateTime<Utc>, reporter: &Reporter) -> Result<Option<ScratchSchema>> {
    let Some(url) = arguments.scratch_db.as_deref().filter(|_| wants(arguments, Subject::Document)) else {
        return Ok(None);
    };
    let settings = Settings::load(arguments.schema.as_deref())?;
    ScratchSchema::make(url, &Location::find(None)?, &settings.mapping, Stamp::at(now), reporter).map(Some)
}

fn find_document(arguments: &cli::Drill) -> Result<(PathBuf, String)> {
    let named = arguments.document.clone();
    let usual = || ["./golden.json", "./golden.json.gz"].map(PathBuf::from).into_iter().find(|file| file.is_file());
    match named.or_else(usual) {
        Some(file) if file.is_file() => {
            let name = file.display().to_string();
            Ok((file, name))
        }
        Some(file) => Err(Error::environment(format!("there is no document {}", file.display()))),
        None => Err(Error::environment("there is no document ./golden.json")
            .guidance("name it with --document, or do without with --only snapshot")),
    }
}

/// The index that the questions are about.
fn index_of(restored: &SnapshotDrill, named: Option<&str>) -> Result<PathBuf> {
    let folder = restored.indexes.as_deref().ok_or_else(|| {
        Error::environment("the snapshot holds no indexes to search")
            .guidance("leave --queries out, or --only document")
    })?;
    let in_folder = |name: &str| Some(folder.join(name)).filter(|file| file.is_file());
    match named {
        Some(name) => in_folder(name).ok_or_else(|| Error::usage(format!("the snapshot holds no index {name}"))),
        None => {
            let only = || restored.only_index().as_deref().and_then(in_folder);
            in_folder("chunks.index").or_else(only).ok_or_else(|| {
                Error::usage("of several indexes nobody knows which to search").guidance("name it with --index")
            })
        }
    }
}

/// Notes in the manifest how the rehearsal came out: retention goes by that. What is inconclusive is no news.
fn note(backups: &Backups, stamp: Stamp, verdict: Verdict, reporter: &Reporter) -> Result<()> {
    let outcome = match verdict {
        Verdict::Good => Outcome::Passed,
        Verdict::Bad => Outcome::Failed,
        Verdict::Inconclusive => return Ok(()),
    };
    let locked = wait_for(backups, reporter)?;
    let name = stamp.manifest();
    let path = locked.path(&name);
    if !path.exists() {
        reporter.warn(format_args!("{stamp} was pruned during the drill"));
        return Ok(());
    }
    let mut manifest = Manifest::read(&path, stamp)?;
    manifest.drill = Some(Drill { at: Utc::now(), outcome, rest: Default::default() });
    locked.write(&name, manifest.to_text()?.as_bytes())
}

fn wait_for(backups: &Backups, reporter: &Reporter) -> Result<LockedBackups> {
    let begun = Instant::now();
    loop {
        match locked(backups, reporter) {
            Err(error) if error.kind() == Kind::Locked && begun.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_secs(1));
            }
            result => return result,
        }
    }
}

/// The evidence, and where it was written.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    evidence: Evidence,
    #[serde(rename = "evidence")]
    file: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { evidence, file } = self;
        writeln!(f, "drill: {}", evidence.outcome)?;
        write!(f, "{}", evidence.checks)?;
        writeln!(f, "evidence: {}", Path::display(file))
    }
}
