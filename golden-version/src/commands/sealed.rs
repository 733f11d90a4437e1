//! Sealing a version that stands in the database, and what is said of it.

use std::fmt;
use std::sync::Arc;

use golden::cli::Reporter;
use golden::{Result, counted, visible};
use golden_version::RowForm;
use serde::Serialize;

use super::Changes;
use crate::catalog;
use crate::chain::Chain;
use crate::seal::{Sealing, Until};
use crate::snapshots::Folder;
use crate::store::Store;
use crate::version::DatasetVersion;

/// Seals a version as the child of the newest, inside the transaction that is open.
pub fn seal(
    store: &mut dyn Store,
    folder: &Folder,
    chain: &Chain,
    mut version: DatasetVersion,
    form: RowForm,
    until: Until,
    reporter: &Reporter,
) -> Result<Sealed> {
    let job = version.created_by_job.clone().unwrap_or_default();
    version.parent = chain.newest().map(|parent| parent.id.clone());
    version.schema = Some(form.schema.clone());
    let sealing = Sealing { folder, chain, version: &version, form: Arc::new(form), job: &job };
    let seal = sealing.seal(store, until, &mut |warning| reporter.warn(warning))?;
    seal.close(&mut version);
    catalog::update_version(store, &version)?;
    Ok(Sealed {
        dataset: version.dataset,
        tag: version.tag,
        id: version.id,
        rows: seal.rows,
        content_sha256: seal.content.to_string(),
        changes: Changes(seal.changes),
    })
}

/// A version that was sealed.
#[derive(Serialize)]
pub struct Sealed {
    dataset: String,
    tag: String,
    id: String,
    rows: u64,
    content_sha256: String,
    /// What it does to the one before.
    pub changes: Changes,
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dataset, tag, rows, changes, .. } = self;
        writeln!(f, "{} {}: {}; {changes}", visible(dataset), visible(tag), counted(*rows, "row"))
    }
}
