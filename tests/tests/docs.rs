//! The documentation says nothing that does not run. Budget: 10 s.

use std::collections::BTreeSet;

use golden::settings::Settings;
use golden_tests::{Sandbox, content_digest, faiss_index, python, tools_present};

const README: &str = include_str!("../../README.md");
const RULES: &str = include_str!("../../docs/rules.md");
const FORMAT: &str = include_str!("../../docs/format.md");
const FLAT: &str = include_str!("../../docs/flat.md");
const TEST_VECTOR: &str = include_str!("../../docs/test-vector.json");
const SNAPSHOTS: &str = include_str!("../../docs/snapshots.md");
const ARCHITECTURE: &str = include_str!("../../docs/architecture.md");
const WORKSPACE: &str = include_str!("../../Cargo.toml");
const DRILLS: &str = include_str!("../../docs/drills.md");
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/");
const SCRIPTS_WITH_OPTIONS: [&str; 10] = [
    "dump_sql.sh",
    "load_sql.sh",
    "backup_golden.sh",
    "restore_golden.sh",
    "rebuild_index.sh",
    "regenerate_embeddings.sh",
    "smoke.sh",
    "install_timers.sh",
    "run_job.sh",
    "version_dataset.sh",
];
const VERSIONS: &str = include_str!("../../docs/versions.md");
const PROGRAMS: [&str; 6] =
    ["golden-export", "golden-verify", "golden-import", "golden-embed", "golden-version", "faiss-snap"];
const VERSION_FILES: &str = include_str!("../../docs/version-files.md");
const PUBLISH: &str = include_str!("../../docs/publish.md");
const VERSION_COMMANDS: [&str; 21] = [
    "init",
    "create",
    "begin",
    "claim",
    "record",
    "finish",
    "list",
    "show",
    "log",
    "jobs",
    "diff",
    "protect",
    "unprotect",
    "verify",
    "track",
    "untrack",
    "export",
    "snapshot",
    "compact",
    "checkout",
    "publish",
];

/// Every page of the documentation, by name.
fn pages() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
    let files = std::fs::read_dir(folder).expect("the documentation").map(|entry| entry.expect("a page").path());
    let pages = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let page = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("a page"))
    };
    pages.map(page).chain([("README.md".to_owned(), README.to_owned())]).collect()
}

/// The code blocks of a page in one language.
fn blocks<'a>(page: &'a str, language: &'a str) -> impl Iterator<Item = &'a str> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.filter_map(move |block| block.strip_prefix(language)?.strip_prefix('\n'))
}

#[test]
fn the_test_vector_is_sealed_and_in_normal_form() {
    let sandbox = Sandbox::new();
    sandbox.write("vector.json", TEST_VECTOR);
    sandbox.sh("golden-verify --require-checksums vector.json").ok().never_says("warning");
    assert!(FORMAT.contains(&content_digest(TEST_VECTOR.as_bytes())));
    let sealed = sandbox.sh("golden-verify --seal vector.json").ok();
    assert_eq!(sealed.text(), TEST_VECTOR);
    for canonical in blocks(FORMAT, "") {
        let value = serde_json::from_str(canonical).expect("canonical JSON");
        let digest = golden::document::Digest::of_value(&value).to_string();
        assert_eq!(digest, golden::document::Digest::of(canonical.as_bytes()).to_string());
        assert!(FORMAT.contains(&digest) && TEST_VECTOR.contains(&digest));
    }
    let cited = FORMAT.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() == 64);
    assert!(cited.into_iter().all(|digest| TEST_VECTOR.contains(digest)));
}

#[test]
fn the_structure_shown_is_accepted() {
    let sandbox = Sandbox::new();
    sandbox.write("shown.json", blocks(FORMAT, "json").next().expect("an example"));
    sandbox.sh("golden-verify shown.json").ok();
}

