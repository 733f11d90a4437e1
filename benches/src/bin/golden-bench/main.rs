//! Holds the programs against the tools that do the nearest thing: coreutils' `sha256sum` for
//! export and verify, `sqlite3 new.db < dump.sql` for import, pg_dump and psql where PostgreSQL is installed; cp,
//! rsync, sqlite3 and restic for snapshots. Runs are interleaved (A B A B …) so that a busy moment of the machine hits
//! both, and medians are compared.

mod postgres;
mod snapshots;

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use golden_benches::{ForeignKeyIndexes as Indexes, Size};
use rusqlite::Connection;
use wait4::Wait4;

use crate::postgres::Server;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Compares golden-export, golden-verify and golden-import with sha256sum, sqlite3, pg_dump and psql
#[derive(Parser)]
struct Arguments {
    /// How much text the compared database holds
    #[arg(long, default_value = "200MB")]
    size: Size,
    /// How often each side runs
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Measures memory at 2 GB too: some minutes, and 12 GB of disk
    #[arg(long)]
    long: bool,
    /// Only the comparison with pg_dump and psql
    #[arg(long)]
    postgres: bool,
    /// Only snapshots: of a database and an index of this size each, for example 1GB
    #[arg(long, value_name = "SIZE", conflicts_with = "postgres")]
    snapshots: Option<Size>,
    /// Where databases and documents are kept between runs
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let packages: &[&str] = if arguments.snapshots.is_some() { &["faiss-snap"] } else { &PROGRAMS };
    let bench = Bench { programs: build(packages)?, directory: arguments.directory.clone(), runs: arguments.runs };
    fs::create_dir_all(&bench.directory)?;
    if let Some(size) = arguments.snapshots {
        return bench.snapshots(size);
    }
    let subject = bench.subject(arguments.size)?;

    println!("## Time, {} of text, median of {} interleaved runs\n", arguments.size, arguments.runs);
    println!("| program | seconds | peer | seconds | ratio |");
    println!("| --- | --- | --- | --- | --- |");
    if !arguments.postgres {
        bench.export(&subject)?;
        bench.verify(&subject)?;
        bench.against(&subject)?;
        bench.import(&subject)?;
        bench.missing_index(arguments.size, &subject)?;
    }
    let server = Server::start()?;
    if let Some(server) = &server {
        bench.postgres(server, &subject)?;
    }

    let mut sizes = vec![Size(20_000_000), Size(200_000_000)];
    if arguments.long {
        sizes.push(Size(2_000_000_000));
    }
    if !arguments.postgres {
        println!("\n## Peak memory, MiB\n");
        println!("| text | golden-export | golden-verify | golden-import |");
        println!("| --- | --- | --- | --- |");
        for size in &sizes {
            bench.memory(*size)?;
        }
    }
    let Some(server) = server else {
        eprintln!("not compared with pg_dump and psql: scripts/test.sh installs the server that this needs");
        return Ok(());
    };
    println!("\n## Peak memory with PostgreSQL, MiB\n");
    println!("| text | golden-export | golden-import |");
    println!("| --- | --- | --- |");
    for size in sizes {
        bench.postgres_memory(&server, size)?;
    }
    Ok(())
}

/// What is compared, but for snapshots.
const PROGRAMS: [&str; 4] = ["golden-export", "golden-verify", "golden-import", "golden-benches"];

/// Builds programs in release form; answers where they are.
fn build(packages: &[&str]) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--quiet"]).args(packages.iter().flat_map(|package| ["-p", package]));
    if !cargo.status()?.success() {
        return Err("the programs do not build".into());
    }
    // This program stands in target/<profile>/.
    let profile = std::env::current_exe()?;
    let target = profile.parent().and_then(Path::parent).ok_or("no target folder above this program")?;
    Ok(target.join("release"))
}

/// A database of completed analyses, its document, and what the peers need.
struct Subject {
    database: PathBuf,
    document: PathBuf,
    dump: PathBuf,
    schema: PathBuf,
}

struct Bench {
    programs: PathBuf,
    directory: PathBuf,
    runs: usize,
}

