//! Chunks by something that their vectors should have in common.

use std::collections::BTreeMap;

use crate::compare::Records;

/// How many groups are told apart: where there are more, something is wrong with all of them.
const MOST: usize = 100;

/// Chunks by a key: a few of each group are named, all are counted.
pub struct Groups<K> {
    groups: BTreeMap<K, Records>,
    /// Those of further groups.
    rest: Records,
}

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self { groups: BTreeMap::new(), rest: Records::default() }
    }
}

impl<K: Ord + Clone> Groups<K> {
    /// Adds a chunk to the group of a key.
    pub fn add(&mut self, key: &K, name: impl FnOnce() -> String) {
        if self.groups.len() < MOST && !self.groups.contains_key(key) {
            self.groups.insert(key.clone(), Records::default());
        }
        self.groups.get_mut(key).unwrap_or(&mut self.rest).add(name);
    }

    /// The key of the largest group, of several the first.
    pub fn most_frequent(&self) -> Option<K> {
        let largest = self.groups.iter().rev().max_by_key(|(_, group)| group.count);
        largest.map(|(key, _)| key.clone())
    }

    /// How many chunks each group has.
    pub fn counts(&self) -> BTreeMap<K, u64> {
        self.groups.iter().map(|(key, group)| (key.clone(), group.count)).collect()
    }

    /// The chunks of all groups but one.
    pub fn others(&self, expected: &K) -> Records {
        let mut others = Records::default();
        let groups = self.groups.iter().filter(|(key, _)| *key != expected).map(|(_, group)| group);
        groups.chain([&self.rest]).for_each(|group| others.extend(group));
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_counted_and_few_are_kept() {
        let mut groups = Groups::default();
        for key in (0..1000).chain([7, 7, 3]) {
            groups.add(&key, || key.to_string());
        }
        assert_eq!(groups.most_frequent(), Some(7));
        assert_eq!(groups.counts().len(), MOST);
        let others = groups.others(&7);
        assert_eq!(others.count, 1000);
        assert_eq!(others.names.first().map(String::as_str), Some("0"));
        assert!(others.names.len() <= 20);
    }
}
