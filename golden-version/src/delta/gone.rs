//! Where the rows are that a version no longer has: in which file, and at which place in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use golden::{Error, Result};
use golden_version::{RowForm, TableSchema};
use roaring::RoaringTreemap;

use super::action::Add;
use super::home::Home;
use super::vector;
use crate::table_file;

/// Keys are looked up in files when so many bytes of them have come together.
const MEMORY: usize = 16 << 20;
/// As much of a key is noted with a file, to tell where it need not be looked for.
const NOTED: usize = 64;

/// Tags of files: the beginnings of the first and of the last key in them.
pub const FIRST_KEY: &str = "golden.first_key";
/// See [`FIRST_KEY`].
pub const LAST_KEY: &str = "golden.last_key";

/// What is noted of a key.
pub fn noted(key: &[u8]) -> String {
    BASE64.encode(beginning(key))
}

fn beginning(key: &[u8]) -> &[u8] {
    key.get(..NOTED).unwrap_or(key)
}

/// Takes keys in their order, and finds their rows in the files of a table.
pub struct Gone<'t> {
    home: &'t Home,
    files: &'t BTreeMap<String, Add>,
    form: Arc<RowForm>,
    waiting: Vec<(Vec<u8>, String)>,
    bytes: usize,
    /// The rows that go, by file.
    found: BTreeMap<String, RoaringTreemap>,
}

impl<'t> Gone<'t> {
    /// In these files, whose rows these columns tell apart.
    pub fn from(home: &'t Home, files: &'t BTreeMap<String, Add>, schema: &TableSchema) -> Result<Self> {
        let mut keys = schema.clone();
        // Nothing else has to be read.
        keys.columns.retain(|column| keys.key.contains(&column.name));
        let form = Arc::new(RowForm::new(keys)?);
        Ok(Self { home, files, form, waiting: Vec::new(), bytes: 0, found: BTreeMap::new() })
    }

    /// The row of this key goes.
    pub fn push(&mut self, key: &[u8], record_id: &str) -> Result<()> {
        self.bytes += key.len() + record_id.len() + size_of::<(Vec<u8>, String)>();
        self.waiting.push((key.to_owned(), record_id.to_owned()));
        if self.bytes < MEMORY { Ok(()) } else { self.look() }
    }

    /// All rows that go.
    pub fn finish(mut self) -> Result<BTreeMap<String, RoaringTreemap>> {
        self.look()?;
        Ok(self.found)
    }

    /// Looks for those that wait.
    fn look(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let (Some((first, _)), Some((last, _))) = (waiting.first(), waiting.last()) else { return Ok(()) };
        let mut is_found = vec![false; waiting.len()];
        for (name, add) in self.files {
            if can_hold(add, first, last) {
                self.look_into(name, add, &waiting, &mut is_found)?;
                self.home.forget(name);
            }
        }
        match waiting.iter().zip(is_found).find(|(_, is_found)| !is_found) {
            Some(((_, record_id), _)) => Err(Error::data(format!("the published table lacks record {record_id}"))
                .guidance("golden-version verify --published says what is wrong with it")),
            None => Ok(()),
        }
    }

    fn look_into(&mut self, name: &str, add: &Add, waiting: &[(Vec<u8>, String)], is_found: &mut [bool]) -> Result<()> {
        let before = add.deletion_vector.as_ref().map(|known| vector::read(self.home, known)).transpose()?;
        let mut waiting = waiting.iter().zip(is_found).peekable();
        let mut key = Vec::new();
        let mut found = RoaringTreemap::new();
        // Rows and keys are both in the order of keys.
        for (place, row) in (0_u64..).zip(table_file::read(&self.home.fetch(name)?, &self.form)?) {
            key.clear();
            self.form.key(&row?).write_sortable(&mut key);
            while waiting.next_if(|((wanted, _), _)| *wanted < key).is_some() {}
            let Some(((wanted, _), is_found)) = waiting.peek_mut() else { break };
            if *wanted == key && before.as_ref().is_none_or(|before| !before.contains(place)) {
                **is_found = true;
                found.insert(place);
            }
        }
        if !found.is_empty() {
            *self.found.entry(name.to_owned()).or_default() |= found;
        }
        Ok(())
    }
}

/// Whether a file can hold one of the keys between these.
fn can_hold(add: &Add, first: &[u8], last: &[u8]) -> bool {
    let noted = |tag| add.tag(tag).and_then(|key| BASE64.decode(key).ok());
    let (Some(file_first), Some(file_last)) = (noted(FIRST_KEY), noted(LAST_KEY)) else { return true };
    file_first.as_slice() <= beginning(last) && file_last.as_slice() >= beginning(first)
}
