//! Golden documents in git: `scripts/git-diff-golden.sh` with the real git. Budget: 20 s.

use std::path::Path;

use golden_tests::{Run, Sandbox, tools_present};

const DOCUMENTATION: &str = include_str!("../../docs/differences.md");

/// A repository set up as the documentation says, with the document of a small database committed.
fn repository(document: &str) -> Option<Sandbox> {
    if !tools_present(&["git", "gzip"]) {
        return None;
    }
    let sandbox = Sandbox::small();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let configured: Vec<_> = DOCUMENTATION
        .lines()
        .filter_map(|line| line.strip_prefix("$ ").filter(|command| command.starts_with("git config")))
        .map(|command| command.replace("$PWD/scripts", &scripts.to_string_lossy()))
        .collect();
    assert_eq!(configured.len(), 4);
    let attributes: Vec<_> = DOCUMENTATION.lines().filter(|line| line.ends_with("diff=golden")).collect();
    sandbox.write(".gitattributes", attributes.join("\n") + "\n");
    sandbox
        .sh(&format!(
            "git init --quiet -b main && git config user.name me && git config user.email me@example.org && {}
             git add .gitattributes",
            configured.iter().map(|command| format!("{command} && ")).collect::<String>()
        ))
        .ok();
    commit(&sandbox, document, "first");
    Some(sandbox)
}

fn commit(sandbox: &Sandbox, document: &str, message: &str) {
    let export = format!("SOURCE_DATE_EPOCH=0 golden-export --quiet --force --db app.db --output {document}");
    sandbox.sh(&format!("{export} && git add {document} && git commit --quiet -m {message}")).ok();
}

fn edit(sandbox: &Sandbox) {
    sandbox.sql("app.db", "UPDATE chunks SET section_title = 'Walking' WHERE section_title = 'Running'");
}

/// The lines that git marks as added or removed.
fn marked(run: &Run) -> Vec<String> {
    let is_marked = |line: &&str| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---");
    run.text().lines().filter(is_marked).map(str::to_owned).collect()
}

#[test]
fn git_diff_shows_the_report() {
    for document in ["golden.json", "golden.json.gz"] {
        let Some(sandbox) = repository(document) else { return };
        edit(&sandbox);
        sandbox.sh(&format!("golden-export --quiet --db app.db --output {document}")).ok();
        let report = sandbox.sh("git diff").ok().says("~ section_title: \"Running\" → \"Walking\"").says("chunks ~1");
        report.says(&format!("from a/{document} to b/{document}")).never_says("/tmp").never_says("sha256\":");
        sandbox.sh("git commit --quiet -a -m second").ok();
        sandbox.sh("git diff HEAD~ HEAD").ok().says("→ \"Walking\"");
        sandbox.sh("git log -p --ext-diff -1").ok().says("→ \"Walking\"").never_says("fatal");
        sandbox.sh("git show --ext-diff").ok().says("→ \"Walking\"");
    }
}

#[test]
fn plain_log_and_show_are_readable() {
    for document in ["golden.json", "golden.json.gz"] {
        let Some(sandbox) = repository(document) else { return };
        edit(&sandbox);
        commit(&sandbox, document, "second");
        let expected = [r#"-          "section_title": "Running","#, r#"+          "section_title": "Walking","#]
            .map(str::to_owned);
        for command in ["git show", "git log -p -1", "git diff --no-ext-diff HEAD~"] {
            let shown = sandbox.sh(command).ok();
            assert_eq!(marked(&shown), expected, "{shown}");
        }
        sandbox.sh("git show").ok().says("c0000000-0000-4000-8000-000000000012");
        sandbox.sh("git log -p").ok().says("new file").says("asyncio is a library").never_says("\"sha256\"");
    }
}

#[test]
fn a_field_of_the_name_of_a_digest_is_shown() {
    let Some(sandbox) = repository("golden.json") else { return };
    let digest = |digit: &str| digit.repeat(64);
    sandbox.sql("app.db", &format!("UPDATE artifacts SET metadata = '{{\"sha256\": \"{}\"}}'", digest("a")));
    commit(&sandbox, "golden.json", "second");
    sandbox.sql("app.db", &format!("UPDATE artifacts SET metadata = '{{\"sha256\": \"{}\"}}'", digest("b")));
    commit(&sandbox, "golden.json", "third");
    sandbox.sh("git show").ok().says(&format!("+          \"sha256\": \"{}\"", digest("b")));
}

#[test]
fn documents_come_and_go() {
    let Some(sandbox) = repository("golden.json") else { return };
    let added = sandbox.sh("git show --ext-diff").ok().says("new document");
    added.says("from nothing to b/golden.json: ").says("+ analysis a0000000-0000-4000-8000-000000000001");
    sandbox
        .sh("git mv golden.json other.json && git show HEAD:.gitattributes > /dev/null && git reset --quiet --hard")
        .ok();
    sandbox.sh("git rm --quiet golden.json").ok();
    let removed = sandbox.sh("git diff --cached").ok().says("deleted document");
    removed.says("from a/golden.json to nothing: ").says("- analysis a0000000-0000-4000-8000-000000000001");
    sandbox.sh("git commit --quiet -m gone && git show && git log -p --ext-diff").ok();
}

#[test]
fn a_damaged_version_in_history_is_shown_with_what_is_wrong() {
    for document in ["golden.json", "golden.json.gz"] {
        let Some(sandbox) = repository(document) else { return };
        sandbox.sh(&format!("head -c 700 {document} > torn && mv torn {document} && git commit --quiet -am torn")).ok();
        commit(&sandbox, document, "mended");
        for command in ["git log -p", "git show HEAD~", "git show"] {
            sandbox.sh(command).ok().says("damaged: ").never_says("fatal");
        }
        for command in ["git log -p --ext-diff", "git diff HEAD~2 HEAD~", "git diff HEAD~"] {
            sandbox.sh(command).ok().says("FAILED").says("not compared").never_says("fatal");
        }
    }
}

#[test]
fn without_golden_verify_git_says_so() {
    let Some(sandbox) = repository("golden.json") else { return };
    edit(&sandbox);
    sandbox.sh("golden-export --quiet --db app.db --output golden.json").ok();
    let run = sandbox.sh("GOLDEN_VERIFY=/nowhere/golden-verify git diff");
    assert_ne!(run.code, 0);
    run.says("/nowhere/golden-verify is not on the path");
}
