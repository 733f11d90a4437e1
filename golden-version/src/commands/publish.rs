//! `publish`: the versions of a dataset as a Delta Lake table.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::Utc;
use golden::cli::{Progress, Reporter};
use golden::{Context, Error, Result, counted, visible};
use golden_version::RowForm;
use serde::Serialize;

use super::{Changes, Place, export};
use crate::chain::Chain;
use crate::changes::NetChanges;
use crate::cli;
use crate::delta::{Draft, Gone, Home, Log, Parts, Removal, Shape};
use crate::job::{Job, Running};
use crate::store::{Access, Intent};
use crate::table_file::{self, Format};
use crate::version::{DatasetVersion, Operation};

/// Publishes the versions that are not published yet.
pub fn run(arguments: &cli::Publish, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Write, reporter)?;
    let job = Job::of("publish")
        .with("dataset", Some(arguments.dataset.dataset.as_str()))
        .with("to", Some(arguments.to.as_str()));
    let job = Running::begin(place.store.as_mut(), job, reporter)?;
    let published = publish(&mut place, arguments, reporter);
    let report = job.end(place.store.as_mut(), published, reporter)?;
    reporter.report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

fn publish(place: &mut Place, arguments: &cli::Publish, reporter: &Reporter) -> Result<Report> {
    let dataset = &arguments.dataset.dataset;
    place.store.begin(Access::Read)?;
    place.datasets(Some(dataset))?;
    let chain = Chain::read(place.store.as_mut(), dataset)?;
    if chain.versions.is_empty() {
        return Err(Error::usage(format!("no version of `{dataset}` is sealed")));
    }
    let home = Home::open(&arguments.to)?;
    home.make()?;
    let mut log = Log::read(&home)?;
    let mut report = Report { dataset: dataset.clone(), to: arguments.to.clone(), ..Report::default() };
    let missing = chain.versions.len().saturating_sub(log.published.len()) as u64;
    let progress = Progress::start(reporter, "publishing", "versions", Some(missing));
    loop {
        must_begin_with(&chain, &log)?;
        let removal = removal(&log, arguments.rewrite)?;
        let position = log.published.len();
        let Some(version) = chain.versions.get(position) else { break };
        let publishing = Publishing { home: &home, log: &log, chain: &chain, position, removal, now: now(&log) };
        let Drafted { draft, rows } = publishing.draft(place, reporter)?;
        match draft.commit(&mut log, version, removal)? {
            Some(written) => {
                let (tag, changes) = (version.tag.clone(), rows.map(Changes));
                report.published.push(Added { version: tag, commit: written.number, changes, bytes: written.bytes });
                progress.advance(1);
            }
            // Another publisher was first: it goes on from there.
            None => log.advance(&home, &mut |_| Ok(()))?,
        }
    }
    report.versions = log.published.len();
    Ok(report)
}

/// Milliseconds since 1970, later than the last commit.
fn now(log: &Log) -> i64 {
    Utc::now().timestamp_millis().max(log.timestamp + 1)
}

/// Sees to it that what is published are the first versions of the dataset.
fn must_begin_with(chain: &Chain, log: &Log) -> Result<()> {
    let others = || Error::usage("the table holds other versions").guidance("publish into a folder of its own");
    for (place, published) in log.published.iter().enumerate() {
        let (dataset, tag) = (&published.mark.dataset, &published.mark.tag);
        match chain.versions.get(place) {
            Some(version) if version.id == published.mark.version => {}
            _ => return Err(others().context(format!("version {tag} of `{dataset}`"))),
        }
    }
    Ok(())
}

/// How rows leave this table.
fn removal(log: &Log, rewrite: bool) -> Result<Removal> {
    match (log.metadata.is_some(), log.has_vectors, rewrite) {
        (true, true, true) => Err(Error::usage("the table has deletion vectors")
            .guidance("publish into another folder with --rewrite, for engines that do not know them")),
        (true, true, false) | (false, _, false) => Ok(Removal::Vectors),
        (true, false, _) | (false, _, true) => Ok(Removal::Rewriting),
    }
}

/// A version on its way into the table.
struct Publishing<'t, 'h> {
    home: &'h Home,
    log: &'t Log,
    chain: &'t Chain,
    position: usize,
    removal: Removal,
    now: i64,
}

/// A commit to be made.
struct Drafted<'h> {
    draft: Draft<'h>,
    /// How many rows come, change and go; none where all of the version's were written.
    rows: Option<[u64; 3]>,
}

