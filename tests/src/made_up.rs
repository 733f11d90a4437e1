//! Snapshots of any date, made without a database: small, but valid in every respect that counts.

use std::fs;
use std::path::Path;

use golden::document::Digest;
use serde_json::{Map, Value, json};

/// A snapshot to be made up.
#[derive(Clone, Debug)]
pub struct MadeUp {
    stamp: String,
    members: Map<String, Value>,
}

const LONG_AGO: &str = "2020-01-01T00:00:00Z";

impl MadeUp {
    /// One with a database and an index.
    pub fn dated(stamp: &str) -> Self {
        let made_up = Self { stamp: stamp.to_owned(), members: Map::new() };
        let (database, index) = (made_up.database(), made_up.index());
        made_up
            .with(
                "database",
                json!({
                    "source": "./data/app.db", "compression": "none", "size": database.len(),
                    "sha256": Digest::of(database.as_bytes()).to_string(), "mode": "0644", "mtime": LONG_AGO,
                    "journal_mode": "wal", "rows": {},
                }),
            )
            .with(
                "indexes",
                json!({
                    "source": "./data/faiss", "mode": "0755",
                    "entries": [
                        {"path": "shard", "kind": "folder", "mode": "0755"},
                        {
                            "path": "shard/a b.index", "kind": "file", "size": index.len(),
                            "sha256": Digest::of(index.as_bytes()).to_string(), "mode": "0644",
                            "mtime": LONG_AGO, "ctime": LONG_AGO, "inode": "1",
                        },
                    ],
                }),
            )
    }

    /// The same without that member of the manifest, `database` or `indexes`.
    pub fn without(mut self, member: &str) -> Self {
        self.members.remove(member);
        self
    }

    /// The same with that member of the manifest.
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.members.insert(member.to_owned(), value);
        self
    }

    /// Puts it into a folder of backups.
    pub fn put(&self, backups: &Path) {
        let mut list = String::new();
        let mut put = |name: String, content: &str| {
            let path = backups.join(&name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, content).expect("a file");
            list += &format!("{}  {name}\n", Digest::of(content.as_bytes()));
        };
        if self.members.contains_key("database") {
            put(format!("app_{}.db", self.stamp), &self.database());
        }
        if self.members.contains_key("indexes") {
            put(format!("faiss_{}/shard/a b.index", self.stamp), &self.index());
        }
        fs::write(backups.join(format!("snapshot_{}.sha256", self.stamp)), list).expect("a list");
        self.put_manifest(backups);
    }

    /// Puts nothing but its manifest there.
    pub fn put_manifest(&self, backups: &Path) {
        let mut manifest = json!({
            "format": 1, "stamp": self.stamp, "tool": "made up", "created_at": LONG_AGO, "findings": [],
            "a later version": {"wrote": "this"},
        });
        let members = manifest.as_object_mut().expect("an object");
        members.extend(self.members.clone());
        let seal = Digest::of_value(&manifest).to_string();
        manifest["sha256"] = seal.into();
        fs::write(backups.join(format!("snapshot_{}.json", self.stamp)), format!("{manifest:#}\n"))
            .expect("a manifest");
    }

    fn database(&self) -> String {
        format!("the database of {}", self.stamp)
    }

    fn index(&self) -> String {
        format!("an index of {}", self.stamp)
    }
}
