//! The application's own sidecar, `NAME.meta.json` beside `NAME.index`: facts about the old index.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use faiss_snap::index_file::{Inspection, inspect};
use faiss_snap::sidecar::{self, Facts};
use golden::{Context, Result};
use serde_json::Value;

use super::Job;

/// A longer one is left as it is.
const MAX_SIZE: u64 = 16 * 1024 * 1024;

/// Makes a new one with the names of the old and the numbers of the new index. Says what in it cannot be known here.
pub fn bring_up_to_date(job: &Job, folder: &Path, work: &Path, made: &Path) -> Result<Vec<String>> {
    let name = format!("{}.meta.json", super::plan::stem(&job.path));
    let old = folder.join(&name);
    let stale = || Ok(vec![format!("{name} is as it was")]);
    match fs::metadata(&old) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_SIZE => {}
        Ok(_) => return stale(),
        Err(_) => return Ok(Vec::new()),
    }
    let text = fs::read(&old).context(|| format!("cannot read {}", old.display()))?;
    let (Ok(Value::Object(mut known)), Inspection::Known(index)) = (serde_json::from_slice(&text), inspect(made)?)
    else {
        return stale();
    };
    let model = sidecar::read(&work.join(format!("{}.meta.json", job.path)))?.model.map(|said| said.value);
    let lists = sidecar::replace(
        &mut known,
        &Facts { dimension: index.header.d.into(), count: index.header.ntotal, model: model.as_deref() },
    );
    let path = work.join(&name);
    let write = || -> io::Result<()> {
        let mut file = File::create_new(&path)?;
        serde_json::to_writer_pretty(&mut file, &known)?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().context(|| format!("cannot write {}", path.display()))?;
    Ok(lists.into_iter().map(|list| format!("{list} in {name} is as it was")).collect())
}
