//! The comparison of faiss-snap with what copies the same files: cp and sha256sum, cp and rsync, sqlite3, restic.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;
use golden_benches::Size;
use rusqlite::Connection;

use crate::{Bench, Measured, Result, measure, median};

/// Vectors in the database and in the index: of this dimension, three rows fill a page of SQLite's.
const DIMENSION: usize = 330;

/// An application's data, and where copies of it go.
struct Data {
    /// `data/` with the database and the index, and beside it all copies.
    folder: PathBuf,
}

impl Bench {
    /// Time against the peers in the same rounds, space, and memory.
    pub fn snapshots(&self, size: Size) -> Result<()> {
        let data = Data::make(&self.directory, size)?;
        println!("## Snapshots of a database of {size} and an index of {size}, median of {} rounds\n", self.runs);
        let create = || self.faiss_snap(&data, "create");
        self.rounds(
            &data,
            &mut [
                ("faiss-snap create", &mut || data.remove("backups").and_then(|()| create())),
                ("cp, sha256sum", &mut || data.copied("cp -r data copy && sha256sum copy/app.db copy/faiss/*")),
                ("cp, sha256sum, sync", &mut || {
                    data.copied("cp -r data copy && sha256sum copy/app.db copy/faiss/* && sync copy/app.db copy/faiss/*")
                }),
                ("cp, openssl dgst -sha256, sync", &mut || {
                    data.copied(
                        "cp -r data copy && openssl dgst -sha256 copy/app.db copy/faiss/* && sync copy/app.db copy/faiss/*",
                    )
                }),
                ("cp of the database, rsync of the indexes", &mut || {
                    data.copied("mkdir copy && cp data/app.db copy/app_1.db && rsync -a data/faiss/ copy/faiss/")
                }),
                ("restic backup", &mut || {
                    data.restic_init()?;
                    data.restic()
                }),
            ],
        )?;

        println!("\n## The next snapshot: the database changed, the index did not\n");
        data.remove("backups")?;
        create()?;
        let first = data.space("backups")?;
        data.change()?;
        create()?;
        let more = data.space("backups")? - first;
        data.restic_init()?;
        data.restic()?;
        self.rounds(
            &data,
            &mut [
                ("faiss-snap create", &mut || data.change().and_then(|()| create())),
                ("faiss-snap create --db, the database alone", &mut || {
                    data.change()?;
                    data.remove("alone")?;
                    self.faiss_snap(&data, "create --db data/app.db --backups alone")
                }),
                ("sqlite3 .backup", &mut || {
                    data.change()?;
                    data.copied("sqlite3 data/app.db '.backup copy'")
                }),
                ("sqlite3 .backup, integrity_check, sync", &mut || {
                    data.change()?;
                    data.copied(
                        "sqlite3 data/app.db '.backup copy' && sqlite3 copy 'PRAGMA integrity_check' && sync copy",
                    )
                }),
                ("restic backup", &mut || data.change().and_then(|()| data.restic())),
            ],
        )?;
        let database = fs::metadata(data.folder.join("data/app.db"))?.len();
        println!("\nIt takes {} more of space; the database has {}.", Size(more), Size(database));

        println!("\n## Proving and restoring\n");
        self.rounds(
            &data,
            &mut [
                ("faiss-snap verify", &mut || self.faiss_snap(&data, "verify")),
                ("sha256sum -c", &mut || {
                    data.sh("cd backups && sha256sum --quiet -c $(ls snapshot_*.sha256 | tail -n 1)")
                }),
                ("faiss-snap restore", &mut || {
                    data.remove("restored")?;
                    self.faiss_snap(&data, "restore --data restored")
                }),
                ("restic restore", &mut || {
                    data.remove("restored")?;
                    data.sh("restic --quiet --no-cache -r repository restore latest --target restored")
                }),
            ],
        )?;

        println!("\n## Peak memory, MiB\n\n| command | MiB |\n| --- | --- |");
        for command in [
            "create --rehash",
            "create --gzip --check-pii",
            "list",
            "verify --all",
            "verify --deep",
            "restore --data restored",
            "prune --keep-last 1",
        ] {
            println!("| faiss-snap {command} | {} |", self.faiss_snap(&data, command)?.mebibytes());
        }
        data.remove_copies()
    }

    fn faiss_snap(&self, data: &Data, arguments: &str) -> Result<Measured> {
        let mut command = Command::new(fs::canonicalize(self.programs.join("faiss-snap"))?);
        command.arg("--quiet").args(arguments.split(' ')).current_dir(&data.folder);
        measure(&mut command, Path::new("/dev/null"))
    }

