//! Imports of random documents into a database that an application disturbs at random: a dry run says what
//! the run then does, a refusal changes nothing, and the undo document brings the old state back.
//! Budget: 20 s; the long form some minutes.

use fastrand::Rng;
use golden_tests::Sandbox;

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

/// Something that an application does between imports.
fn disturb(rng: &mut Rng, own_table: bool) -> String {
    let any = |table: &str| format!("(SELECT id FROM {table} ORDER BY random() LIMIT 1)");
    let (chunk, analysis) = (any("chunks"), any("analyses"));
    match rng.u32(..11) {
        0 | 1 => format!("UPDATE chunks SET content = 'text {}' WHERE id = {chunk}", rng.u32(..5)),
        2 if own_table => format!("DELETE FROM vectors WHERE chunk = {chunk}"),
        2 => format!("UPDATE chunks SET embedding = NULL WHERE id = {chunk}"),
        3 => format!("DELETE FROM chunks WHERE id = {chunk}"),
        4 => format!("UPDATE chunks SET analysis_id = {analysis} WHERE id = {chunk}"),
        5 => format!("UPDATE analyses SET title = 'title {}' WHERE id = {analysis}", rng.u32(..3)),
        6 => format!("UPDATE analyses SET status = iif(random() % 2, 'completed', 'pending') WHERE id = {analysis}"),
        7 => {
            let id = format!("{:032x}", rng.u128(..));
            format!(
                "INSERT INTO analyses VALUES ('{id}', 'u', 't', 'completed', '2025-11-15 08:20:00.000000', NULL, NULL);
                 INSERT INTO chunks (id, analysis_id, content, chunk_index) VALUES ('{id}', '{id}', iif(random() % 2, 'new', ' '), 0)"
            )
        }
        8 => format!("DELETE FROM analyses WHERE id = {analysis}"),
        9 => format!("UPDATE artifacts SET analysis_id = {analysis}"),
        _ => format!("UPDATE chunks SET chunk_index = {} WHERE id = {chunk}", rng.u32(..4)),
    }
}

#[test]
fn whatever_happens_between_imports() {
    for (seed, own_table) in [(1, false), (2, true)] {
        let mut rng = Rng::with_seed(seed);
        let sandbox = Sandbox::small();
        if own_table {
            sandbox.write("golden.toml", "[vectors]\ntable = \"vectors\"\nchunk = \"chunk\"\ncolumn = \"data\"\n");
            sandbox.sql(
                "app.db",
                "ALTER TABLE chunks DROP COLUMN embedding; CREATE TABLE vectors (chunk TEXT PRIMARY KEY, data BLOB NOT NULL)",
            );
        }
        sandbox.sh("golden-export --db app.db --all --output 0.json && cp 0.json 1.json && cp 0.json 2.json").ok();
        sandbox.sh("golden-import --db app.db --embed toy-embed 0.json").ok();
        let rounds = if golden_tests::long_form() { 500 } else { 40 };
        for round in 0..rounds {
            for _ in 0..rng.u32(..6) {
                sandbox.sql("app.db", &disturb(&mut rng, own_table));
            }
            if rng.u32(..3) == 0 {
                let all = rng.choice(["", "--all"]).unwrap_or_default();
                sandbox
                    .sh(&format!("golden-export --quiet --db app.db {all} --force --output {}.json", rng.u32(..3)))
                    .ok();
                continue;
            }
            let mode = rng.choice(["--replace", "--replace-all", ""]).unwrap_or_default();
            let on_conflict = rng.choice(["error", "skip", "update"]).unwrap_or_default();
            let embed = rng.choice(["--embed toy-embed", "--no-embed"]).unwrap_or_default();
            let import = format!(
                "golden-import --json --db app.db {mode} --on-conflict {on_conflict} {embed} {}.json",
                rng.u32(..3)
            );
            let context = format!("seed {seed}, round {round}: {import}");
            let (old, before) = (sandbox.digest("app.db"), sandbox.read("app.db"));
            let dry = sandbox.sh(&format!("{import} --dry-run"));
            assert_eq!(sandbox.read("app.db"), before, "{context}");
            let run = sandbox.sh(&import);
            let (mut told, done) = (dry.json(), run.json());
            assert_eq!(dry.code, run.code, "{context}");
            if run.code != 0 {
                assert_eq!((run.code, told), (1, done), "{context}");
                assert_eq!(sandbox.read("app.db"), before, "{context}");
                continue;
            }
            for made in ["dry_run", "model", "dimension", "are_first_vectors", "texts_embedded", "drift", "undo"] {
                told[made] = done[made].clone();
            }
            assert_eq!(told, done, "{context}");
            assert_eq!(sandbox.rows("app.db", "PRAGMA foreign_key_check"), Vec::<Vec<String>>::new(), "{context}");
            let lost = "SELECT count(*) FROM golden_vectors WHERE chunk_id NOT IN (SELECT id FROM chunks)";
            assert_eq!(sandbox.value("app.db", lost), "0", "{context}");
            if let (Some(undo), Some(0)) = (done["undo"].as_str(), done["added"].as_u64()) {
                sandbox.sh("cp app.db undone.db").ok();
                sandbox
                    .sh(&format!("golden-import --db undone.db --no-embed --no-undo --on-conflict update {undo}"))
                    .ok();
                assert_eq!(sandbox.digest("undone.db"), old, "undone, {context}");
            }
        }
    }
}
