//! The document's records as rows of tables that were empty: what is sent is what is read back.

use golden::document::RecordKind;
use golden::store::postgres::{CopyFormat, Scalar, Type, Values, push_raw};
use golden::store::{Affinity, quote};
use golden::{Error, Result};

use crate::columns::Covered;
use crate::plan::Job;
use crate::record::push_stored;
use crate::tuples::Reader;

/// The rows of one table, as COPY reads and writes them: what they belong to, then the columns that the document
/// speaks of.
pub(super) struct Rows<'j> {
    covered: &'j Covered,
    format: CopyFormat,
    tuples: Reader,
    analyses: Option<Analyses>,
    columns: Vec<String>,
    /// What stands in all of them behind the document's columns.
    filled: Vec<u8>,
    row: Vec<u8>,
}

impl<'j> Rows<'j> {
    /// The rows, from the first on.
    pub(super) fn new(job: &Job<'_>, covered: &'j Covered) -> Result<Self> {
        let analyses = covered.table.parent.as_ref().map(|_| Analyses::new(job)).transpose()?;
        let parent = covered.table.parent.iter().map(|parent| quote(parent));
        let columns = parent.chain(covered.columns().map(|(_, column)| quote(&column.name))).collect();
        let (tuples, format) = (job.tuples()?.read(covered.table.kind)?, job.tuples()?.format());
        Ok(Self { covered, format, tuples, analyses, columns, filled: Vec::new(), row: Vec::new() })
    }

    /// The rows with the columns that `--set` fills.
    pub(super) fn filled(mut self) -> Self {
        for (column, value) in &self.covered.set {
            self.columns.push(quote(&column.name));
            push_stored(self.format, column, value, &mut self.filled);
        }
        self
    }

    /// The names of their columns, for SQL.
    pub(super) fn columns(&self) -> String {
        self.columns.join(", ")
    }

    /// The next row; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        let Some(tuple) = self.tuples.next()? else { return Ok(None) };
        self.format.begin_row(self.columns.len(), &mut self.row);
        if let Some(analyses) = &mut self.analyses {
            self.format.push_values(analyses.id(tuple.analysis)?, &mut self.row);
        }
        tuple.push_columns(self.covered, self.format, &mut self.row);
        self.format.push_values(Values(&self.filled), &mut self.row);
        self.format.end_row(&mut self.row);
        Ok(Some(&self.row))
    }
}

/// The ids of the analyses, by their numbers, which ascend.
struct Analyses {
    tuples: Reader,
    /// Which of their columns it is.
    column: usize,
    /// Whether it is padded with blanks, which a column of another type would keep.
    is_padded: bool,
    number: i64,
    id: Vec<u8>,
}

impl Analyses {
    fn new(job: &Job<'_>) -> Result<Self> {
        let tuples = job.tuples()?.read(RecordKind::Analysis)?;
        let id = job.schema.analyses.columns.iter().enumerate().find(|(_, column)| column.field == "id");
        let (column, id) = id.ok_or_else(|| Error::usage("the table of analyses has no id"))?;
        // In binary form both columns are of the same type.
        let is_padded = job.tuples()?.format() == CopyFormat::Text
            && matches!(id.affinity, Affinity::Typed(Type::One(Scalar::Padded(_))));
        Ok(Self { tuples, column, is_padded, number: 0, id: Vec::new() })
    }

    fn id(&mut self, number: i64) -> Result<Values<'_>> {
        while self.number != number {
            let Some(tuple) = self.tuples.next()? else {
                return Err(Error::environment("a record was staged without its analysis"));
            };
            self.number = tuple.analysis;
            self.id.clear();
            let id = tuple.column(self.column);
            push_raw(id.map(|id| if self.is_padded { unpadded(id) } else { id }), &mut self.id);
        }
        Ok(Values(&self.id))
    }
}

/// Without the blanks at its end, and with whatever else is there.
fn unpadded(id: &[u8]) -> &[u8] {
    let length = id.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    id.get(..length).unwrap_or_default()
}
