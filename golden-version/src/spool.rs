//! Things set aside in their order, in a temporary file where they are many.

use std::marker::PhantomData;

use golden::spill::{Sorted, Sorter};
use golden::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How much memory one may take before it goes to disk.
const MEMORY: usize = 8 << 20;

/// Takes things, and gives them back in the same order.
pub struct Spool<T> {
    sorter: Sorter,
    len: u64,
    kind: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Default for Spool<T> {
    fn default() -> Self {
        Self { sorter: Sorter::new(MEMORY), len: 0, kind: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// Sets one aside.
    pub fn push(&mut self, thing: &T) -> Result<()> {
        let bytes = serde_json::to_vec(thing).map_err(|error| Error::environment(error.to_string()))?;
        self.sorter.push(&self.len.to_be_bytes(), &bytes)?;
        self.len += 1;
        Ok(())
    }

    /// Gives them back.
    pub fn finish(self) -> Result<Spooled<T>> {
        Ok(Spooled { sorted: self.sorter.finish()?, kind: PhantomData })
    }
}

/// What was set aside, on its way back.
pub struct Spooled<T> {
    sorted: Sorted,
    kind: PhantomData<T>,
}

impl<T: DeserializeOwned> Iterator for Spooled<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.sorted.next()?;
        Some(entry.and_then(|(_, bytes)| {
            serde_json::from_slice(&bytes)
                .map_err(|error| Error::environment(format!("cannot read back a temporary file: {error}")))
        }))
    }
}