#[test]
fn the_flat_document_shown_is_sealed_and_imported_as_shown() {
    let sandbox = Sandbox::new();
    sandbox.write("flat.json", blocks(FLAT, "json").next().expect("an example"));
    sandbox.write("golden.toml", blocks(FLAT, "toml").next().expect("a mapping"));
    sandbox.sql("app.db", golden_tests::small_schema());
    let commands: Vec<_> =
        blocks(FLAT, "console").flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")).collect();
    assert_eq!(commands.len(), 4);
    // Tables that do not exist need no mapping.
    let (without_mapping, with_mapping) = commands.split_at(3);
    for command in without_mapping {
        sandbox.sh(&format!("GOLDEN_SCHEMA=/dev/null {command}")).ok().never_says("warning: ");
    }
    for command in with_mapping {
        sandbox.sh(command).ok();
    }
    assert_eq!(
        sandbox.rows("new.db", "SELECT content, chunk_index, section_path, chunk_total FROM chunks"),
        [["'asyncio is a library to write concurrent code...'", "0", r#"'["docs","python","asyncio"]'"#, "1",]]
    );
    for (database, text) in [("new.db", "markdown_content"), ("app.db", "summary")] {
        let rows = sandbox.rows(database, &format!("SELECT {text}, metadata FROM artifacts"));
        assert_eq!(rows, [["'# asyncio in short'", r#"'{"model":"m1"}'"#]], "{database}");
    }
    assert_eq!(
        sandbox.value("app.db", "SELECT status || section_path FROM analyses, chunks"),
        r#"'completed["docs","python","asyncio"]'"#
    );
}

#[test]
fn the_settings_shown_are_valid() {
    let pages = pages();
    // The system's settings are another file, which golden-version's own tests read.
    let pages = pages.iter().filter(|(name, _)| name != "access.md");
    let examples = pages.flat_map(|(name, page)| blocks(page, "toml").map(move |example| (name, example)));
    let mut count = 0;
    for (name, example) in examples {
        Settings::parse(example).unwrap_or_else(|error| panic!("{name}: {error} in\n{example}"));
        count += 1;
    }
    assert!(count > 5);
}

#[test]
fn the_rules_shown_are_all_there_are() {
    let mut shown = BTreeSet::new();
    for row in RULES.lines().filter(|line| line.starts_with("| `")) {
        let [_, rule, setting, ..] = row.split(" | ").flat_map(|cell| cell.split("| ")).collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        let setting = setting.trim_matches('`');
        assert!(setting.starts_with(&format!("{} =", rule.trim_matches('`'))), "{row}");
        let settings = Settings::parse(&format!("[rules]\n{setting}\n")).unwrap_or_else(|error| panic!("{error}"));
        assert_ne!(settings, Settings::default(), "{row}");
        shown.insert(rule.trim_matches('`').to_owned());
    }
    let error = Settings::parse("[rules]\nno-such-rule = 1\n").expect_err("an unknown rule");
    let (_, known) = error.message().split_once("expected one of").expect("the known rules");
    let is_mark = |c: char| c.is_whitespace() || c == '`';
    assert_eq!(shown, known.split(',').map(|rule| rule.trim_matches(is_mark).to_owned()).collect());
}

#[test]
fn every_option_in_the_documentation_exists() {
    let sandbox = Sandbox::new();
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        words.filter(|word| word.starts_with("--") && word.len() > 3).map(str::to_owned).collect()
    };
    let commands = ["create", "list", "verify", "restore", "rebuild", "search", "prune", "drill"]
        .map(|command| format!("faiss-snap {command}"));
    let of_versions = VERSION_COMMANDS.map(|command| format!("golden-version {command}"));
    let helped = PROGRAMS.iter().map(|program| (*program).to_owned()).chain(commands).chain(of_versions);
    let helped = helped.chain(["xtask dist".to_owned()]);
    let known: BTreeSet<_> =
        helped.flat_map(|program| words(&sandbox.sh(&format!("{program} --help")).ok().text())).collect();
    let of_script = |script| words(&sandbox.sh(&format!("{SCRIPTS}{script} --help")).ok().says("Example").text());
    let of_scripts = SCRIPTS_WITH_OPTIONS.into_iter().flat_map(of_script).collect();
    // And those of git, cargo, apt-get and systemctl, of whatever embeds, and for those who package.
    let others = [
        "--ext-diff",
        "--info",
        "--release",
        "--no-install-recommends",
        "--nocapture",
        "--test",
        "--locked",
        "--path",
        "--now",
        "--full",
        "--generate",
    ]
    .map(str::to_owned);
    let mut known = &(&known | &of_scripts) | &BTreeSet::from(others);
    let Some(faiss) = faiss_index() else { return };
    for command in ["info", "build", "search", "check"] {
        known.extend(words(&sandbox.sh(&format!("{} {command} --help", faiss.display())).ok().text()));
    }
    for (name, page) in pages() {
        let unknown: Vec<_> = words(&page).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

#[test]
fn a_release_knows_its_commit() {
    if !tools_present(&["git"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let rustc = std::path::Path::new(env!("CARGO")).with_file_name("rustc");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../golden/build.rs");
    sandbox.sh(&format!("{} --edition 2024 {script} -o build", rustc.display())).ok();
    let version = |environment: &str| {
        let said = sandbox.sh(&format!("CARGO_PKG_VERSION=1.2.3 {environment} ./build")).ok().text();
        said.lines()
            .find_map(|line| line.strip_prefix("cargo::rustc-env=GOLDEN_VERSION="))
            .expect("a version")
            .to_owned()
    };
    assert_eq!(version("PROFILE=release"), "1.2.3", "outside of git");
    let commit = "git init -q . && git -c user.name=T -c user.email=t@example.org commit -q --allow-empty -m first";
    let commit = sandbox.sh(&format!("{commit} && git rev-parse --short=12 HEAD")).ok().text();
    assert_eq!(version("PROFILE=release"), format!("1.2.3 ({})", commit.trim()));
    assert_eq!(version("PROFILE=debug"), "1.2.3");
    assert_eq!(version("PROFILE=debug GOLDEN_COMMIT=abc"), "1.2.3 (abc)");
}

#[test]
fn the_architecture_page_shows_what_there_is() {
    let folders =
        ARCHITECTURE.split("\n## Folders\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("folders");
    let rows = folders.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let shown: BTreeSet<_> = rows.flat_map(|names| names.split(", ")).map(|name| name.trim_matches('`')).collect();
    let members = WORKSPACE.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).expect("members");
    let members: BTreeSet<_> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.is_subset(&shown), "{:?}", &members - &shown);
    for folder in &shown {
        assert!(std::path::Path::new(SCRIPTS).join("..").join(folder).is_dir(), "{folder}");
    }
    // The picture names every program, and no other.
    let picture = blocks(ARCHITECTURE, "text").next().expect("a picture");
    let words = picture.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let drawn: BTreeSet<_> = words.filter(|word| word.starts_with("golden-") || word.starts_with("faiss-")).collect();
    let programs = members.iter().filter(|member| member.contains('-')).copied().collect();
    assert_eq!(drawn, programs);
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    for (name, page) in pages() {
        let folder = if name == "README.md" { "" } else { "docs" };
        for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") {
                continue;
            }
            let place = std::path::Path::new(SCRIPTS).join("..").join(folder);
            let path = place.join(if file.is_empty() { &name } else { file });
            assert!(path.is_file(), "{name}: {target}");
            if !anchor.is_empty() {
                let linked = std::fs::read_to_string(&path).expect("a page");
                let headings = linked.lines().filter(|line| line.starts_with('#'));
                let mut anchors = headings.map(|heading| {
                    let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                    heading.replace(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'), "")
                });
                assert!(anchors.any(|found| found == anchor), "{name}: {target}");
            }
        }
    }
}

#[test]
fn every_program_has_help_with_an_example_a_man_page_and_completions() {
    let sandbox = Sandbox::new();
    for program in PROGRAMS {
        sandbox.sh(&format!("{program} --help")).ok().says("Example").says("Exit");
        sandbox.sh(&format!("{program} --version")).ok().says(env!("CARGO_PKG_VERSION"));
        sandbox.sh(&format!("{program} --generate man")).ok().says(".TH").says("EXIT STATUS").says("locked");
        for shell in ["bash", "zsh", "fish"] {
            sandbox.sh(&format!("{program} --generate {shell}")).ok().says(program);
        }
        sandbox.sh(&format!("{program} --generate bash | bash -n")).ok();
    }
    // A program with commands has one page, with a section for each.
    let page = sandbox.sh("faiss-snap --generate man").ok().text().replace('\\', "");
    for part in [".SH \"FAISS-SNAP RESTORE\"", ".SS SYNOPSIS", "--undo", "--subset", "--keep-weekly-db"] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[test]
fn the_commands_of_the_readme_run() {
    if !tools_present(&["gzip"]) {
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("data")).expect("a folder");
    sandbox.sql("data/app.db", golden_tests::SMALL);
    let commands: Vec<_> = blocks(README, "console")
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("$ "))
        .filter(|command| !command.starts_with("./scripts"))
        .map(|command| command.replace("ssh backup cat", "cat").replace("scripts/", SCRIPTS))
        .collect();
    assert!(commands.len() >= 5);
    for command in commands {
        sandbox.sh(&command).ok();
    }
}

#[test]
fn the_snapshot_commands_run_and_every_option_of_theirs_is_documented() {
    let sandbox = Sandbox::application();
    for command in blocks(SNAPSHOTS, "console").flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")) {
        sandbox.sh(command).ok();
    }
    let documented = ["create", "verify", "restore", "rebuild", "search"].map(|command| (command, SNAPSHOTS));
    for (command, page) in documented.into_iter().chain([("drill", DRILLS)]) {
        let help = sandbox.sh(&format!("faiss-snap {command} --help")).ok().text();
        let options = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let options = options.filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")));
        for option in
            options.filter(|option| !["--json", "--quiet", "--help", "--version", "--schema"].contains(option))
        {
            assert!(page.contains(option), "{command} {option}");
        }
    }
}

#[test]
fn the_version_commands_run_and_every_option_of_theirs_is_documented() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("data")).expect("a folder");
    sandbox.sql("data/app.db", "CREATE TABLE candidate_links (id INTEGER PRIMARY KEY, url TEXT)");
    for command in blocks(VERSIONS, "console").flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")) {
        sandbox.sql("data/app.db", "INSERT INTO candidate_links (url) VALUES ('https://example.org')");
        sandbox.sh(command).ok();
    }
    let update = blocks(VERSIONS, "sql").next().and_then(|sql| sql.lines().last()).expect("how a job is named");
    sandbox.sh("golden-version track --dataset candidate_links").ok();
    sandbox.sql("data/app.db", update);
    sandbox.sh("golden-version verify").ok();
    for command in blocks(VERSION_FILES, "console").flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")) {
        sandbox.sh(command).ok();
    }
    sandbox.sh("golden-version verify").ok();
    for command in blocks(PUBLISH, "console").flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")) {
        sandbox.sh(command).ok();
    }
    if let Some(python) = python() {
        sandbox.write("read.py", blocks(PUBLISH, "python").next().expect("how it is read"));
        sandbox.sh(&format!("{} read.py", python.display())).ok().says("https://example.org");
    }
    for command in VERSION_COMMANDS {
        let help = sandbox.sh(&format!("golden-version {command} --help")).ok().text();
        let options = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let options = options.filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")));
        for option in options.filter(|option| !["--json", "--quiet", "--help", "--version"].contains(option)) {
            let documented = [VERSIONS, VERSION_FILES, PUBLISH].iter().any(|page| page.contains(option));
            assert!(documented, "{command} {option}");
        }
    }
}

