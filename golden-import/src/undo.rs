//! The undo document: what an import will remove or update, as it was.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use golden::document::{Created, Fields, Layout, RecordKind, VERSION};
use golden::store::{Dataset, DocumentOptions, Selection, quote};
use golden::{Context, Result};
use serde_json::json;

use crate::plan::Job;
use crate::rows::{staged_id, staged_rows};
use crate::staging::{beside, folder_of};
use crate::target::Session;

/// Writes the undo document, complete and on disk before anything is changed; none where nothing that
/// exists will change. The session is in the transaction that will make the change.
pub fn write(target: &mut dyn Session, job: &Job<'_>, files: &Path) -> Result<Option<PathBuf>> {
    let table = &job.schema.analyses;
    target.batch(&format!(
        "CREATE TEMP TABLE golden_undone AS SELECT id FROM golden_removed
         UNION SELECT t.{id} FROM golden_plan p {join} {analyses} s ON s.seq = p.seq
                   {join} {name} t ON t.{id} = {staged} WHERE p.action = 'update'",
        id = quote(&table.id()?.name),
        join = job.dialect.join(),
        analyses = job.dialect.staged(RecordKind::Analysis),
        name = table.relation,
        staged = job.staged_analysis_id("s")?,
    ))?;
    // Analyses that lose a record to another.
    for covered in job.covered {
        let table = &covered.table;
        let Some(parent) = &table.parent else { continue };
        let parent = format!("t.{}", quote(parent));
        target.execute(&format!(
            "INSERT INTO golden_undone SELECT {parent} FROM {rows} {join} {name} t ON t.{id} = {staged}
             WHERE {is_unknown}",
            rows = staged_rows(job, table.kind),
            join = job.dialect.join(),
            name = table.relation,
            id = quote(&table.id()?.name),
            staged = staged_id(job, covered)?,
            is_unknown = job.dialect.absent(&parent, "u.id", "golden_undone u", "true"),
        ))?;
    }
    if !target.holds("SELECT EXISTS (SELECT 1 FROM golden_undone)")? {
        return Ok(None);
    }
    let created = Created::now();
    let path = free_name(files, &created.file_stamp());
    // One name for all, so that what a killed import left is written over.
    let temporary = beside(files, "golden-undo.tmp");
    let cannot_write = || format!("cannot write the undo document {}", path.display());

    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary);
    let file = file.context(cannot_write)?;
    let written = write_document(target, job, created, file).and_then(|()| Ok(fs::rename(&temporary, &path)?));
    if let Err(error) = written {
        // Whatever is there is no undo document, and the database has not been touched.
        let _ = fs::remove_file(&temporary);
        return Err(error.context(cannot_write()));
    }
    File::open(folder_of(&path)).and_then(|folder| folder.sync_all()).context(cannot_write)?;
    Ok(Some(path))
}

fn write_document(target: &mut dyn Session, job: &Job<'_>, created: Created, file: File) -> Result<()> {
    let selection = Selection::Ids("golden_undone".into(), "id".into());
    let mut dataset = Dataset::select(target.connection(), job.schema, &selection)?;
    let counts = dataset.counts;
    let top_level = Fields::from_iter([
        ("version".to_owned(), json!(VERSION)),
        ("created_at".to_owned(), json!(created.to_string())),
        (
            "metadata".to_owned(),
            json!({
                "total_analyses": counts.analyses,
                "total_chunks": counts.chunks,
                "total_artifacts": counts.artifacts,
                // Nothing is selected: replacing by this document removes nothing else.
                "selection": [],
                "columns": job.schema.columns(),
                "forms": job.schema.forms,
            }),
        ),
    ]);
    let gzip = GzBuilder::new().mtime(0).write(BufWriter::new(file), Compression::fast());
    let options = DocumentOptions { layout: Layout::Compact, max_record: usize::MAX };
    let (gzip, _) = dataset.write_document(gzip, options, top_level, |_| {})?;
    let mut buffered = gzip.finish()?;
    buffered.flush()?;
    buffered.get_ref().sync_all()?;
    Ok(())
}

/// `app.db.golden-undo-20250101T120000Z.json.gz`, or with a number where that exists.
fn free_name(files: &Path, stamp: &str) -> PathBuf {
    let name = |number: u32| match number {
        1 => beside(files, &format!("golden-undo-{stamp}.json.gz")),
        number => beside(files, &format!("golden-undo-{stamp}-{number}.json.gz")),
    };
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1))
}
