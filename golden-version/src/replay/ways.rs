//! The ways in which a version can be rebuilt, and the files that stand in them.

use golden::{Error, Result};

use super::{Base, path};
use crate::chain::Chain;
use crate::snapshots::{Condition, Folder};

/// A file that a version names and that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsound {
    /// The version's place in the chain.
    pub position: usize,
    /// Where the file should be.
    pub path: String,
    /// What has become of it.
    pub condition: Condition,
}

/// From where the version at `target` might be rebuilt, the nearest first.
pub fn candidates(chain: &Chain, target: usize) -> Vec<Base> {
    let mut bases: Vec<_> = chain
        .versions
        .iter()
        .enumerate()
        .filter_map(|(position, version)| match &version.snapshot {
            Some(_) => Some((position.abs_diff(target), Base::Snapshot(position))),
            None => (position == 0).then_some((target + 1, Base::Nothing)),
        })
        .collect();
    bases.sort_by_key(|(distance, _)| *distance);
    bases.into_iter().map(|(_, base)| base).collect()
}

/// The files that stand in the way of rebuilding the version at `target` from there.
pub fn unsound(folder: &Folder, chain: &Chain, target: usize, base: Base) -> Result<Vec<Unsound>> {
    let (_, range) = path(chain, target, base);
    let snapshot = match base {
        Base::Snapshot(position) => chain.versions.get(position).map(|version| (position, version.snapshot.as_ref())),
        Base::Nothing | Base::Table => None,
    };
    let histories =
        range.filter_map(|position| chain.versions.get(position).map(|version| (position, version.history.as_ref())));
    let mut unsound = Vec::new();
    for (position, file) in snapshot.into_iter().chain(histories) {
        let Some(file) = file else { continue };
        let condition = folder.condition(file)?;
        if condition != Condition::Sound {
            unsound.push(Unsound { position, path: file.path.clone(), condition });
        }
    }
    Ok(unsound)
}

/// The ways to rebuild a version, the nearest first. Files that are not what they were are said, each once, and gone
/// around; where none is left, the table has to do.
pub struct Ways<'c> {
    chain: &'c Chain,
    target: usize,
    bases: std::vec::IntoIter<Base>,
    said: Vec<Unsound>,
}

impl<'c> Ways<'c> {
    /// To the version at `target`.
    pub fn to(chain: &'c Chain, target: usize) -> Self {
        let mut bases = candidates(chain, target);
        bases.push(Base::Table);
        Self { chain, target, bases: bases.into_iter(), said: Vec::new() }
    }

    /// Where the next of them begins.
    pub fn next(&mut self, folder: &Folder, warn: &mut dyn FnMut(String)) -> Result<Option<Base>> {
        for base in self.bases.by_ref() {
            let unsound = unsound(folder, self.chain, self.target, base)?;
            if unsound.is_empty() {
                return Ok(Some(base));
            }
            for file in unsound {
                let tag = self.chain.versions.get(file.position).map_or("", |version| version.tag.as_str());
                if !self.said.contains(&file) {
                    warn(format!("a file of version {tag} {}: {}", file.condition, file.path));
                    self.said.push(file);
                }
            }
        }
        Ok(None)
    }

    /// The one where the nearest begins.
    pub fn nearest(mut self, folder: &Folder, warn: &mut dyn FnMut(String)) -> Result<Base> {
        self.next(folder, warn)?.ok_or_else(|| self.none_left())
    }

    /// That none is left.
    pub fn none_left(&self) -> Error {
        let tag = self.chain.versions.get(self.target).map_or("", |version| version.tag.as_str());
        Error::data(format!("version {tag} of `{}` cannot be rebuilt", self.chain.dataset)).guidance(
            "put its files back from a backup, or name their folder with --snapshots; golden-version verify shows what is left",
        )
    }
}