#[test]
fn a_restore_by_hand_as_shown() {
    if !tools_present(&["sha256sum", "install"]) {
        return;
    }
    let sandbox = Sandbox::application();
    sandbox.sql("data/app.db", "PRAGMA journal_mode = WAL");
    let rows = sandbox.contents("data/app.db");
    let stamp = sandbox.snapshot("");
    sandbox.change_application();
    // A log that would be replayed onto the restored file.
    sandbox.write("data/app.db-journal", "left by a crash");
    let script = blocks(SNAPSHOTS, "sh").next().expect("the commands").replace("20250101_120000", &stamp);
    sandbox.sh(&format!("set -e\n{script}")).ok().never_says("FAILED");
    assert_eq!(sandbox.contents("data/app.db"), rows);
    sandbox.sh(&format!("diff -r --no-dereference data/faiss backups/faiss_{stamp}")).ok();
    assert!(!sandbox.path("data/app.db-journal").exists());
    sandbox.sh("echo x >> data/faiss/notes.txt").ok();
}

#[test]
fn the_scripts_for_development_run() {
    let sandbox = Sandbox::application();
    let old = sandbox.application_state();
    sandbox.sh(&format!("{SCRIPTS}backup_dev.sh --tag daily")).ok();
    sandbox.change_application();
    sandbox.sh(&format!("{SCRIPTS}restore_dev.sh")).exits(2).says("Usage").says("app_20250101_120000.db");
    sandbox.sh(&format!("{SCRIPTS}restore_dev.sh ./backups/app_2*.db")).ok();
    assert_eq!(sandbox.application_state(), old);
    if tools_present(&["shellcheck"]) {
        sandbox.sh(&format!("shellcheck {SCRIPTS}backup_dev.sh {SCRIPTS}restore_dev.sh")).ok();
    }
}
