//! The document's records as rows of tables that were empty: what is sent is what is read back.

use golden::document::RecordKind;
use golden::store::Affinity;
use golden::store::postgres::{Scalar, Type};
use golden::{Error, Result};

use crate::columns::Covered;
use crate::lines::Reader;
use crate::plan::Job;

/// The rows of one table, as COPY reads them: what they belong to, then the columns that the document speaks of.
pub(super) struct Rows<'j> {
    covered: &'j Covered,
    lines: Reader,
    analyses: Option<Analyses>,
    row: Vec<u8>,
}

impl<'j> Rows<'j> {
    /// The rows, from the first on.
    pub(super) fn new(job: &Job<'_>, covered: &'j Covered) -> Result<Self> {
        let analyses = covered.table.parent.as_ref().map(|_| Analyses::new(job)).transpose()?;
        Ok(Self { covered, lines: job.lines()?.read(covered.table.kind)?, analyses, row: Vec::new() })
    }

    /// The next row, without the end of its line; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        let Some(line) = self.lines.next()? else { return Ok(None) };
        self.row.clear();
        if let Some(analyses) = &mut self.analyses {
            self.row.extend_from_slice(analyses.id(line.analysis())?);
            self.row.push(b'\t');
        }
        line.push_columns(self.covered, &mut self.row);
        Ok(Some(&self.row))
    }
}

/// The ids of the analyses, by their numbers, which ascend.
struct Analyses {
    lines: Reader,
    /// Which of their columns it is.
    column: usize,
    /// Whether it is padded with blanks, which a column of another type would keep.
    is_padded: bool,
    number: Vec<u8>,
    id: Vec<u8>,
}

impl Analyses {
    fn new(job: &Job<'_>) -> Result<Self> {
        let lines = job.lines()?.read(RecordKind::Analysis)?;
        let id = job.schema.analyses.columns.iter().enumerate().find(|(_, column)| column.field == "id");
        let (column, id) = id.ok_or_else(|| Error::usage("the table of analyses has no id"))?;
        let is_padded = matches!(id.affinity, Affinity::Typed(Type::One(Scalar::Padded(_))));
        Ok(Self { lines, column, is_padded, number: Vec::new(), id: Vec::new() })
    }

    fn id(&mut self, number: &[u8]) -> Result<&[u8]> {
        while self.number != number {
            let Some(line) = self.lines.next()? else {
                return Err(Error::environment("a record was staged without its analysis"));
            };
            self.number.clear();
            self.number.extend_from_slice(line.analysis());
            self.id.clear();
            let id = line.column(self.column);
            self.id.extend_from_slice(if self.is_padded { id.trim_ascii_end() } else { id });
        }
        Ok(&self.id)
    }
}
