//! `verify`: rebuilds versions along every path, and holds them against what they were sealed with.

use std::fmt;
use std::process::ExitCode;

use golden::cli::{Progress, Reporter};
use golden::{Kind, Result, counted, visible};
use golden_version::ContentDigest;
use serde::Serialize;

use super::{Place, published};
use crate::chain::Chain;
use crate::cli;
use crate::replay::{Base, Rows, Unsound, candidates, unsound};
use crate::snapshots::Condition;
use crate::store::{self, Access, Intent};

/// Rebuilds versions, or reads a published table back.
pub fn run(arguments: &cli::Verify, reporter: &Reporter) -> Result<ExitCode> {
    if let (Some(published), Some(dataset)) = (&arguments.published, &arguments.dataset) {
        return published::run(arguments, published, dataset, reporter);
    }
    let mut place = Place::with_versions(&arguments.place, Intent::Read, reporter)?;
    place.store.begin(Access::Read)?;
    let mut report = Report::default();
    let datasets = place.datasets(arguments.dataset.as_deref())?;
    for dataset in datasets {
        report.datasets.push(verify(&mut place, &dataset, arguments.version.as_deref(), reporter)?);
    }
    let is_damaged = report.datasets.iter().any(Findings::are_bad);
    reporter.report(&report, is_damaged)?;
    Ok(if is_damaged { Kind::Data.into() } else { ExitCode::SUCCESS })
}

fn verify(place: &mut Place, dataset: &str, only: Option<&str>, reporter: &Reporter) -> Result<Findings> {
    let chain = Chain::read(place.store.as_mut(), dataset)?;
    let mut findings = Findings { dataset: dataset.to_owned(), ..Findings::default() };
    only.map(|only| chain.position(only)).transpose()?;
    let progress = Progress::start(reporter, "verifying", "versions", Some(chain.versions.len() as u64));
    findings.table = table(place, &chain)?;
    for (position, version) in chain.versions.iter().enumerate() {
        progress.advance(1);
        if only.is_some_and(|only| only != version.tag && only != version.id) {
            continue;
        }
        let mut bases = candidates(&chain, position);
        if findings.table == TableState::Same {
            bases.push(Base::Table);
        }
        let mut finding = VersionFinding { version: version.tag.clone(), paths: Vec::new() };
        for base in bases {
            let unsound = unsound(&place.folder, &chain, position, base)?;
            if unsound.is_empty() {
                let wrong = wrong(place, &chain, position, base)?;
                finding.paths.push(PathFinding { from: base.named(&chain, position), wrong });
            }
            findings.add_files(&chain, unsound);
        }
        findings.versions.push(finding);
    }
    Ok(findings)
}

/// What is wrong with a version rebuilt in one way; nothing where it is what was sealed.
fn wrong(place: &mut Place, chain: &Chain, position: usize, base: Base) -> Result<Option<String>> {
    let Some(version) = chain.versions.get(position) else { return Ok(None) };
    let rebuilt = Rows::rebuild(place.store.as_mut(), &place.folder, chain, position, base).and_then(|rows| {
        let form = rows.form().clone();
        let (mut count, mut content, mut json) = (0_u64, ContentDigest::default(), Vec::new());
        for row in rows {
            form.write_json(&row?, &mut json);
            content.add(&json);
            count += 1;
        }
        Ok((count, content))
    });
    Ok(match rebuilt {
        Ok((count, content)) if Some(content) == version.content && Some(count) == version.row_count => None,
        Ok((count, _)) if Some(count) != version.row_count => {
            Some(format!("{}, where {} were sealed", counted(count, "row"), version.row_count.unwrap_or(0)))
        }
        Ok((_, content)) => Some(format!("digest {content}, where {} was sealed", version.content.unwrap_or_default())),
        // What can be tried again, or is no matter of the data, ends the run.
        Err(error) if error.kind() != Kind::Data => return Err(error),
        Err(error) => Some(error.message().to_owned()),
    })
}

/// How the table stands to the newest version.
fn table(place: &mut Place, chain: &Chain) -> Result<TableState> {
    let Some(newest) = chain.newest() else { return Ok(TableState::Gone) };
    let form = chain.form(chain.versions.len() - 1)?;
    let store = place.store.as_mut();
    let names = store.column_names(&form.schema.table)?;
    if form.schema.columns.iter().any(|column| !names.contains(&column.name)) {
        return Ok(if names.is_empty() { TableState::Gone } else { TableState::Changed });
    }
    match store::contents(store, &form) {
        Ok(contents) if contents == newest.contents() => Ok(TableState::Same),
        Ok(_) => Ok(TableState::Changed),
        // No version has what cannot be kept in one.
        Err(error) if error.kind() == Kind::Data => Ok(TableState::Changed),
        Err(error) => Err(error),
    }
}

#[derive(Default, Serialize)]
struct Report {
    datasets: Vec<Findings>,
}

#[derive(Default, Serialize)]
struct Findings {
    dataset: String,
    versions: Vec<VersionFinding>,
    files: Vec<FileFinding>,
    table: TableState,
}

/// How a table stands to the newest version of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum TableState {
    /// It holds what the version does.
    #[default]
    Same,
    /// It has changed since.
    Changed,
    /// It is not there.
    Gone,
}

#[derive(Serialize)]
struct VersionFinding {
    version: String,
    paths: Vec<PathFinding>,
}

#[derive(Serialize)]
struct PathFinding {
    from: String,
    wrong: Option<String>,
}

#[derive(Serialize)]
struct FileFinding {
    version: String,
    path: String,
    condition: Condition,
}

impl Findings {
    fn add_files(&mut self, chain: &Chain, unsound: Vec<Unsound>) {
        for Unsound { position, path, condition } in unsound {
            if self.files.iter().all(|file| file.path != path) {
                let version = chain.versions.get(position).map(|version| version.tag.clone()).unwrap_or_default();
                self.files.push(FileFinding { version, path, condition });
            }
        }
    }

    fn are_bad(&self) -> bool {
        !self.files.is_empty()
            || self
                .versions
                .iter()
                .any(|version| version.paths.is_empty() || version.paths.iter().any(|path| path.wrong.is_some()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.datasets.iter().try_for_each(|findings| findings.fmt(f))
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dataset = visible(&self.dataset);
        for FileFinding { version, path, condition } in &self.files {
            writeln!(f, "error: {dataset} {}: a file {condition}: {}", visible(version), visible(path))?;
        }
        let mut paths = 0;
        for version in &self.versions {
            if version.paths.is_empty() {
                writeln!(f, "error: {dataset} {}: nothing is left to rebuild it from", visible(&version.version))?;
            }
            for path in &version.paths {
                paths += 1;
                if let Some(wrong) = &path.wrong {
                    writeln!(f, "error: {dataset} {} from {}: {wrong}", visible(&version.version), path.from)?;
                }
            }
        }
        let table = match self.table {
            TableState::Same => "the table is the newest",
            TableState::Changed => "the table has changed since",
            TableState::Gone => "there is no table",
        };
        let outcome = if self.are_bad() { "damaged" } else { "whole" };
        let (versions, paths) = (counted(self.versions.len() as u64, "version"), counted(paths, "path"));
        writeln!(f, "{dataset}: {versions} along {paths}, {outcome}; {table}")
    }
}
