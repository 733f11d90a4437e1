//! Whether a published table holds the versions that it says: its files read back, each once, and the rows of every
//! version added up.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use golden::{Error, Kind, Result};
use golden_version::{ContentDigest, RowForm};
use roaring::RoaringTreemap;

use super::action::Add;
use super::home::Home;
use super::log::{Fate, Log, Published, fates};
use super::parts::SHA256;
use super::vector;
use crate::chain::Chain;
use crate::table_file;

/// What was found.
#[derive(Debug, Default)]
pub struct Proof {
    /// The versions that are published, the oldest first.
    pub published: Vec<Published>,
    /// For each of them what is wrong with it.
    pub wrong: Vec<Option<String>>,
    /// What is wrong with files, by name, and in which of the published versions they are.
    pub files: BTreeMap<String, (String, Range<usize>)>,
    /// What is wrong with the log.
    pub log: Option<String>,
}

/// The rows that a version has more than the one before, and those it has less.
#[derive(Clone, Copy, Default)]
struct Difference {
    digest: ContentDigest,
    rows: i64,
}

/// What becomes of a file: from which published version on.
type Fates = Vec<(usize, Fate)>;

/// Rows of a file, and the published version from which on they are gone.
type Deaths = Vec<(u64, usize)>;

impl Proof {
    /// Reads a table, and holds it against the versions.
    pub fn of(home: &Home, chain: &Chain) -> Result<Self> {
        let mut log = Log::default();
        let mut files: BTreeMap<String, Fates> = BTreeMap::new();
        let mut version = 0;
        let read = log.advance(home, &mut |commit| {
            for (path, fate) in fates(&commit.actions)? {
                files.entry(path).or_default().push((version, fate));
            }
            version += 1;
            Ok(())
        });
        let mut proof = Self { published: log.published, ..Self::default() };
        proof.log = found(read)?.err();
        let mut differences = vec![Difference::default(); proof.published.len()];
        for (path, fates) in files {
            let lifetime = lifetime(&fates, proof.published.len());
            let form = chain.form(lifetime.start.min(chain.versions.len().saturating_sub(1)))?;
            let added = found(add_up(home, &path, &fates, &form, &mut differences));
            home.forget(&path);
            if let Err(wrong) = added? {
                proof.files.insert(path, (wrong, lifetime));
            }
        }
        proof.compare(chain, &differences);
        Ok(proof)
    }

    /// Holds what was added up against what was sealed.
    fn compare(&mut self, chain: &Chain, differences: &[Difference]) {
        let mut digest = ContentDigest::default();
        let mut rows = 0;
        for (place, (published, difference)) in self.published.iter().zip(differences).enumerate() {
            digest.add_sum(&difference.digest);
            rows += difference.rows;
            let broken = self.files.iter().find(|(_, (_, lifetime))| lifetime.contains(&place));
            let wrong = match chain.versions.get(place) {
                Some(version) if !published.mark.is_of(version) => Some(format!("it is not version {}", version.tag)),
                None => Some("there is no such version".to_owned()),
                Some(_) if broken.is_some() => broken.map(|(_, (wrong, _))| wrong.clone()),
                Some(version) => {
                    let sealed = version.contents();
                    match u64::try_from(rows) {
                        Ok(rows) if rows == sealed.rows && digest == sealed.digest => None,
                        Ok(rows) if rows == sealed.rows => {
                            Some(format!("digest {digest}, where {} was sealed", sealed.digest))
                        }
                        _ => Some(format!("{rows} rows, where {} were sealed", sealed.rows)),
                    }
                }
            };
            self.wrong.push(wrong);
        }
    }

    /// Whether anything is wrong.
    pub fn is_bad(&self) -> bool {
        self.log.is_some() || !self.files.is_empty() || self.wrong.iter().any(Option::is_some)
    }
}

/// What is wrong with the data is a finding; anything else ends the run.
fn found<T>(result: Result<T>) -> Result<std::result::Result<T, String>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.kind() == Kind::Data => Ok(Err(error.message().to_owned())),
        Err(error) => Err(error),
    }
}

/// In which versions a file is.
fn lifetime(fates: &Fates, versions: usize) -> Range<usize> {
    let first = fates.first().map_or(0, |(version, _)| *version);
    let end = fates.iter().find(|(_, fate)| *fate == Fate::Absent).map_or(versions, |(version, _)| *version);
    first..end.max(first)
}

/// Adds the rows of a file to the versions in which they come, and takes them away where they go.
fn add_up(home: &Home, path: &str, fates: &Fates, form: &Arc<RowForm>, differences: &mut [Difference]) -> Result<()> {
    let Some((born, Fate::Present(add))) = fates.first() else {
        return Err(Error::data(format!("{path} is removed before it is there")));
    };
    let rows = add.rows()?;
    let (deaths, end) = deaths(home, add, fates)?;
    let file = home.fetch(path)?;
    let measured = table_file::measure(&file)?;
    if measured.bytes != add.size || add.tag(SHA256) != Some(measured.sha256.as_str()) {
        return Err(Error::data(format!("{}: the file was altered", home.named(path))));
    }
    let mut deaths = deaths.into_iter().peekable();
    let (mut json, mut place) = (Vec::new(), 0);
    // What cannot be read to its end counts for no version.
    let mut own = BTreeMap::<usize, Difference>::new();
    for row in table_file::read(&file, form)? {
        form.write_json(&row?, &mut json);
        let death = deaths.next_if(|(gone, _)| *gone == place).map(|(_, version)| version).or(end);
        place += 1;
        if death == Some(*born) {
            continue;
        }
        let difference = own.entry(*born).or_default();
        difference.digest.add(&json);
        difference.rows += 1;
        if let Some(death) = death {
            let difference = own.entry(death).or_default();
            difference.digest.remove(&json);
            difference.rows -= 1;
        }
    }
    if place != rows || deaths.next().is_some() {
        return Err(Error::data(format!("{path} has {}, where {rows} were written", golden::counted(place, "row"))));
    }
    for (version, own) in own {
        if let Some(difference) = differences.get_mut(version) {
            difference.digest.add_sum(&own.digest);
            difference.rows += own.rows;
        }
    }
    Ok(())
}

/// From which version on each row of a file is gone, in the order of the rows; and from which on the whole file is.
fn deaths(home: &Home, add: &Add, fates: &Fates) -> Result<(Deaths, Option<usize>)> {
    let mut deaths = Vec::new();
    let mut before = RoaringTreemap::new();
    let mut end = None;
    for (version, fate) in fates {
        let Fate::Present(now) = fate else {
            end = end.or(Some(*version));
            continue;
        };
        if end.is_some() || now.size != add.size || now.stats != add.stats || now.tags != add.tags {
            return Err(Error::data(format!("the log does not say the same of {} everywhere", add.path)));
        }
        let gone = match &now.deletion_vector {
            Some(known) => vector::read(home, known)?,
            None => RoaringTreemap::new(),
        };
        if !before.is_subset(&gone) {
            return Err(Error::data(format!("rows of {} that were gone are there again", add.path)));
        }
        deaths.extend((&gone - &before).into_iter().map(|row| (row, *version)));
        before = gone;
    }
    deaths.sort_unstable();
    Ok((deaths, end))
}
