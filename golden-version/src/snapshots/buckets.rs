//! Files of versions in buckets, and their copies on this machine: each comes once a run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use golden::Result;

use super::Condition;
use super::scratch::Scratch;
use crate::bucket::Bucket;
use crate::version::StoredFile;

/// The buckets that a run has to do with.
#[derive(Default)]
pub struct Buckets {
    open: RefCell<HashMap<String, Rc<Bucket>>>,
    scratch: RefCell<Option<Scratch>>,
    copies: RefCell<HashMap<StoredFile, PathBuf>>,
}

impl Buckets {
    /// The bucket's folder of this URL.
    pub fn open(&self, url: &str) -> Result<Rc<Bucket>> {
        if let Some(bucket) = self.open.borrow().get(url) {
            return Ok(Rc::clone(bucket));
        }
        let bucket = Rc::new(Bucket::open(url)?);
        self.open.borrow_mut().insert(url.to_owned(), Rc::clone(&bucket));
        Ok(bucket)
    }

    /// A name for a copy that is to be made.
    pub fn new_copy(&self) -> Result<PathBuf> {
        let mut scratch = self.scratch.borrow_mut();
        match scratch.as_mut() {
            Some(scratch) => Ok(scratch.next()),
            None => Ok(scratch.insert(Scratch::make()?).next()),
        }
    }

    /// Remembers the copy of a file.
    pub fn keep(&self, file: &StoredFile, copy: PathBuf) {
        self.copies.borrow_mut().insert(file.clone(), copy);
    }

    /// The copy of a file, where there is one.
    pub fn copy(&self, file: &StoredFile) -> Option<PathBuf> {
        self.copies.borrow().get(file).cloned()
    }

    /// Brings a file here, if it is what it was.
    pub fn fetch(&self, bucket: &Bucket, name: &str, file: &StoredFile) -> Result<Condition> {
        let copy = self.new_copy()?;
        let Some(now) = bucket.get_to(name, &copy)? else { return Ok(Condition::Missing) };
        let condition = Condition::of(file, &now);
        match condition {
            Condition::Sound => self.keep(file, copy),
            // It takes room, and goes with the others if it cannot go now.
            Condition::Missing | Condition::Altered => drop(fs::remove_file(copy)),
        }
        Ok(condition)
    }
}
