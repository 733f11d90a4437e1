//! `checkout`: the rows of a version back into a table.

mod apply;
mod compare;
mod target;

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use golden::cli::Reporter;
use golden::{Error, Result, counted, visible};
use golden_version::RowForm;
use serde::Serialize;

use self::apply::apply;
use self::compare::{Differences, contents, differences};
use super::{Changes, Place};
use crate::catalog;
use crate::chain::Chain;
use crate::cli;
use crate::job::{Job, Running};
use crate::replay::Rows;
use crate::spool::Spool;
use crate::store::{self, Access, Intent, Store};
use crate::table_file::{Classes, Contents};
use crate::tracking;

/// Puts a version's rows into a table.
pub fn run(arguments: &cli::Checkout, reporter: &Reporter) -> Result<ExitCode> {
    let is_here = arguments.into.is_none();
    let intent = if is_here && !arguments.dry_run { Intent::Write } else { Intent::Read };
    let mut place = Place::with_versions(&arguments.dataset.place, intent, reporter)?;
    let mut other = match &arguments.into {
        None => None,
        Some(into) => {
            // A version that is not there makes no file.
            place.store.begin(Access::Read)?;
            Chain::read(place.store.as_mut(), &arguments.dataset.dataset)?.position(&arguments.version)?;
            place.store.commit()?;
            Some(target::open(into, arguments.dry_run, reporter)?)
        }
    };
    let store = receiver(&mut place, &mut other);
    let mut job = None;
    if !arguments.dry_run && catalog::tables_exist(store)? {
        let task = Job::of("checkout")
            .named(&arguments.job)
            .with("dataset", Some(arguments.dataset.dataset.as_str()))
            .with("version", Some(arguments.version.as_str()))
            .with("table", arguments.table.as_deref())
            .with("discard", arguments.discard.then_some(true));
        job = Some(Running::begin(store, task, reporter)?);
    }
    let put = checkout(&mut place, &mut other, arguments, job.as_mut(), reporter);
    let report = match job {
        Some(job) => job.end(receiver(&mut place, &mut other), put, reporter)?,
        None => put?,
    };
    reporter.report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

/// The database that gets the rows: another, or that of the versions.
fn receiver<'r>(place: &'r mut Place, other: &'r mut Option<Box<dyn Store>>) -> &'r mut dyn Store {
    match other {
        Some(store) => store.as_mut(),
        None => place.store.as_mut(),
    }
}

fn checkout(
    place: &mut Place,
    other: &mut Option<Box<dyn Store>>,
    arguments: &cli::Checkout,
    job: Option<&mut Running>,
    reporter: &Reporter,
) -> Result<Report> {
    let dataset = &arguments.dataset.dataset;
    let is_here = other.is_none();
    let access = if arguments.dry_run { Access::Read } else { Access::Change(dataset) };
    if is_here && !arguments.dry_run {
        place.store.defer_references()?;
    }
    place.store.begin(if is_here { access } else { Access::Read })?;
    let chain = Chain::read(place.store.as_mut(), dataset)?;
    let position = chain.position(&arguments.version)?;
    let version = chain.versions.get(position).ok_or_else(|| Error::usage("there is no such version"))?;
    let (staged, classes) = place.rebuild(&chain, position, reporter, |rows| stage(rows, &version.contents()))?;
    let mut schema = chain.form(position)?.schema.clone();
    if let Some(table) = &arguments.table {
        schema.table.clone_from(table);
    }
    let form = Arc::new(RowForm::new(schema)?);
    let dialect = place.store.dialect();
    let store = receiver(place, other);
    if !is_here {
        store.defer_references()?;
        store.begin(access)?;
    }
    let is_new = target::prepare(store, &form, dialect, &classes, arguments.dry_run)?;
    let form = if is_new && arguments.dry_run { form } else { Arc::new(target::form(store, &form)?) };
    let is_tracked = job.is_some() && tracking::find(store, dataset)?.is_some();
    if let Some(job) = job.as_ref().filter(|_| is_tracked) {
        store.name_job(dataset, Some(job.id()))?;
    }
    if !arguments.dry_run && !is_new {
        store.freeze(&form.schema.table)?;
    }
    if !is_new {
        let there = contents(store, &form)?;
        let is_known = there.rows == 0 || chain.versions.iter().any(|version| version.contents() == there);
        if !is_known && !arguments.discard {
            let message = format!("table `{}` holds rows that no version has", form.schema.table);
            if !arguments.dry_run {
                return Err(Error::data(message)
                    .guidance("keep them with golden-version create, or give them up with --discard"));
            }
            reporter.warn(message);
        }
    }
    let form_of_rows = Arc::clone(&form);
    let rows = staged.finish()?.map(move |json| form_of_rows.read(&json?));
    let differences =
        if is_new && arguments.dry_run { compare::all_new(rows)? } else { differences(store, &form, rows)? };
    let changes = Changes(differences.counts);
    if !arguments.dry_run {
        change(store, &form, differences)?;
        let put = store::contents(store, &form)?.must_be(&version.contents());
        put.map_err(|error| {
            error.context(format!("table `{}` does not give the values back as they are", form.schema.table)).guidance(
                "its columns have other types than the version's, or a trigger changes what is written: check out into a \
                 table that is to be made, with --table",
            )
        })?;
        store.advance_sequences(&form)?;
        if is_tracked {
            store.name_job(dataset, None)?;
        }
        if let Some(job) = job {
            job.complete(store, Some(changes.0))?;
        }
    }
    store.commit()?;
    Ok(Report {
        dataset: dataset.clone(),
        version: version.tag.clone(),
        table: form.schema.table.clone(),
        dry_run: arguments.dry_run,
        rows: version.row_count.unwrap_or(0),
        changes,
    })
}

/// Sets the rows of a version aside, if they are those that were sealed; and which kinds of values each column has.
fn stage(rows: Rows, sealed: &Contents) -> Result<(Spool<String>, Vec<Classes>)> {
    let form = Arc::clone(rows.form());
    let (mut staged, mut rebuilt, mut json) = (Spool::default(), Contents::default(), Vec::new());
    let mut classes = vec![Classes::default(); form.schema.columns.len()];
    for row in rows {
        let row = row?;
        classes.iter_mut().zip(&row).for_each(|(classes, cell)| *classes |= Classes::of(cell));
        rebuilt.add(&form, &row, &mut json);
        staged.push(&String::from_utf8_lossy(&json).into_owned())?;
    }
    rebuilt.must_be(sealed)?;
    Ok((staged, classes))
}

/// Changes the table, and sees to it that no other did.
fn change(store: &mut dyn Store, form: &RowForm, differences: Differences) -> Result<()> {
    let table = &form.schema.table;
    let references = store.references(table)?;
    apply(store, form, differences)?;
    for (other, now) in store.references(table)? {
        let before = references.iter().find(|(known, _)| *known == other).map(|(_, before)| *before);
        if before.is_none_or(|before| now > before) {
            return Err(Error::data(format!(
                "rows of `{other}` refer to rows of `{table}` that the version does not have"
            ))
            .guidance("delete those rows first"));
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    version: String,
    table: String,
    dry_run: bool,
    rows: u64,
    changes: Changes,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dataset, version, table, dry_run, rows, changes } = self;
        let would = if *dry_run { "would put" } else { "put" };
        let (dataset, version, table) = (visible(dataset), visible(version), visible(table));
        writeln!(f, "{dataset} {version}: {would} {} into {table}; {changes}", counted(*rows, "row"))
    }
}
