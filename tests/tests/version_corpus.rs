//! A real table: the documentation of the crates that this workspace is built from, as cargo has fetched them, one row
//! an item that is public or documented; through twenty versions. Budget: 40 s.

use std::fs;
use std::path::{Path, PathBuf};

use golden_tests::{Run, Sandbox, long_form};
use rusqlite::{Connection, params};

/// So many rows at least.
const ROWS: usize = 100_000;
/// And no more than so many, wherever the crates grow to.
const ENOUGH: usize = 120_000;
const VERSIONS: u32 = 20;

/// The folders of crates' sources.
fn crates() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"))).expect("a home");
    let folders = |path: &Path| {
        let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    };
    folders(&home.join("registry/src")).iter().flat_map(|registry| folders(registry)).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Fills `pages` with what crates say of their items; how many rows.
fn fill(database: &mut Connection) -> usize {
    let transaction = database.transaction().expect("a transaction");
    let mut insert = transaction
        .prepare("INSERT OR IGNORE INTO pages VALUES (?, ?, ?, ?, ?, ?, '2025-09-18 00:00:00.000000')")
        .expect("a statement");
    let mut rows = 0;
    for folder in crates() {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let split = name
            .match_indices('-')
            .map(|(at, _)| at)
            .find(|at| name[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
        let (name, version) = name.split_at(split.unwrap_or(name.len()));
        let version = version.trim_start_matches('-');
        let mut files = Vec::new();
        sources(&folder, &mut files);
        for file in files {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            let path = file.strip_prefix(&folder).expect("a path below").to_string_lossy();
            let (mut summary, mut words) = (None, 0);
            for (number, line) in text.lines().enumerate() {
                let line = line.trim_start();
                if let Some(said) = line.strip_prefix("///") {
                    summary.get_or_insert(said.trim());
                    words += said.split_whitespace().count();
                } else if (summary.is_some() && !line.is_empty() && !line.starts_with('#')) || line.starts_with("pub ")
                {
                    let url = format!("https://docs.rs/crate/{name}/{version}/source/{path}#{}", number + 1);
                    rows += insert.execute(params![url, name, version, line, summary, words]).expect("a row");
                    words = 0;
                }
                if !line.starts_with("///") && !line.starts_with('#') {
                    summary = None;
                }
            }
        }
        if rows >= ENOUGH {
            break;
        }
    }
    drop(insert);
    transaction.commit().expect("a commit");
    rows
}

fn run(sandbox: &Sandbox, command: &str) -> Run {
    sandbox.sh(&format!("golden-version {command} --db app.db --dataset pages")).ok()
}

#[test]
fn the_documentation_of_our_dependencies_through_twenty_versions() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "app.db",
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE pages (url TEXT PRIMARY KEY, crate TEXT NOT NULL, version TEXT, item TEXT, summary TEXT, words INTEGER,
                             fetched_at DATETIME)",
    );
    let rows = fill(&mut sandbox.open("app.db"));
    assert!(rows >= ROWS, "the crates of this workspace have {rows} items only");
    run(&sandbox, "create --tag v1");
    run(&sandbox, "track");
    let size = || fs::metadata(sandbox.path("app.db")).expect("a database").len();
    let digest = |tag: &str| {
        let select = format!("SELECT content_sha256 FROM dataset_versions WHERE version_tag = '{tag}'");
        sandbox.value("app.db", &select)
    };
    let mut counts = Vec::new();
    let mut grown = 0;
    for version in 2..=VERSIONS {
        let before = size();
        // What a crawler does: pages change, disappear, come anew; now and then the table changes too.
        let statements = match version {
            7 => "ALTER TABLE pages ADD COLUMN language TEXT".to_owned(),
            8 => "UPDATE pages SET language = 'en' WHERE rowid % 97 = 0".to_owned(),
            _ => format!(
                "UPDATE pages SET summary = summary || ' (revised)', fetched_at = '2025-09-{version:02} 00:00:00.000000'
                 WHERE rowid % 211 = {version};
                 DELETE FROM pages WHERE rowid % 499 = {version};
                 INSERT INTO pages (url, crate, summary) SELECT url || '&v{version}', crate, summary FROM pages
                 WHERE rowid % 307 = {version}"
            ),
        };
        sandbox.sql("app.db", &statements);
        let created = run(&sandbox, &format!("create --tag v{version} --json")).json();
        let changed: u64 =
            ["inserted", "updated", "deleted"].iter().filter_map(|kind| created["changes"][kind].as_u64()).sum();
        if version == 7 {
            // The schema has changed, so that version was compared; from here on it is tracked again.
            run(&sandbox, "untrack");
            run(&sandbox, "track");
        } else {
            assert!((500..4000).contains(&changed), "v{version}: {changed} changes");
            grown += size().saturating_sub(before);
        }
        counts.push((format!("v{version}"), created["rows"].as_u64().expect("a number")));
        if version == 12 {
            run(&sandbox, "snapshot --version v12");
        }
    }
    assert!(grown < 60 << 20, "the database has grown by {grown} bytes");
    run(&sandbox, "compact --chain 7").says("snapshot of v20");
    // Backwards from v12, forwards from it, and what its own file says.
    for tag in if long_form() {
        counts.iter().map(|(tag, _)| tag.as_str()).collect()
    } else {
        vec!["v3", "v9", "v12", "v15", "v20"]
    } {
        let (_, rows) = counts.iter().find(|(known, _)| known == tag).expect("a version");
        run(&sandbox, &format!("export --version {tag} --output {tag}.parquet")).says(&format!("{rows} rows"));
    }
    run(&sandbox, "verify --version v14");
    run(&sandbox, "checkout --version v2 --into old.db --quiet");
    run(&sandbox, "untrack");
    sandbox.sql("app.db", "ALTER TABLE pages DROP COLUMN language");
    run(&sandbox, "checkout --version v2 --discard --quiet");
    let rows = |database: &str| sandbox.rows(database, "SELECT count(*), sum(length(summary)), max(url) FROM pages");
    assert_eq!(rows("old.db"), rows("app.db"));
    run(&sandbox, "create --tag v21");
    assert_eq!(digest("v21"), digest("v2"));
}
