//! `golden-import --vectors`: vectors that come ready-made, on SQLite and PostgreSQL; what they change; and who reads
//! them. Budget: 40 s.

use std::cell::RefCell;

use golden_tests::{PgDatabase, Pgvector, Postgres, Sandbox, python, tools_present};
use serde_json::{Value, json};

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

/// A database with vectors of `toy@000000000001`.
struct Embedded {
    sandbox: Sandbox,
    postgres: Option<PgDatabase<'static>>,
}

/// The same on both databases.
fn on_both(promise: impl Fn(&Embedded)) {
    on_both_of(Sandbox::small, promise);
}

fn on_both_of(sandbox: impl Fn() -> Sandbox, promise: impl Fn(&Embedded)) {
    let new = |postgres: Option<PgDatabase<'static>>| {
        let sandbox = sandbox();
        sandbox.sh("golden-export --all --db app.db --output golden.json && rm app.db").ok();
        let embedded = Embedded { sandbox, postgres };
        embedded.sh("golden-import --db DB --init --embed toy-embed golden.json").ok();
        promise(&embedded);
    };
    new(None);
    if let Some(server) = Postgres::shared() {
        new(Some(server.database(Pgvector::Present)));
    }
}

impl Embedded {
    /// Runs a script; DB stands for the database.
    fn sh(&self, script: &str) -> golden_tests::Run {
        let database = self.postgres.as_ref().map_or("app.db".to_owned(), |database| format!("'{}'", database.url()));
        self.sandbox.sh(&script.replace("DB", &database))
    }

    fn sql(&self, sql: &str) {
        match &self.postgres {
            Some(database) => database.sql(sql),
            None => self.sandbox.sql("app.db", sql),
        }
    }

    fn rows(&self, query: &str) -> Vec<Vec<String>> {
        match &self.postgres {
            Some(database) => database.rows(query),
            None => {
                let rows = self.sandbox.rows("app.db", query);
                let plain = |value: String| value.trim_matches('\'').to_owned();
                rows.into_iter().map(|row| row.into_iter().map(plain).collect()).collect()
            }
        }
    }

    /// All vectors, and what is noted of them.
    fn state(&self) -> [Vec<Vec<String>>; 2] {
        ["SELECT id, content, embedding FROM chunks ORDER BY id", "SELECT * FROM golden_vectors ORDER BY chunk_id"]
            .map(|query| self.rows(query))
    }

    fn models(&self) -> Vec<Vec<String>> {
        self.rows("SELECT DISTINCT model, dimension FROM golden_vectors")
    }

    /// It is refused with exit code 1, names the reason, and changes nothing.
    #[track_caller]
    fn is_refused(&self, script: &str, reason: &str) {
        let before = self.state();
        self.sh(script).exits(1).one_error().says(reason);
        assert_eq!(self.state(), before, "{script}");
    }
}

/// All texts through an embedder and back.
const REGENERATE: &str =
    "golden-export --quiet --all --db DB --chunks | toy-embed EMBED | golden-import --db DB --vectors";

fn regenerate(embed: &str, options: &str) -> String {
    format!("{} {options}", REGENERATE.replace("EMBED", embed))
}

#[test]
fn all_vectors_of_a_database_are_made_anew() {
    on_both(|embedded| {
        embedded.sh(&regenerate("", "")).ok().says("0 chunks, 6 unchanged");
        embedded.is_refused(&regenerate("--model other@2 --dimension 4", ""), "--change-model");
        let before = embedded.state();
        let dry =
            embedded.sh(&regenerate("--model other@2 --dimension 4", "--change-model --dry-run --json")).ok().json();
        assert_eq!(embedded.state(), before);
        let run =
            embedded.sh(&regenerate("--model other@2 --dimension 4 --base64", "--change-model --json")).ok().json();
        assert_eq!(embedded.models(), [["other@2", "4"]]);
        for member in ["chunks", "written", "unchanged", "blank_chunks", "drift", "model"] {
            assert_eq!(run[member], dry[member], "{member}");
        }
        assert_eq!((&run["written"], &run["drift"]["cosine"]), (&json!(6), &Value::Null));
        assert_eq!(run["drift"]["before"], json!([{"model": "toy@000000000001", "dimension": 8, "chunks": 6}]));
        // The vectors are those that an import makes.
        let vectors = embedded.state();
        embedded
            .sh("golden-import --db DB --embed 'toy-embed --model other@2 --dimension 4 --log log' golden.json")
            .ok();
        assert!(!embedded.sandbox.path("log").exists());
        assert_eq!(embedded.state(), vectors);
        embedded.sh("golden-export --all --db DB | golden-verify --db DB").ok().never_says("another text");
    });
}

