//! `verify --published`: a published table, read back and held against the versions.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Error, Kind, Result, visible};
use serde::Serialize;

use super::Place;
use crate::chain::Chain;
use crate::cli;
use crate::delta::{Home, Proof};
use crate::store::{Access, Intent};

/// Reads back what was published of a dataset.
pub fn run(arguments: &cli::Verify, published: &str, dataset: &str, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.place, Intent::Read, reporter)?;
    place.store.begin(Access::Read)?;
    place.datasets(Some(dataset))?;
    let chain = Chain::read(place.store.as_mut(), dataset)?;
    let proof = Proof::of(&Home::open(published)?, &chain)?;
    if proof.published.is_empty() && proof.log.is_none() {
        return Err(Error::usage(format!("there is no published table in {published}"))
            .guidance("golden-version publish makes one"));
    }
    let report = Report::of(&proof, &chain, published);
    reporter.report(&report, proof.is_bad())?;
    Ok(if proof.is_bad() { Kind::Data.into() } else { ExitCode::SUCCESS })
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    published: String,
    /// What is wrong with the log.
    log: Option<String>,
    files: Vec<FileFinding>,
    versions: Vec<VersionFinding>,
    /// How many versions are not published.
    unpublished: usize,
}

#[derive(Serialize)]
struct FileFinding {
    path: String,
    wrong: String,
}

#[derive(Serialize)]
struct VersionFinding {
    version: String,
    /// The number of the commit, by which engines name it.
    commit: u64,
    wrong: Option<String>,
}

impl Report {
    fn of(proof: &Proof, chain: &Chain, published: &str) -> Self {
        let versions = proof.published.iter().zip(&proof.wrong).map(|(published, wrong)| VersionFinding {
            version: published.mark.tag.clone(),
            commit: published.number,
            wrong: wrong.clone(),
        });
        let files =
            proof.files.iter().map(|(path, (wrong, _))| FileFinding { path: path.clone(), wrong: wrong.clone() });
        Self {
            dataset: chain.dataset.clone(),
            published: published.to_owned(),
            log: proof.log.clone(),
            files: files.collect(),
            versions: versions.collect(),
            unpublished: chain.versions.len().saturating_sub(proof.published.len()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dataset = visible(&self.dataset);
        if let Some(wrong) = &self.log {
            writeln!(f, "error: {}", visible(wrong))?;
        }
        for FileFinding { wrong, .. } in &self.files {
            writeln!(f, "error: {}", visible(wrong))?;
        }
        let mut whole = 0;
        for VersionFinding { version, commit, wrong } in &self.versions {
            match wrong {
                Some(wrong) => writeln!(
                    f,
                    "error: {dataset} {} (version {commit} of the table): {}",
                    visible(version),
                    visible(wrong)
                )?,
                None => whole += 1,
            }
        }
        let Self { versions, unpublished, .. } = self;
        writeln!(
            f,
            "{dataset}: {whole} of {} published versions are whole; {unpublished} are not published",
            versions.len()
        )
    }
}