impl<'t, 'h> Publishing<'t, 'h> {
    fn version(&self) -> Result<&'t DatasetVersion> {
        self.chain.versions.get(self.position).ok_or_else(|| Error::usage("there is no such version"))
    }

    /// Writes what changed, if the columns stay of the types that they have; else all rows. Where the types are not
    /// those declared, because of some value, all rows tell which they are now.
    fn draft(&self, place: &mut Place, reporter: &Reporter) -> Result<Drafted<'h>> {
        let form = self.chain.form(self.position)?;
        let known = self.log.shape()?;
        if let Some(known) = &known
            && known.schema == form.schema
            && known.is_as_declared()
            && let Some(drafted) = self.changes(place, &form, known)?
        {
            return Ok(drafted);
        }
        let folder = tempfile::tempdir().context(|| "cannot make a temporary folder")?;
        let rows = folder.path().join("rows.parquet");
        export::write_rows(place, self.chain, self.position, &rows, Format::Parquet, reporter)?;
        let shape = Shape { schema: form.schema.clone(), types: table_file::types(&rows)? };
        if let Some(known) = known
            && known.continues_as(&shape)
            && let Some(drafted) = self.changes(place, &form, &shape)?
        {
            return Ok(drafted);
        }
        let mut parts = Parts::new(self.home, &form, &shape.types, self.now);
        table_file::read(&rows, &form)?.try_for_each(|row| parts.write(row?))?;
        let mut draft = self.begin(&form, &shape)?;
        draft.clear(self.log);
        draft.add(parts)?;
        Ok(Drafted { draft, rows: None })
    }

    fn begin(&self, form: &RowForm, shape: &Shape) -> Result<Draft<'h>> {
        let mut draft = Draft::new(self.home, self.now);
        draft.describe(self.log, &self.chain.dataset, form, shape, self.removal)?;
        Ok(draft)
    }

    /// Writes the rows that are new and finds those that are gone; none where a value is not of its column's type.
    fn changes(&self, place: &mut Place, form: &Arc<RowForm>, shape: &Shape) -> Result<Option<Drafted<'h>>> {
        let version = self.version()?;
        let before = self.position.checked_sub(1).and_then(|before| self.chain.versions.get(before));
        let mut contents = before.map(DatasetVersion::contents).unwrap_or_default();
        let mut parts = Parts::new(self.home, form, &shape.types, self.now);
        let mut gone = Gone::from(self.home, &self.log.files, &form.schema)?;
        let mut rows = [0; 3];
        let range = self.position..self.position + 1;
        for change in NetChanges::between(place.store.as_mut(), &place.folder, self.chain, range)? {
            let change = change?;
            if change.before == change.after {
                continue;
            }
            if let Some(before) = &change.before {
                contents.digest.remove(before.as_bytes());
                contents.rows = contents.rows.saturating_sub(1);
                gone.push(&change.sortable, &change.record_id)?;
            }
            if let Some(after) = &change.after {
                contents.digest.add(after.as_bytes());
                contents.rows += 1;
                parts.write(form.read(after).context(|| format!("record {}", change.record_id))?)?;
                if !parts.fits() {
                    return Ok(None);
                }
            }
            rows[match Operation::of(change.before.is_some(), change.after.is_some()) {
                Operation::Insert => 0,
                Operation::Update => 1,
                Operation::Delete => 2,
            }] += 1;
        }
        contents.must_be(&version.contents()).context(|| format!("version {} by its deltas", version.tag))?;
        let mut draft = self.begin(form, shape)?;
        draft.remove(self.log, gone.finish()?, self.removal, form, &shape.types)?;
        draft.add(parts)?;
        Ok(Some(Drafted { draft, rows: Some(rows) }))
    }
}

#[derive(Default, Serialize)]
struct Report {
    dataset: String,
    to: String,
    /// How many versions the table has.
    versions: usize,
    /// Those that this run added.
    published: Vec<Added>,
}

#[derive(Serialize)]
struct Added {
    version: String,
    /// The number of the commit, by which engines name it.
    commit: u64,
    /// What was written; all rows where it is none.
    changes: Option<Changes>,
    /// How many bytes were written.
    bytes: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dataset = visible(&self.dataset);
        for Added { version, commit, changes, bytes } in &self.published {
            write!(f, "{dataset} {}: version {commit} of the table, ", visible(version))?;
            match changes {
                Some(changes) => writeln!(f, "{changes}; {bytes} bytes")?,
                None => writeln!(f, "all rows; {bytes} bytes")?,
            }
        }
        let (versions, added) = (counted(self.versions as u64, "version"), self.published.len());
        let them = if self.versions == 1 { "it" } else { "them" };
        writeln!(f, "{dataset}: {versions} in {}, {added} of {them} new", visible(&self.to))
    }
}