#[test]
fn only_chunks_without_a_vector() {
    on_both(|embedded| {
        let missing = "golden-export --quiet --all --db DB --chunks --missing";
        let import = "golden-import --db DB --vectors";
        embedded.sh(&format!("{missing} | toy-embed | {import}")).ok().says("0 chunks");
        embedded.sql("UPDATE chunks SET embedding = NULL WHERE chunk_index = 0");
        let wanted = embedded.rows("SELECT count(*) FROM chunks WHERE chunk_index = 0")[0][0].clone();
        embedded.is_refused(&format!("{missing} | toy-embed --model other@2 | {import}"), "--change-model");
        // Not even where a change is allowed: the others would keep theirs.
        let other = format!("{missing} | toy-embed --model other@2 | {import} --change-model");
        embedded.is_refused(&other, "would keep vectors of another model");
        embedded
            .sh(&format!("{missing} | toy-embed | {import}"))
            .ok()
            .says(&format!("vectors of {wanted} chunks, 0 unchanged"));
        assert_eq!(embedded.rows("SELECT count(*) FROM chunks WHERE embedding IS NULL"), [["0"]]);
        assert_eq!(embedded.models(), [["toy@000000000001", "8"]]);
        // Of the first, only: the others stay.
        let before = embedded.state();
        embedded.sh(&format!("golden-export --quiet --all --db DB --chunks | head -n 1 | toy-embed | {import}")).ok();
        assert_eq!(embedded.state(), before);
    });
}

#[test]
fn lines_that_are_wrong_change_nothing() {
    on_both(|embedded| {
        for (embed, reason) in [
            ("nan 3", "finite"),
            ("zero 3", "zero"),
            ("narrow 3", "(7 dimensions)"),
            ("other-model 3", "another@000000000002"),
            ("swaps-id 3", "somebody-else"),
            ("garbage 3", "line 4"),
            ("refuses 3", "too long"),
        ] {
            embedded.is_refused(&regenerate(embed, ""), reason);
        }
        let lines = "golden-export --quiet --all --db DB --chunks | toy-embed";
        embedded.is_refused(&format!("{{ {lines}; {lines}; }} | golden-import --db DB --vectors"), "has come before");
        embedded.is_refused(&format!("{lines} | head -c 700 | golden-import --db DB --vectors"), "line ");
        for id in ["\"00000000-0000-4000-8000-000000000000\"", "\"nobody\"", "17", "null", "[]"] {
            let line =
                format!("{{\"id\": {id}, \"model\": \"toy@000000000001\", \"embedding\": [1, 2, 3, 4, 5, 6, 7, 8]}}");
            embedded.sandbox.write("line", line);
            let before = embedded.state();
            embedded.sh("golden-import --db DB --vectors line").exits(1).one_error();
            assert_eq!(embedded.state(), before, "{id}");
        }
    });
}

#[test]
fn vectors_that_a_trigger_changes_are_read_back_and_refused() {
    on_both(|embedded| {
        embedded.sql(match embedded.postgres {
            None => {
                "CREATE TRIGGER spoils AFTER UPDATE OF embedding ON chunks
                 BEGIN UPDATE chunks SET embedding = NULL WHERE id = NEW.id; END"
            }
            Some(_) => {
                "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN NEW.embedding := NULL; RETURN NEW; END';
                 CREATE TRIGGER spoils BEFORE UPDATE ON chunks FOR EACH ROW EXECUTE FUNCTION spoil()"
            }
        });
        embedded.is_refused(&regenerate("--model other@2", "--change-model"), "read back differently");
    });
}

#[test]
fn what_came_before_an_error_is_resumed() {
    on_both(|embedded| {
        embedded
            .sh(&regenerate("--model other@2 dies 3", "--change-model"))
            .exits(1)
            .one_error()
            .says("would keep vectors of another model")
            .says("--resume");
        let rest = "golden-export --quiet --all --db DB --chunks | tail -n +4 | toy-embed --model other@2";
        embedded.sh(&format!("{rest} | golden-import --db DB --vectors --change-model --resume")).ok().says("6 chunks");
        assert_eq!(embedded.models(), [["other@2", "8"]]);
        let left = embedded.sandbox.sh("find . -name '*golden-vectors'").ok().text();
        assert_eq!(left, "");
    });
}

#[test]
fn a_text_that_changed_on_the_way_is_noticed_where_the_embedder_says_what_it_embedded() {
    on_both(|embedded| {
        embedded.sh("golden-export --quiet --all --db DB --chunks | toy-embed --digests > lines").ok();
        embedded.sql("UPDATE chunks SET content = 'changed', embedding = NULL WHERE chunk_index = 1");
        embedded.is_refused("golden-import --db DB --vectors lines", "the vector of another text");
        embedded.sh("golden-export --quiet --all --db DB --chunks --missing | toy-embed --digests > changed").ok();
        embedded
            .sh("golden-import --db DB --vectors --resume changed")
            .ok()
            .says("wrote the vectors of 1 chunk, 5 unchanged");
        embedded.sh("golden-export --all --db DB | golden-verify --db DB").ok().never_says("another text");
    });
}

