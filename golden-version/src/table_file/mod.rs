//! Files of rows: Parquet, and as text JSON lines and CSV.

mod buffer;
mod classes;
mod columns;
mod contents;
mod encoding;
mod hashed;
mod parquet_file;
mod part;
mod reading;
mod spelled;
#[cfg(test)]
mod tests;
mod text;
mod types;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use golden::cli::{Compress, Existing, Output};
use golden::{Context, Error, Result};
use golden_version::{Row, RowForm};

pub use self::classes::Classes;
pub use self::columns::Columns;
pub use self::contents::Contents;
pub use self::hashed::Hashed;
pub use self::part::Part;
use self::reading::Reading;
pub use self::spelled::Zone;
pub use self::types::ColumnType;
pub use self::writer::{Adding, Writer, Written};

/// How the names of the files of versions end.
pub const EXTENSION: &str = "parquet";

/// Keys in a Parquet file's metadata: the table as it was, as JSON; the digest of the rows; how each column stands in
/// the file, as JSON.
const SCHEMA: &str = "golden.schema";
const CONTENT: &str = "golden.content_sha256";
const TYPES: &str = "golden.types";

/// Rows go from thread to thread in batches, of which so many may wait.
const WAITING: usize = 4;

/// What a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Apache Parquet
    Parquet,
    /// Comma-separated values, the first line the names of the columns
    Csv,
    /// One JSON object a line
    #[value(alias = "json-lines", alias = "ndjson")]
    Jsonl,
}

impl Format {
    /// The format that a file's name tells.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let text = name.strip_suffix(".gz").unwrap_or(&name);
        let ends = |endings: &[&str]| endings.iter().any(|ending| text.ends_with(ending));
        match () {
            () if name.ends_with(".parquet") || name.ends_with(".pq") => Some(Self::Parquet),
            () if ends(&[".csv"]) => Some(Self::Csv),
            () if ends(&[".jsonl", ".ndjson"]) => Some(Self::Jsonl),
            () => None,
        }
    }
}

/// The rows of a Parquet file, their values in the places of the form's columns.
pub fn read(path: &Path, form: &RowForm) -> Result<Box<dyn Iterator<Item = Result<Row>>>> {
    let name = path.display().to_string();
    let rows = read_columns(path, form)?.flat_map(move |columns| {
        match columns.and_then(|columns| columns.into_rows().context(|| &name)) {
            Ok(rows) => rows.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }
    });
    Ok(Box::new(rows))
}

/// The same, as the file has them; read ahead, on a thread. The many small values of rows are made only where they are
/// used up: two threads of which one allocates what the other frees get into each other's way.
pub fn read_columns(path: &Path, form: &RowForm) -> Result<Box<dyn Iterator<Item = Result<Columns>>>> {
    let file = File::open(path).context(|| format!("cannot read {}", path.display()))?;
    let mut reading = Reading::of(file, form, path)?;
    let (sender, receiver) = sync_channel(WAITING);
    // Whoever listened may have heard enough.
    let thread = thread::spawn(move || drop(reading.try_for_each(|columns| sender.send(columns))));
    let broken = Error::data(format!("{} cannot be read", path.display()));
    let mut end = Some((thread, broken));
    let end = std::iter::from_fn(move || {
        let (thread, broken) = end.take()?;
        thread.join().is_err().then_some(Err(broken))
    });
    Ok(Box::new(receiver.into_iter().chain(end)))
}

/// Copies a file, if its bytes have that SHA-256; false, and nothing copied, if not.
pub fn copy(from: &Path, to: &Path, sha256: &str) -> Result<bool> {
    let mut file = File::open(from).context(|| format!("cannot read {}", from.display()))?;
    let mut copy = Hashed::new(Output::create(to, Compress::Never, Existing::Replace)?);
    std::io::copy(&mut file, &mut copy).context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    let is_same = copy.seal().1 == sha256;
    if is_same {
        copy.into_inner().finish()?;
    }
    Ok(is_same)
}

/// Whether a file is one of Parquet's that this program wrote.
pub fn is_ours(path: &Path) -> bool {
    let file = File::open(path).ok();
    file.is_some_and(|file| reading::types(&file).is_some())
}

/// How the columns of a Parquet file that this program wrote stand in it.
pub fn types(path: &Path) -> Result<Vec<ColumnType>> {
    let file = File::open(path).context(|| format!("cannot read {}", path.display()))?;
    reading::types(&file).ok_or_else(|| Error::data(format!("{} is not golden-version's", path.display())))
}

/// A file's size and the SHA-256 of its bytes.
pub fn measure(path: &Path) -> Result<Written> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mut file = File::open(path).context(cannot_read)?;
    let mut hashed = Hashed::new(std::io::sink());
    std::io::copy(&mut file, &mut hashed).context(cannot_read)?;
    Ok(hashed.seal().into())
}
