//! Indexes that are made of the restored database, where a backup has none that belong to it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use faiss_snap::program;
use golden::cli::Reporter;
use golden::store::Mapping;
use golden::{Context, Error, Kind, Result};

use super::{Owner, folder_of};
use crate::manifest::Mode;
use crate::rebuild::{Left, Made, Plan, Wish, Workshop};
use crate::sqlite::open_unchanging;

/// Who can say no more than what is there already says.
const AS_BEFORE: Wish = Wish { factory: None, metric: None, length: None };

/// How indexes are made.
#[derive(Clone, Copy)]
pub struct Rebuilding<'a> {
    mapping: &'a Mapping,
    reporter: &'a Reporter,
}

impl<'a> Rebuilding<'a> {
    /// From the vectors where the mapping says they are; FAISS must be there to be asked.
    pub fn new(mapping: &'a Mapping, reporter: &'a Reporter) -> Result<Self> {
        program::faiss().map(|_| Self { mapping, reporter })
    }

    /// Makes the folder `staged` of the vectors in `database`, each index like the live one that it takes the place
    /// of. All else in the live folder goes with the old state.
    pub fn stage(self, database: &Path, live: &Path, staged: &Path) -> Result<Vec<Made>> {
        let alone = "restore --only db, then use faiss-snap rebuild with its options";
        let connection = open_unchanging(database)?;
        let plan =
            Plan::new(&connection, self.mapping, live, None, &AS_BEFORE).map_err(|error| match error.kind() {
                Kind::Usage => error.guidance(alone),
                _ => error,
            })?;
        if let Some(placeholder) = plan.left.iter().find(|left| matches!(left, Left::Placeholder(_))) {
            return Err(Error::data(format!("{placeholder}, and no .npz of the restored vectors can be made here"))
                .guidance("restore --only db, and have the application make it"));
        }
        let made = Workshop::open(live, staged)?.make(&plan.jobs, &connection, self.reporter)?;
        Owner::at(live).give(staged);
        let like = fs::metadata(live).or_else(|_| fs::metadata(folder_of(live).unwrap_or(live)))?;
        let mode = Permissions::from_mode(Mode::of(&like).0);
        fs::set_permissions(staged, mode).context(|| format!("cannot write {}", staged.display()))?;
        Ok(made)
    }
}
