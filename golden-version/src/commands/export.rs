//! `export`: the rows of a version as a file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Context, Error, Result, counted, visible};
use serde::Serialize;

use super::Place;
use crate::chain::Chain;
use crate::cli;
use crate::replay::{Rows, Spliced};
use crate::store::{Access, Intent};
use crate::table_file::{self, Adding, Format, Writer};

/// Writes a version's rows. The file takes its name only when they are those that were sealed.
pub fn run(arguments: &cli::Export, reporter: &Reporter) -> Result<ExitCode> {
    let format = match arguments.format.or_else(|| Format::of(&arguments.output)) {
        Some(format) => format,
        None => {
            return Err(Error::usage(format!("what is {} to be?", arguments.output.display()))
                .guidance("name it .parquet, .csv or .jsonl, or say --format"));
        }
    };
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Read, reporter)?;
    place.store.begin(Access::Read)?;
    let chain = Chain::read(place.store.as_mut(), &arguments.dataset.dataset)?;
    let position = chain.position(&arguments.version)?;
    if arguments.output == Path::new("-") {
        // What stdout has been given cannot be taken back: it gets what has been proven.
        let folder = tempfile::tempdir().context(|| "cannot make a temporary folder")?;
        let path = folder.path().join("rows");
        write_rows(&mut place, &chain, position, &path, format, reporter)?;
        let mut file = std::fs::File::open(&path).context(|| "cannot read back a temporary file")?;
        io::copy(&mut file, &mut io::stdout().lock())?;
    } else {
        let path = &arguments.output;
        if path.is_file() && !arguments.force && !(format == Format::Parquet && table_file::is_ours(path)) {
            return Err(Error::environment(format!("{} exists and golden-version did not write it", path.display()))
                .guidance("choose another name, or replace it with --force"));
        }
        write_rows(&mut place, &chain, position, path, format, reporter)?;
    }
    let version = chain.versions.get(position).ok_or_else(|| Error::usage("there is no such version"))?;
    let contents = version.contents();
    let report = Report {
        dataset: version.dataset.clone(),
        version: version.tag.clone(),
        output: arguments.output.clone(),
        rows: contents.rows,
        content_sha256: contents.digest.to_string(),
    };
    reporter.report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a version's rows into a file.
pub fn write_rows(
    place: &mut Place,
    chain: &Chain,
    position: usize,
    path: &Path,
    format: Format,
    reporter: &Reporter,
) -> Result<()> {
    let version = chain.versions.get(position).ok_or_else(|| Error::usage("there is no such version"))?;
    let contents = version.contents();
    if let Some((file, sha256)) = version.snapshot.as_ref().and_then(|file| Some((file, file.sha256.as_ref()?)))
        && format == Format::Parquet
        && let Some(from) = place.folder.at_hand(file)?
        && table_file::copy(&from, path, sha256)?
    {
        return Ok(());
    }
    place.along_ways(chain, position, reporter, |Place { store, folder }, base| {
        let spliced = match format {
            Format::Parquet => Spliced::of(store.as_mut(), folder, chain, position, base)?,
            Format::Csv | Format::Jsonl => None,
        };
        let closed = match spliced {
            Some(spliced) => {
                let mut writer = Writer::create(path, format, spliced.form(), Adding::Changes)?;
                let contents = spliced.write(&mut writer)?;
                writer.close(contents)?
            }
            None => {
                let mut rows = Rows::rebuild(store.as_mut(), folder, chain, position, base)?;
                let adding = if rows.contents().is_some() { Adding::Changes } else { Adding::Rows };
                let mut writer = Writer::create(path, format, rows.form(), adding)?;
                rows.by_ref().try_for_each(|row| writer.write(row?))?;
                writer.close(rows.contents().unwrap_or_default())?
            }
        };
        closed.contents.must_be(&contents)?;
        closed.keep().map(drop)
    })
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    version: String,
    output: PathBuf,
    rows: u64,
    content_sha256: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dataset, version, output, rows, .. } = self;
        let output = output.to_string_lossy();
        writeln!(f, "{} {}: {} to {}", visible(dataset), visible(version), counted(*rows, "row"), visible(&output))
    }
}