#[test]
fn blank_chunks_lose_their_vector_and_no_error_is_made_of_them() {
    on_both(|embedded| {
        embedded.sql("UPDATE chunks SET content = ' ' WHERE chunk_index = 1");
        embedded.sh("golden-export --quiet --all --db DB --chunks > texts").ok();
        let texts = embedded.sandbox.read("texts");
        let lines = String::from_utf8_lossy(&texts).into_owned();
        let position = lines.lines().position(|line| line.contains("\" \"")).expect("the blank one");
        embedded.sh(&format!("toy-embed refuses {position} < texts > vectors")).exits(1);
        embedded.sh("golden-import --db DB --vectors vectors").ok().says("blank, so without a vector: 1 chunk");
        assert_eq!(embedded.rows("SELECT chunk_index FROM chunks WHERE embedding IS NULL"), [["1"]]);
        assert_eq!(embedded.rows("SELECT count(*) FROM golden_vectors"), [["5"]]);
    });
}

#[test]
fn too_much_drift_changes_nothing_and_can_be_allowed() {
    let drifts = RefCell::new(Vec::new());
    on_both_of(
        || Sandbox::generated(6),
        |embedded| {
            let import =
                "golden-import --db DB --change-model --embed 'toy-embed --model other@2 --log log' golden.json";
            let vectors = regenerate("--model third@3", "--change-model");
            for command in [import, &vectors] {
                embedded.is_refused(&format!("{command} --max-drift 0.3"), "recall@10");
            }
            // What was embedded is used again.
            std::fs::remove_file(embedded.sandbox.path("log")).expect("a log");
            let run = embedded.sh(&format!("{import} --resume --max-drift 1 --json")).ok().json();
            assert!(!embedded.sandbox.path("log").exists());
            let drift = &run["drift"];
            let recall = drift["neighbours"]["recall_at_10"].as_f64().expect("a recall");
            assert!(recall < 0.7, "random vectors have other neighbours: {drift}");
            assert!(drift["cosine"]["mean"].as_f64().expect("a mean").abs() < 0.5, "{drift}");
            assert_eq!(embedded.models(), [["other@2", "8"]]);
            let resumed =
                embedded.sh("golden-import --db DB --vectors --resume --change-model --json < /dev/null").ok().json();
            assert_eq!(resumed["model"], "third@3");
            assert_eq!(embedded.models(), [["third@3", "8"]]);
            drifts.borrow_mut().extend([drift.clone(), resumed["drift"].clone()]);

            // The same vectors under another name do not drift.
            embedded.sql("UPDATE golden_vectors SET model = 'renamed@1'");
            let run = embedded.sh(&format!("{vectors} --max-drift 0 --json")).ok().json();
            assert_eq!((&run["written"], &run["drift"]["neighbours"]["drift"]), (&json!(0), &json!(0.0)));
            // Nothing to compare: nothing is replaced.
            let run = embedded.sh(&format!("{vectors} --max-drift 0 --json")).ok().json();
            assert_eq!(run["drift"], Value::Null);
        },
    );
    let drifts = drifts.into_inner();
    assert_eq!(drifts[..2], drifts[drifts.len() - 2..], "on both databases the same");
}

#[test]
fn of_a_few_vectors_nobody_can_tell_whether_neighbours_changed() {
    on_both(|embedded| {
        let other = regenerate("--model other@2", "--change-model --max-drift 0");
        embedded.sh(&other).ok().says("warning: --max-drift: 6 vectors are too few");
    });
}

#[test]
fn sqlalchemy_numpy_and_sqlite_vec_read_them_and_find_the_same_neighbours() {
    let Some(python) = python() else { return };
    if !tools_present(&["sqlite3"]) {
        return;
    }
    let sandbox = Sandbox::generated(6);
    sandbox.sh("golden-export --db app.db --output golden.json").ok();
    sandbox.sh("golden-import --db new.db --init --embed toy-embed golden.json").ok();
    let numpy = sandbox.python(&python, "neighbours.py", &["new.db"]).ok().json();
    let extension = numpy["sqlite_vec"].as_str().expect("the extension");
    let queries = numpy["neighbours"].as_object().expect("queries");
    assert!(queries.len() >= 10);
    for (query, neighbours) in queries {
        let sql = format!(
            "SELECT c.id FROM chunks c, chunks q WHERE q.id = '{query}' AND c.id <> q.id
             ORDER BY vec_distance_cosine(c.embedding, q.embedding), c.id LIMIT 5"
        );
        let found = sandbox.sh(&format!("sqlite3 -cmd '.load {extension}' new.db \"{sql}\"")).ok().text();
        let found: Vec<_> = found.lines().map(Value::from).collect();
        assert_eq!(&Value::from(found), neighbours, "{query}");
    }
}
