//! Rows in the order of their keys, whatever order a database can give.

use std::cmp::Ordering;

use golden::spill::Sorter;
use golden::{Error, Result};
use golden_version::{Key, Row, RowForm};

/// How much memory sorting may take.
const SORT_MEMORY: usize = 32 << 20;

/// Sees to it that every key is greater than the one before.
pub struct Ascending<'f> {
    form: &'f RowForm,
    /// The key of the last row.
    last: Option<Key>,
}

impl<'f> Ascending<'f> {
    /// Of rows of this form.
    pub fn new(form: &'f RowForm) -> Self {
        Self { form, last: None }
    }

    /// Looks at the next row.
    pub fn check(&mut self, row: &Row) -> Result<()> {
        let order = self.last.as_ref().map(|last| self.form.compare(row, last));
        if let Some(order @ (Ordering::Less | Ordering::Equal)) = order {
            let (table, record) = (&self.form.schema.table, self.form.record_id(&self.form.key(row)));
            if order == Ordering::Less {
                return Err(Error::environment(format!("table `{table}`: record {record} came out of order")));
            }
            return Err(Error::data(format!("table `{table}` has two rows of the key {record}"))
                .guidance("name columns that tell the rows apart with --key"));
        }
        self.last = Some(self.form.key(row));
        Ok(())
    }
}

/// Takes rows in any order and gives them by key.
pub struct ByKey<'f> {
    form: &'f RowForm,
    sorter: Sorter,
    key: Vec<u8>,
    json: Vec<u8>,
}

impl<'f> ByKey<'f> {
    /// Of rows of this form.
    pub fn new(form: &'f RowForm) -> Self {
        Self { form, sorter: Sorter::new(SORT_MEMORY), key: Vec::new(), json: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: &Row) -> Result<()> {
        self.key.clear();
        self.form.key(row).write_sortable(&mut self.key);
        self.form.write_json(row, &mut self.json);
        self.sorter.push(&self.key, &self.json)
    }

    /// Hands them out.
    pub fn each(self, visit: &mut dyn FnMut(&mut Row) -> Result<()>) -> Result<()> {
        for entry in self.sorter.finish()? {
            let (_, json) = entry?;
            visit(&mut self.form.read(&String::from_utf8_lossy(&json))?)?;
        }
        Ok(())
    }
}
