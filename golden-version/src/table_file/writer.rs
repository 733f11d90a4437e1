//! Files as they are written: one thread takes the rows, one adds up their digest where it is not known, one writes.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use golden::cli::{Compress, Existing, Output};
use golden::{Error, Result};
use golden_version::{Cell, Row, RowForm};

use super::hashed::Hashed;
use super::parquet_file::ParquetFile;
use super::{Columns, Contents, Format, WAITING, text};

/// Rows go from thread to thread in batches of at most so many…
const BATCH_ROWS: usize = 2048;
/// … or of about so many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// How large the file is.
    pub bytes: u64,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

impl From<(u64, String)> for Written {
    fn from((bytes, sha256): (u64, String)) -> Self {
        Self { bytes, sha256 }
    }
}

/// A file of rows, as it is being written.
pub struct Writer {
    batch: Vec<Row>,
    bytes: usize,
    /// Whether rows may come column by column: nobody looks at them, and the first have told what the columns are.
    takes_columns: bool,
    adding: Adding,
    sender: Option<SyncSender<Message>>,
    writing: Option<JoinHandle<Result<Closed>>>,
}

/// A file that is complete, but for its name.
pub struct Closed {
    /// What stands in it.
    pub contents: Contents,
    output: Hashed<Output>,
}

/// Who knows the digest of the rows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adding {
    /// The writer adds it up, row by row.
    Rows,
    /// Whoever gives the rows, from those that a file holds and what has changed since.
    Changes,
}

/// Between the threads.
enum Message {
    Rows(Vec<Row>),
    Columns(Columns),
    End(Contents),
}

impl Writer {
    /// Begins a file, in a folder that exists. What stands there is replaced when the file is kept.
    pub fn create(path: &Path, format: Format, form: &Arc<RowForm>, adding: Adding) -> Result<Self> {
        let sink = Sink::create(path, format, Arc::clone(form))?;
        let (mut sender, messages) = sync_channel(WAITING);
        if adding == Adding::Rows {
            let (onward, form) = (sender, Arc::clone(form));
            let (first, undigested) = sync_channel(WAITING);
            sender = first;
            thread::spawn(move || digest(&form, &undigested, &onward));
        }
        let writing = thread::spawn(move || sink.write(&messages));
        let (sender, writing) = (Some(sender), Some(writing));
        Ok(Self { batch: Vec::new(), bytes: 0, takes_columns: false, adding, sender, writing })
    }

    /// Adds a row.
    pub fn write(&mut self, row: Row) -> Result<()> {
        self.bytes += row.iter().map(size).sum::<usize>();
        self.batch.push(row);
        if self.bytes < BATCH_BYTES && self.batch.len() < BATCH_ROWS {
            return Ok(());
        }
        self.takes_columns = self.adding == Adding::Changes;
        self.send_batch()
    }

    /// Adds rows as they stand in another file.
    pub fn write_columns(&mut self, mut columns: Columns) -> Result<()> {
        while !self.takes_columns && columns.len() > 0 {
            let first = columns.take(BATCH_ROWS - self.batch.len());
            first.into_rows()?.into_iter().try_for_each(|row| self.write(row))?;
        }
        if columns.len() == 0 {
            return Ok(());
        }
        self.send_batch()?;
        self.send(Message::Columns(columns))
    }

    fn send_batch(&mut self) -> Result<()> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() { Ok(()) } else { self.send(Message::Rows(batch)) }
    }

    fn send(&mut self, message: Message) -> Result<()> {
        match self.sender.as_ref().map(|sender| sender.send(message)) {
            Some(Ok(())) => Ok(()),
            // Nobody takes rows any more: something has gone wrong.
            _ => self.end().and_then(|_| Err(ended_early())),
        }
    }

    /// Completes it, but for its name. `known` is what whoever gave the rows knows of them.
    pub fn close(mut self, known: Contents) -> Result<Closed> {
        self.send_batch()?;
        self.send(Message::End(known))?;
        self.end()
    }

    fn end(&mut self) -> Result<Closed> {
        self.sender = None;
        let writing = self.writing.take().ok_or_else(ended_early)?;
        writing.join().unwrap_or_else(|_| Err(ended_early()))
    }
}

impl Drop for Writer {
    /// A file that is given up is gone when this returns.
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Closed {
    /// Puts it on disk, under its name.
    pub fn keep(self) -> Result<Written> {
        let (bytes, sha256) = self.output.seal();
        self.output.into_inner().finish()?;
        Ok(Written { bytes, sha256 })
    }
}

fn ended_early() -> Error {
    Error::environment("writing a file ended early")
}

/// About how much memory a value takes.
fn size(cell: &Cell) -> usize {
    size_of::<Cell>()
        + match cell {
            Cell::Text(text) => text.len(),
            Cell::Blob(bytes) => bytes.len(),
            Cell::Null | Cell::Boolean(_) | Cell::Integer(_) | Cell::Real(_) => 0,
        }
}

/// Adds up the rows that come, and passes them on.
fn digest(form: &RowForm, messages: &Receiver<Message>, onward: &SyncSender<Message>) {
    let mut contents = Contents::default();
    let mut json = Vec::new();
    for message in messages {
        let message = match message {
            Message::End(_) => Message::End(contents),
            Message::Rows(batch) => {
                for row in &batch {
                    contents.add(form, row, &mut json);
                }
                Message::Rows(batch)
            }
            columns => columns,
        };
        // A writer that has failed no longer listens.
        if onward.send(message).is_err() {
            return;
        }
    }
}

/// Where rows go.
enum Sink {
    Parquet(Box<ParquetFile>),
    Csv(Hashed<Output>),
    Jsonl(Hashed<Output>, Arc<RowForm>),
}

impl Sink {
    fn create(path: &Path, format: Format, form: Arc<RowForm>) -> Result<Self> {
        let output = || Output::create(path, Compress::ByName, Existing::Replace).map(Hashed::new);
        Ok(match format {
            Format::Parquet => Self::Parquet(Box::new(ParquetFile::create(path.to_owned(), form))),
            Format::Csv => {
                let mut output = output()?;
                text::write_csv_head(&form, &mut output)?;
                Self::Csv(output)
            }
            Format::Jsonl => Self::Jsonl(output()?, form),
        })
    }

    fn write(mut self, messages: &Receiver<Message>) -> Result<Closed> {
        let mut line = Vec::new();
        loop {
            let rows = match messages.recv() {
                Ok(Message::Rows(rows)) => rows,
                Ok(Message::Columns(columns)) => match &mut self {
                    Self::Parquet(file) => {
                        file.push_columns(columns)?;
                        continue;
                    }
                    Self::Csv(_) | Self::Jsonl(..) => columns.into_rows()?,
                },
                Ok(Message::End(contents)) => return self.close(contents),
                // Whoever gave the rows has given up.
                Err(_) => return Err(ended_early()),
            };
            match &mut self {
                Self::Parquet(file) => file.push(rows)?,
                Self::Csv(out) => rows.iter().try_for_each(|row| text::write_csv_line(row, &mut line, out))?,
                Self::Jsonl(out, form) => {
                    rows.iter().try_for_each(|row| text::write_json_line(form, row, &mut line, out))?;
                }
            }
        }
    }

    fn close(self, contents: Contents) -> Result<Closed> {
        let output = match self {
            Self::Parquet(file) => file.close(&contents)?,
            Self::Csv(output) | Self::Jsonl(output, _) => output,
        };
        Ok(Closed { contents, output })
    }
}
