//! The log of a published table, replayed from its first commit.

use std::collections::BTreeMap;

use golden::{Context, Error, Result};

use super::action::{Action, Add, CommitInfo, MetaData};
use super::home::{Home, LOG};
use super::mark::{self, Mark};
use super::schema::Shape;

/// Properties of the table that are ours: its dataset; its columns, as the newest published version has them, and how
/// they stand in files.
pub const DATASET: &str = "golden.dataset";
/// See [`DATASET`].
pub const SCHEMA: &str = "golden.schema";
/// See [`DATASET`].
pub const TYPES: &str = "golden.types";

/// What the commits come to.
#[derive(Debug, Default)]
pub struct Log {
    /// The number of the next commit.
    pub next: u64,
    /// The versions that are published, the oldest first.
    pub published: Vec<Published>,
    /// The files that belong to the table, by their names.
    pub files: BTreeMap<String, Add>,
    /// What is said of the table; none before the first commit.
    pub metadata: Option<MetaData>,
    /// Whether files may have deletion vectors.
    pub has_vectors: bool,
    /// When the last commit was made.
    pub timestamp: i64,
}

/// A version that is published.
#[derive(Clone, Debug)]
pub struct Published {
    /// The number of its commit: what engines call a version.
    pub number: u64,
    /// What the commit says of it.
    pub mark: Mark,
}

/// A commit of golden-version's.
pub struct Commit {
    /// Its number.
    pub number: u64,
    /// What it says of its version.
    pub mark: Mark,
    /// What it does.
    pub actions: Vec<Action>,
}

/// What a file of the table becomes by a commit: some of its rows are gone, or all.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It belongs to the table, but for the rows of its deletion vector.
    Present(Box<Add>),
    /// It does not belong to it any more.
    Absent,
}

/// The name of a commit's file.
pub fn commit_name(number: u64) -> String {
    format!("{LOG}/{number:020}.json")
}

impl Log {
    /// Reads all commits.
    pub fn read(home: &Home) -> Result<Self> {
        let mut log = Self::default();
        log.advance(home, &mut |_| Ok(()))?;
        Ok(log)
    }

    /// Reads the commits that came since.
    ///
    /// # Errors
    /// A commit that is missing or damaged, and one by which another program changed the table.
    pub fn advance(&mut self, home: &Home, visit: &mut dyn FnMut(&Commit) -> Result<()>) -> Result<()> {
        loop {
            let name = commit_name(self.next);
            let Some(bytes) = home.read(&name)? else { return self.must_end(home) };
            let commit = parse(self.next, &bytes).context(|| home.named(&name))?;
            if let Some(commit) = commit {
                self.apply(&commit).context(|| home.named(&name))?;
                visit(&commit)?;
            }
            self.next += 1;
        }
    }

    /// Sees to it that no later commit is there.
    fn must_end(&self, home: &Home) -> Result<()> {
        let numbers = home.log_names()?;
        let number = |name: &String| name.strip_suffix(".json").and_then(|number| number.parse::<u64>().ok());
        match numbers.iter().filter_map(number).any(|number| number > self.next) {
            true => Err(Error::data(format!("{} is missing", home.named(&commit_name(self.next))))
                .guidance("put it back from a backup, or publish into another folder")),
            false => Ok(()),
        }
    }

    /// What a commit makes of the table.
    pub fn apply(&mut self, commit: &Commit) -> Result<()> {
        for action in &commit.actions {
            match action {
                Action::CommitInfo(info) => self.timestamp = self.timestamp.max(info.timestamp),
                Action::MetaData(metadata) => self.metadata = Some(metadata.clone()),
                Action::Protocol(protocol) => {
                    self.has_vectors = protocol.reader_features.iter().any(|name| name == "deletionVectors");
                }
                Action::Txn(_) | Action::Other => {}
                Action::Add(_) | Action::Remove(_) => {}
            }
        }
        for (path, fate) in fates(&commit.actions)? {
            match fate {
                Fate::Present(add) => self.files.insert(path, *add),
                Fate::Absent => self.files.remove(&path),
            };
        }
        self.published.push(Published { number: commit.number, mark: commit.mark.clone() });
        Ok(())
    }

    /// What is known of the columns of the newest published version; none before the first.
    pub fn shape(&self) -> Result<Option<Shape>> {
        let Some(metadata) = &self.metadata else { return Ok(None) };
        let property = |name| metadata.configuration.get(name).map(String::as_str).unwrap_or_default();
        let shape = serde_json::from_str(property(SCHEMA))
            .and_then(|schema| Ok(Shape { schema, types: serde_json::from_str(property(TYPES))? }));
        shape.map(Some).map_err(|_| Error::data("what golden-version noted of the table is damaged"))
    }
}

/// What becomes of files by a commit. A file of which rows go is removed with the old vector, and added with the new.
pub fn fates(actions: &[Action]) -> Result<BTreeMap<String, Fate>> {
    let mut fates = BTreeMap::new();
    for action in actions {
        match action {
            Action::Remove(remove) => {
                fates.entry(remove.path.clone()).or_insert(Fate::Absent);
            }
            Action::Add(add) => {
                // What is joined to the folder's path stays below it.
                if !is_plain(&add.path) {
                    return Err(Error::data(format!("a file that golden-version did not write: {}", add.path)));
                }
                fates.insert(add.path.clone(), Fate::Present(Box::new(add.clone())));
            }
            _ => {}
        }
    }
    Ok(fates)
}

fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Reads a commit; none where it is another program's, and says nothing of the table's rows.
fn parse(number: u64, bytes: &[u8]) -> Result<Option<Commit>> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::data("it is not UTF-8"))?;
    let actions: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(Action::parse).collect::<Result<_>>()?;
    let mark = actions.iter().find_map(|action| match action {
        Action::CommitInfo(info) => Mark::parse(info.user_metadata.as_deref()?),
        _ => None,
    });
    match mark {
        Some(mark) => {
            let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
            if mark::hex(rest) != mark.actions_sha256 {
                return Err(Error::data("the commit is not what golden-version wrote"));
            }
            Ok(Some(Commit { number, mark, actions }))
        }
        None if actions.iter().any(Action::changes_table) => {
            let who = actions.iter().find_map(|action| match action {
                Action::CommitInfo(CommitInfo { operation, .. }) if !operation.is_empty() => Some(operation.as_str()),
                _ => None,
            });
            let what = who.map_or_else(String::new, |operation| format!(" ({operation})"));
            Err(Error::data(format!("another program has changed the table{what}"))
                .guidance("publish into a folder that only golden-version writes to"))
        }
        None => Ok(None),
    }
}