    /// Runs all sides in turn, each with nothing left to write by the one before it, and prints a table: how long
    /// each takes, and the first as a multiple of it.
    fn rounds(&self, data: &Data, sides: &mut [(&str, &mut dyn FnMut() -> Result<Measured>)]) -> Result<()> {
        let mut times = vec![Vec::new(); sides.len()];
        data.sh("cat data/app.db data/faiss/* > /dev/null")?;
        for _ in 0..self.runs {
            for ((_, run), times) in sides.iter_mut().zip(&mut times) {
                data.sh("sync")?;
                times.push(run()?.time);
            }
        }
        let medians: Vec<_> = times.into_iter().map(median).collect();
        println!("| what | seconds | the first is |\n| --- | --- | --- |");
        for ((name, _), seconds) in sides.iter().zip(&medians) {
            println!("| {name} | {seconds:.2} | {:.2} |", medians.first().unwrap_or(&f64::NAN) / seconds);
        }
        Ok(())
    }
}

impl Data {
    /// Makes it where it is not there yet: as many vectors in the database as in the index, the same ones.
    fn make(directory: &Path, size: Size) -> Result<Self> {
        let data = Self { folder: directory.join(format!("snapshots-{}mb", size.0 / 1_000_000)) };
        data.remove_copies()?;
        if data.folder.join("data").exists() {
            return Ok(data);
        }
        let unfinished = data.folder.join("unfinished");
        fs::create_dir_all(unfinished.join("faiss"))?;
        let bytes = DIMENSION * size_of::<f32>();
        let count = size.0 / (bytes as u64 + 8);
        let mut index = BufWriter::new(File::create(unfinished.join("faiss/1.index"))?);
        let header = |fourcc: &[u8; 4]| -> Vec<u8> {
            let mut header = fourcc.to_vec();
            header.extend((DIMENSION as i32).to_le_bytes());
            header.extend(count.to_le_bytes());
            header.extend([0; 16]);
            header.push(1);
            header.extend(0_i32.to_le_bytes());
            header
        };
        index.write_all(&header(b"IxMp"))?;
        index.write_all(&header(b"IxFI"))?;
        index.write_all(&(count * DIMENSION as u64).to_le_bytes())?;
        let mut database = Connection::open(unfinished.join("app.db"))?;
        database.execute_batch(
            "CREATE TABLE embeddings (dataset_id INTEGER, ticket_id INTEGER, model_name TEXT, vector BLOB)",
        )?;
        let mut rng = Rng::with_seed(1);
        let transaction = database.transaction()?;
        let mut insert = transaction.prepare("INSERT INTO embeddings VALUES (1, ?1, 'm', ?2)")?;
        for id in 0..count {
            let vector: Vec<u8> = (0..DIMENSION).flat_map(|_| (rng.f32() - 0.5).to_le_bytes()).collect();
            index.write_all(&vector)?;
            insert.execute((id.cast_signed(), vector))?;
        }
        drop(insert);
        transaction.commit()?;
        index.write_all(&count.to_le_bytes())?;
        (0..count).try_for_each(|id| index.write_all(&id.to_le_bytes()))?;
        index.flush()?;
        fs::rename(unfinished, data.folder.join("data"))?;
        Ok(data)
    }

    /// A commit: copies that go by the time of modification see it.
    fn change(&self) -> Result<()> {
        let database = Connection::open(self.folder.join("data/app.db"))?;
        Ok(database.execute_batch("UPDATE embeddings SET model_name = 'm' WHERE rowid = 1")?)
    }

    fn sh(&self, script: &str) -> Result<Measured> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(&self.folder).env("RESTIC_PASSWORD", "benchmark");
        measure(&mut shell, Path::new("/dev/null"))
    }

    /// Runs what makes `copy` anew.
    fn copied(&self, script: &str) -> Result<Measured> {
        self.remove("copy")?;
        self.sh(script)
    }

    fn restic_init(&self) -> Result<()> {
        self.remove("repository")?;
        self.sh("restic --quiet --no-cache -r repository init").map(drop)
    }

    fn restic(&self) -> Result<Measured> {
        self.sh("restic --quiet --no-cache -r repository backup data")
    }

    /// Bytes that a folder takes, files of several names counted once.
    fn space(&self, name: &str) -> Result<u64> {
        let du = Command::new("du").args(["-s", "--block-size=1"]).arg(self.folder.join(name)).output()?;
        let text = String::from_utf8(du.stdout)?;
        Ok(text.split_whitespace().next().ok_or("du says nothing")?.parse()?)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.sh(&format!("rm -rf {name}")).map(drop)
    }

    fn remove_copies(&self) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        self.remove("unfinished backups alone copy repository restored")
    }
}