impl Bench {
    fn program(&self, name: &str) -> Command {
        Command::new(self.programs.join(name))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes what is not there yet.
    fn subject(&self, size: Size) -> Result<Subject> {
        let stem = format!("{}mb", size.0 / 1_000_000);
        let subject = Subject {
            database: self.sample(size, Indexes::Present)?,
            document: self.file(&format!("{stem}.json")),
            dump: self.file(&format!("{stem}.sql")),
            schema: self.file(&format!("{stem}.schema.sql")),
        };
        // Written anew each time: the programs may have changed since.
        measure(self.program("golden-export").arg("--db").arg(&subject.database), &subject.document)?;
        if !subject.dump.exists() {
            measure(Command::new("sqlite3").arg(&subject.database).arg(".dump"), &subject.dump)?;
            measure(Command::new("sqlite3").arg(&subject.database).arg(".schema"), &subject.schema)?;
        }
        Ok(subject)
    }

    fn sample(&self, size: Size, indexes: Indexes) -> Result<PathBuf> {
        let suffix = if indexes == Indexes::Missing { "-no-index" } else { "" };
        let database = self.file(&format!("{}mb{suffix}.db", size.0 / 1_000_000));
        if !database.exists() {
            let unfinished = self.file("unfinished.db");
            remove(&unfinished)?;
            // A process of its own: at its start a child is charged with the memory of its parent, which
            // must stay small to measure. Every row is exported, so that both sides of the import
            // comparison write the same rows.
            let mut sample = self.program("golden-sample");
            sample.args(["--unfinished", "0", "--size", &size.0.to_string()]).arg(&unfinished);
            if indexes == Indexes::Missing {
                sample.arg("--no-index");
            }
            measure(&mut sample, Path::new("/dev/null"))?;
            fs::rename(unfinished, &database)?;
        }
        Ok(database)
    }

    fn export(&self, subject: &Subject) -> Result<()> {
        let copy = self.file("export.json");
        let nowhere = Path::new("/dev/null");
        self.compare(
            ("golden-export > /dev/null", &mut || {
                measure(self.program("golden-export").arg("--db").arg(&subject.database), nowhere)
            }),
            ("sha256sum of it", &mut || measure(Command::new("sha256sum").arg(&subject.document), nowhere)),
        )?;
        self.compare(
            ("golden-export --output", &mut || {
                remove(&copy)?;
                let mut export = self.program("golden-export");
                measure(export.arg("--db").arg(&subject.database).arg("--output").arg(&copy), nowhere)
            }),
            ("sha256sum of it", &mut || measure(Command::new("sha256sum").arg(&subject.document), nowhere)),
        )?;
        remove(&copy)
    }

    fn verify(&self, subject: &Subject) -> Result<()> {
        let nowhere = Path::new("/dev/null");
        self.compare(
            ("golden-verify", &mut || measure(self.program("golden-verify").arg(&subject.document), nowhere)),
            ("sha256sum", &mut || measure(Command::new("sha256sum").arg(&subject.document), nowhere)),
        )
    }

    /// `--against`, beside verifying both documents.
    fn against(&self, subject: &Subject) -> Result<()> {
        for (what, statements) in [
            ("the same", ""),
            ("every 1000th chunk edited", "UPDATE chunks SET content = content || '.' WHERE rowid % 1000 = 0"),
            ("every record edited", EDIT_ALL),
            ("all ids others", RENAME_ALL),
        ] {
            let (database, other) = (self.file("against.db"), self.file("against.json"));
            remove(&database)?;
            fs::copy(&subject.database, &database)?;
            Connection::open(&database)?.execute_batch(statements)?;
            measure(self.program("golden-export").arg("--db").arg(&database), &other)?;
            remove(&database)?;
            for format in [None, Some("--json")] {
                let output = self.file("difference");
                let ours = format!("golden-verify --against, {what} {}", format.unwrap_or_default());
                self.compare(
                    (&ours, &mut || {
                        let mut verify = self.program("golden-verify");
                        verify.args(format).arg(&other).arg("--against").arg(&subject.document);
                        measure(&mut verify, &output)
                    }),
                    ("golden-verify of both", &mut || {
                        measure(self.program("golden-verify").args([&other, &subject.document]), Path::new("/dev/null"))
                    }),
                )?;
                remove(&output)?;
            }
            remove(&other)?;
        }
        Ok(())
    }

    fn import(&self, subject: &Subject) -> Result<()> {
        let (ours, theirs) = (self.file("import.db"), self.file("peer.db"));
        let nowhere = Path::new("/dev/null");
        self.compare(
            ("golden-import --no-embed", &mut || self.import_anew(&ours, subject)),
            ("sqlite3 new.db < dump.sql", &mut || {
                remove(&theirs)?;
                measure(Command::new("sqlite3").arg(&theirs).stdin(File::open(&subject.dump)?), nowhere)
            }),
        )?;
        remove(&theirs)?;
        remove(&ours)
    }

    fn import_anew(&self, database: &Path, subject: &Subject) -> Result<Measured> {
        remove(database)?;
        Connection::open(database)?.execute_batch(&fs::read_to_string(&subject.schema)?)?;
        let mut import = self.program("golden-import");
        import.arg("--db").arg(database).arg("--no-embed").arg(&subject.document);
        measure(&mut import, Path::new("/dev/null"))
    }

    fn missing_index(&self, size: Size, subject: &Subject) -> Result<()> {
        let unindexed = self.sample(size, Indexes::Missing)?;
        let export =
            |database: &Path| measure(self.program("golden-export").arg("--db").arg(database), Path::new("/dev/null"));
        self.compare(
            ("golden-export, no index on foreign keys", &mut || export(&unindexed)),
            ("with them", &mut || export(&subject.database)),
        )
    }

    fn memory(&self, size: Size) -> Result<()> {
        let subject = self.subject(size)?;
        let nowhere = Path::new("/dev/null");
        let export = measure(self.program("golden-export").arg("--db").arg(&subject.database), nowhere)?;
        let verify = measure(self.program("golden-verify").arg(&subject.document), nowhere)?;
        let database = self.file("import.db");
        let import = self.import_anew(&database, &subject)?;
        remove(&database)?;
        println!("| {size} | {} | {} | {} |", export.mebibytes(), verify.mebibytes(), import.mebibytes());
        Ok(())
    }

    /// Runs both sides in turn and prints a row of the table.
    fn compare(&self, ours: Side<'_>, theirs: Side<'_>) -> Result<()> {
        // Once for the page cache.
        (ours.1)()?;
        (theirs.1)()?;
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for _ in 0..self.runs {
            our_times.push((ours.1)()?.time);
            their_times.push((theirs.1)()?.time);
        }
        let (our_median, their_median) = (median(our_times), median(their_times));
        let ratio = our_median / their_median;
        println!("| {} | {our_median:.2} | {} | {their_median:.2} | {ratio:.2} |", ours.0, theirs.0);
        Ok(())
    }
}

const EDIT_ALL: &str = "
    UPDATE analyses SET url = url || '.'; UPDATE chunks SET content = content || '.';
    UPDATE findings SET content = content || '.'; UPDATE artifacts SET summary = summary || '.';";

/// The first half of an id goes behind the second.
const RENAME_ALL: &str = "
    PRAGMA foreign_keys = off;
    UPDATE analyses SET id = substr(id, 17) || substr(id, 1, 16);
    UPDATE chunks SET id = substr(id, 17) || substr(id, 1, 16),
        analysis_id = substr(analysis_id, 17) || substr(analysis_id, 1, 16);
    UPDATE findings SET analysis_id = substr(analysis_id, 17) || substr(analysis_id, 1, 16);
    UPDATE artifacts SET analysis_id = substr(analysis_id, 17) || substr(analysis_id, 1, 16);";

/// What stands in the table, and what runs.
type Side<'a> = (&'a str, &'a mut dyn FnMut() -> Result<Measured>);

struct Measured {
    time: Duration,
    peak: u64,
}

impl Measured {
    fn mebibytes(&self) -> u64 {
        self.peak.div_ceil(1 << 20)
    }
}

/// Runs a command to its end, its output going to `output`.
fn measure(command: &mut Command, output: &Path) -> Result<Measured> {
    let start = Instant::now();
    let child = command.stdout(File::create(output)?).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    // Reports are a few lines, so a pipe holds them until the end.
    let stderr = child.stderr.take();
    let used = child.wait4()?;
    let time = start.elapsed();
    if !used.status.success() {
        let said = stderr.map(std::io::read_to_string).transpose()?.unwrap_or_default();
        return Err(format!("{command:?} ended with {}\n{said}", used.status).into());
    }
    Ok(Measured { time, peak: used.rusage.maxrss })
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

/// Removes a database or document and what stands beside it.
fn remove(path: &Path) -> Result<()> {
    let name = path.file_name().ok_or("no file name")?.to_string_lossy().into_owned();
    for entry in fs::read_dir(path.parent().ok_or("no folder")?)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
