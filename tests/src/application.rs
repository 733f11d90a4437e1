//! What faiss-snap takes snapshots of: a folder of data as applications have it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::{SMALL, Sandbox};

impl Sandbox {
    /// A folder with `data/app.db` and an index folder with all that occurs in one.
    pub fn application() -> Self {
        let sandbox = Self::new();
        fs::create_dir_all(sandbox.path("data/faiss/shard")).expect("folders");
        sandbox.sql("data/app.db", SMALL);
        for (name, content) in [
            ("notes.txt", b"documents.index holds the chunks".to_vec()),
            ("documents.bin", vec![7; 5000]),
            ("documents.npy", vec![1; 700]),
            ("shard/0.bin", vec![9; 100_000]),
            (".DS_Store", vec![0; 10]),
        ] {
            sandbox.write(&format!("data/faiss/{name}"), content);
        }
        let private = fs::Permissions::from_mode(0o640);
        fs::set_permissions(sandbox.path("data/faiss/documents.npy"), private).expect("a mode");
        symlink("../documents.bin", sandbox.path("data/faiss/shard/1.bin")).expect("a link");
        sandbox
    }

    /// Takes a snapshot of it, and gives the name.
    #[track_caller]
    pub fn snapshot(&self, options: &str) -> String {
        let run = self.sh(&format!("faiss-snap create --json {options}")).ok();
        run.json()["stamp"].as_str().expect("a stamp").to_owned()
    }

    /// Changes every part of it: rows, files, which files there are.
    pub fn change_application(&self) {
        self.sql("data/app.db", "UPDATE chunks SET content = 'changed: ' || content; CREATE TABLE later (x)");
        self.write("data/faiss/documents.bin", vec![5; 3000]);
        self.write("data/faiss/later.bin", vec![5; 30]);
        fs::remove_file(self.path("data/faiss/documents.npy")).expect("a file");
    }

    /// Everything in it, as text that can be compared.
    pub fn application_state(&self) -> String {
        let files = "cd data/faiss && find . ! -name .DS_Store -printf '%p %y %m %s %l\\n' | sort && \
                     find . -type f ! -name .DS_Store -print0 | sort -z | xargs -0 sha256sum";
        format!("{:?}\n{}", self.contents("data/app.db"), self.sh(files).ok().text())
    }
}
