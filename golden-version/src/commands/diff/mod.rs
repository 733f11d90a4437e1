//! `diff`: what changed between two versions, or since one.

mod difference;
mod live;

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use golden::cli::{Reporter, Stream};
use golden::{Result, visible};
use golden_version::TableSchema;
use serde::Serialize;

use self::difference::Difference;
use super::{Changes, Place};
use crate::chain::Chain;
use crate::changes::NetChanges;
use crate::cli;
use crate::seal::Tally;
use crate::store::{Access, Intent};

/// Prints the differences as they are found, and their number at the end.
pub fn run(arguments: &cli::Diff, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Read, reporter)?;
    place.store.begin(Access::Read)?;
    let chain = Chain::read(place.store.as_mut(), &arguments.dataset.dataset)?;
    let from = chain.position(&arguments.from)?;
    let to = arguments.to.as_deref().map(|to| chain.position(to)).transpose()?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut tally = Tally::of(None);
    let mut show = |difference: Difference| -> Result<()> {
        tally.change(difference.before.as_deref(), difference.after.as_deref());
        if arguments.lines {
            serde_json::to_writer(&mut out, &difference).map_err(io::Error::from)?;
            writeln!(out)?;
        } else if !arguments.summary && !reporter.is_quiet() {
            writeln!(out, "{difference}")?;
        }
        Ok(())
    };
    let now = match to {
        Some(to) => {
            let range = from.min(to) + 1..from.max(to) + 1;
            for change in NetChanges::between(place.store.as_mut(), &place.folder, &chain, range)? {
                let change = change?;
                if change.before != change.after {
                    let ends = (change.before, change.after);
                    let (before, after) = if from <= to { ends } else { (ends.1, ends.0) };
                    show(Difference::of(change.record_id, before, after)?)?;
                }
            }
            chain.form(to)?.schema.clone()
        }
        None => live::compare(&mut place, &chain, from, reporter, &mut show)?,
    };
    out.flush()?;
    drop(out);
    let report = Report {
        dataset: chain.dataset.clone(),
        from: arguments.from.clone(),
        to: arguments.to.clone(),
        changes: Changes(tally.seal().changes),
        columns: columns(&chain.form(from)?.schema, &now),
    };
    let stream = if arguments.lines { Stream::Stderr } else { Stream::Stdout };
    reporter.to(stream).report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

/// What became of the columns, and of the key.
fn columns(from: &TableSchema, to: &TableSchema) -> Vec<String> {
    let find = |schema: &TableSchema, name: &str| schema.columns.iter().find(|column| column.name == name).cloned();
    let mut changes = Vec::new();
    for column in &from.columns {
        match find(to, &column.name) {
            None => changes.push(format!("column {} is gone", column.name)),
            Some(now) if now.declared != column.declared => {
                changes.push(format!("column {} was {}, is {}", column.name, column.declared, now.declared));
            }
            Some(_) => {}
        }
    }
    let added = to.columns.iter().filter(|column| find(from, &column.name).is_none());
    changes.extend(added.map(|column| format!("column {} is new: {}", column.name, column.declared)));
    if from.key != to.key {
        changes.push(format!("the key was {}, is {}", from.key.join(", "), to.key.join(", ")));
    }
    changes
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    from: String,
    /// None for the table.
    to: Option<String>,
    changes: Changes,
    columns: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.columns.iter().try_for_each(|column| writeln!(f, "{}", visible(column)))?;
        writeln!(f, "{}", self.changes)
    }
}
