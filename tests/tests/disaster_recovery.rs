//! The runbook, executed from its page: each misfortune is brought about, and its commands put it right. Budget: 40 s.

use golden_tests::{Sandbox, faiss_index, tools_present};

const PAGE: &str = include_str!("../../docs/disaster-recovery.md");
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/");

/// The groups of commands in a section.
fn commands(title: &str) -> Vec<Vec<&'static str>> {
    let heading = format!("\n## {title}\n");
    let section = PAGE.split(&heading).nth(1).unwrap_or_else(|| panic!("no section {title}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| block.lines().filter_map(|line| line.strip_prefix("$ ")).collect()).collect()
}

/// A team's place: an application with vectors and an index, its document in git, a snapshot, a copy elsewhere.
struct Team {
    sandbox: Sandbox,
    stamp: String,
}

impl Team {
    fn at_work() -> Option<Self> {
        faiss_index()?;
        if !tools_present(&["git", "sqlite3", "jq", "sha256sum"]) {
            return None;
        }
        let sandbox = Sandbox::application();
        sandbox
            .sh("rm -r data/faiss && git init -q . && git config user.name T && git config user.email t@example.org")
            .ok();
        sandbox.sh(&format!("{SCRIPTS}regenerate_embeddings.sh --quiet && mkdir backup-host")).ok();
        let team = Self { sandbox, stamp: String::new() };
        team.run(&commands("Before you need it")[0]);
        let stamp = team.sandbox.sh("faiss-snap list --json | jq -r '.snapshots[-1].stamp'").ok().text();
        Some(Self { stamp: stamp.trim().to_owned(), ..team })
    }

    /// Runs commands of the page, each to the exit code that it says.
    fn run(&self, commands: &[&str]) {
        assert!(!commands.is_empty());
        for command in commands {
            let (command, expected) = match command.split_once("# exit code ") {
                Some((command, code)) => (command, code.parse().expect("a code")),
                None => (*command, 0),
            };
            let command = command
                .replace("scripts/", SCRIPTS)
                .replace("20250101_120000", &self.stamp)
                .replace(
                    "rsync -a backups golden.json backup-host:app/",
                    "mkdir backup-host/app && cp -a backups golden.json backup-host/app/",
                )
                .replace("rsync -a backup-host:app/ ./", "cp -a backup-host/app/. ./");
            assert!(!command.contains("rsync"), "{command}");
            self.sandbox.sh(&command).exits(expected);
        }
    }

    fn state(&self) -> String {
        self.sandbox.application_state()
    }
}

#[test]
fn every_section_is_tried() {
    let titles: Vec<_> = PAGE.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let tried = [
        "Before you need it",
        "Accidental deletion",
        "Failed migration",
        "New environment",
        "Corrupt index",
        "Lost index",
        "Wrong model",
        "Lost machine",
    ];
    assert_eq!(titles, tried);
    for title in &titles[1..] {
        let anchor = title.to_lowercase().replace(' ', "-");
        assert!(PAGE.contains(&format!("](#{anchor})")), "{title} is not in the table");
    }
}

#[test]
fn accidental_deletion() {
    let Some(team) = Team::at_work() else { return };
    let (whole, digest) = (team.state(), team.sandbox.digest("data/app.db"));
    let groups = commands("Accidental deletion");
    team.sandbox.sql("data/app.db", "DELETE FROM artifacts; UPDATE chunks SET content = 'lost' WHERE id LIKE '%11'");
    team.run(&groups[0]);
    assert_eq!(team.sandbox.digest("data/app.db"), digest);
    team.sandbox.sh("ls data/app.db.golden-undo-*.json.gz").ok();

    team.sandbox.sql("data/app.db", "DELETE FROM analyses; DROP TABLE findings; CREATE TABLE other (x)");
    team.run(&groups[1]);
    assert_eq!(team.state(), whole);
}

#[test]
fn failed_migration() {
    let Some(team) = Team::at_work() else { return };
    let groups = commands("Failed migration");
    team.sandbox.sql("data/app.db", "CREATE TABLE other (x); INSERT INTO other VALUES (1)");
    let whole = team.state();
    team.run(&groups[0]);
    team.sandbox.sql("data/app.db", "ALTER TABLE chunks RENAME TO pieces; DROP TABLE other");
    team.run(&groups[1]);
    assert_eq!(team.state(), whole);
}

#[test]
fn new_environment() {
    let Some(team) = Team::at_work() else { return };
    team.sandbox.sh("rm -r data backups").ok();
    team.run(&commands("New environment")[0]);
    team.sandbox.sh("golden-verify --db data/app.db golden.json").ok();
    team.run(&["scripts/smoke.sh"]);
}

#[test]
fn corrupt_and_lost_indexes() {
    let Some(team) = Team::at_work() else { return };
    let search = "golden-export --chunks --quiet | golden-embed --quiet | faiss-index search data/faiss/chunks.index -k 3 --quiet";
    let answers = team.sandbox.sh(search).ok().text();
    team.sandbox.sh("truncate -s 1000 data/faiss/chunks.index").ok();
    commands("Corrupt index").iter().for_each(|group| team.run(group));
    assert_eq!(team.sandbox.sh(search).ok().text(), answers);
    // What the page says of a database without vectors.
    assert!(PAGE.contains("`faiss-snap restore latest --only faiss`"));
    team.sandbox.sh("truncate -s 1000 data/faiss/chunks.index && faiss-snap restore latest --only faiss").ok();
    assert_eq!(team.sandbox.sh(search).ok().text(), answers);

    team.sandbox.sh("rm -r data/faiss").ok();
    team.run(&commands("Lost index")[0]);
    assert_eq!(team.sandbox.sh(search).ok().text(), answers);
}

#[test]
fn wrong_model() {
    let Some(team) = Team::at_work() else { return };
    let models = "SELECT count(DISTINCT model) FROM golden_vectors";
    team.sandbox.sql("data/app.db", "UPDATE golden_vectors SET model = 'other' WHERE chunk_id LIKE '%11'");
    assert_eq!(team.sandbox.value("data/app.db", models), "2");
    commands("Wrong model").iter().for_each(|group| team.run(group));
    assert_eq!(team.sandbox.value("data/app.db", models), "1");
    team.sandbox.sh("golden-verify --db data/app.db --vectors").ok();
}

#[test]
fn lost_machine() {
    let Some(team) = Team::at_work() else { return };
    let whole = team.state();
    team.sandbox.sh("rm -r data backups golden.json .git").ok();
    team.run(&commands("Lost machine")[0]);
    assert_eq!(team.state(), whole);
}
