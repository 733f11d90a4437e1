//! Jobs by the clock: the units and lines that are installed, and how a job runs. Budget: 20 s.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use golden_tests::{Run, Sandbox, faiss_index, programs, tools_present};
use serde_json::{Value, json};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts");
const PAGE: &str = include_str!("../../docs/timers.md");
/// A name in which everything stands that systemd, cron or sh would take for something else.
const FOLDER: &str = "our app %h $HOME 'n \"b\" \\ ü";

/// An application in a folder of the sandbox, and stand-ins for what would change this machine.
fn team(folder: &str) -> Sandbox {
    let sandbox = Sandbox::application();
    fs::create_dir(sandbox.path(folder)).expect("a folder");
    fs::rename(sandbox.path("data"), sandbox.path(folder).join("data")).expect("a folder moved");
    fs::create_dir(sandbox.path("bin")).expect("a folder");
    stand_in(&sandbox, "systemctl", "echo \"$*\" >> ~/systemctl.log");
    stand_in(
        &sandbox,
        "crontab",
        "case $1 in -l) cat ~/crontab ;; -) cat > ~/crontab.new && mv ~/crontab.new ~/crontab ;; esac",
    );
    sandbox
}

fn stand_in(sandbox: &Sandbox, name: &str, does: &str) {
    let file = format!("bin/{name}");
    sandbox.write(&file, format!("#!/bin/sh\n{does}\n"));
    fs::set_permissions(sandbox.path(&file), Permissions::from_mode(0o755)).expect("a mode");
}

fn install(sandbox: &Sandbox, options: &str) -> Run {
    sandbox.sh(&format!("PATH=$PWD/bin:$PATH {SCRIPTS}/install_timers.sh {options}"))
}

/// Runs a job as cron and systemd do, with an environment of nothing.
fn run_job(sandbox: &Sandbox, arguments: &str) -> Run {
    sandbox.sh(&format!("env -i {SCRIPTS}/run_job.sh --programs '{}' {arguments}", programs().display()))
}

/// The value of a setting in a unit.
fn setting<'u>(unit: &'u str, name: &str) -> Option<&'u str> {
    unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// The words of a command line in a unit, as systemd.service(5) says: quotes, backslashes, `%%` and `$$`.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            '\\' => word.extend(characters.next()),
            '%' | '$' => {
                assert_eq!(characters.next(), Some(character), "{line}");
                word.push(character);
            }
            plain => word.push(plain),
        }
    }
    words.push(word);
    words
}

#[test]
fn units_name_everything_by_its_path_and_make_up_for_missed_runs() {
    let sandbox = team(FOLDER);
    sandbox.write("folder", FOLDER);
    let options = "--system --run-as app --folder \"$(cat folder)\" --versions links --versions 'a b' \
                   --keep '--keep-daily 7 --keep-weekly-db 5' --on-failure 'mail -s \"50% of $HOME\" me'";
    // At first it only says what it would do.
    install(&sandbox, &format!("{options} --to units")).ok().says("OnCalendar=").says("systemctl enable --now");
    assert!(!sandbox.path("units").exists());
    install(&sandbox, &format!("{options} --to units --write")).ok();
    assert!(!sandbox.path("systemctl.log").exists(), "--to starts nothing");

    let folder = sandbox.path(FOLDER).to_string_lossy().into_owned();
    let programs = programs().to_string_lossy().into_owned();
    let jobs: [(&str, &[&str]); 6] = [
        ("snapshot", &["faiss-snap", "create", "--json"]),
        ("version-links", &["version_dataset.sh", "links", "--quiet"]),
        ("version-a-b", &["version_dataset.sh", "a b", "--quiet"]),
        ("prune", &["faiss-snap", "prune", "--json", "--keep-daily", "7", "--keep-weekly-db", "5"]),
        ("backup", &["backup_golden.sh", "--quiet"]),
        ("drill", &["faiss-snap", "drill", "--json"]),
    ];
    assert_eq!(fs::read_dir(sandbox.path("units")).expect("units").count(), 2 * jobs.len());
    for (job, command) in jobs {
        let unit = |kind: &str| String::from_utf8(sandbox.read(&format!("units/golden-{job}.{kind}"))).expect("text");
        let (service, timer) = (unit("service"), unit("timer"));
        let expected: Vec<_> =
            ["--folder", &folder, "--programs", &programs, job].into_iter().chain(command.iter().copied()).collect();
        let line = words(setting(&service, "ExecStart").expect("a command"));
        assert!(line[0].starts_with('/') && line[0].ends_with("/scripts/run_job.sh"), "{line:?}");
        assert_eq!(line[1..], expected);
        assert_eq!((setting(&service, "Type"), setting(&service, "User")), (Some("oneshot"), Some("app")));
        assert_eq!(
            words(setting(&service, "Environment").expect("a hook").replace('$', "$$").as_str()),
            ["GOLDEN_ON_FAILURE=mail -s \"50% of $HOME\" me"]
        );
        assert_eq!(setting(&timer, "Persistent"), Some("true"));
        assert!(setting(&timer, "RandomizedDelaySec").is_some() && setting(&timer, "OnCalendar").is_some());
    }
    if sandbox.sh("command -v systemd-analyze").code == 0 {
        let verify = "systemd-analyze verify units/*.timer units/*.service";
        sandbox.sh(verify).ok().never_says("units/");
        sandbox.sh("sed -i s/OnCalendar=.*/OnCalendar=someday/ units/golden-drill.timer").ok();
        sandbox.sh(verify).says("someday");
    }
}

#[test]
fn lines_for_cron_stand_between_those_of_others_and_do_their_work_without_an_environment() {
    if faiss_index().is_none() || !tools_present(&["git", "flock", "iconv"]) {
        return;
    }
    let sandbox = team(FOLDER);
    sandbox.write("folder", FOLDER);
    sandbox.write("crontab", "# mine\n0 0 * * * true\n");
    let options = "--user --cron --folder \"$(cat folder)\"";
    install(&sandbox, &format!("{options} --keep '--keep-last 1'")).ok();
    assert_eq!(sandbox.read("crontab"), b"# mine\n0 0 * * * true\n");
    for _ in 0..2 {
        install(&sandbox, &format!("{options} --keep '--keep-last 1' --versions analyses --write")).ok();
    }
    let crontab = String::from_utf8(sandbox.read("crontab")).expect("text");
    assert!(crontab.starts_with("# mine\n0 0 * * * true\n"), "{crontab}");
    let lines: Vec<_> = crontab.lines().filter(|line| line.contains("run_job.sh")).collect();
    assert_eq!(lines.len(), 5);

    // What a drill needs: a document, and an index of vectors.
    let embed = "golden-embed --provider hash --quiet";
    sandbox.sh(&format!("cd \"$(cat folder)\" && rm -r data/faiss && mkdir data/faiss && golden-export --quiet --chunks --all | {embed} | \
         golden-import --quiet --vectors --db data/app.db && faiss-snap rebuild --quiet && git init -q . && \
         git config user.name T && git config user.email t@example.org")).ok();
    // cron takes five words for the time and the rest for sh, with \% for %.
    let in_order = ["snapshot", "version-analyses", "backup", "drill", "snapshot", "prune"];
    for job in in_order {
        let line = lines.iter().find(|line| line.contains(&format!(" {job} "))).unwrap_or_else(|| panic!("{job}"));
        let command = line.splitn(6, ' ').nth(5).expect("a command").replace("\\%", "%");
        let mut cron = sandbox.bash("exec env -i HOME=/nonexistent /bin/sh -c \"$0\"");
        cron.arg(&command);
        let run = sandbox.run(cron).ok();
        assert_eq!((run.text(), run.stderr.as_str()), (String::new(), ""), "{job}");
    }
    let count = |pattern: &str| sandbox.sh(&format!("cd \"$(cat folder)\" && ls {pattern} | wc -l")).text();
    // The first snapshot passed its drill, and so stays beside the last one.
    assert_eq!((count("backups/snapshot_*.json"), count("backups/drills/*.json")), ("2\n".into(), "1\n".into()));
    assert_eq!(sandbox.sh("cd \"$(cat folder)\" && git log --format=%s -- golden.json | wc -l").text(), "1\n");
    sandbox.sh("cd \"$(cat folder)\" && golden-version list --dataset analyses").ok().says("by the clock");

    install(&sandbox, "--user --cron --remove").ok().says("remove");
    assert_eq!(sandbox.read("crontab"), crontab.as_bytes());
    install(&sandbox, "--user --cron --remove --write").ok();
    assert_eq!(sandbox.read("crontab"), b"# mine\n0 0 * * * true\n");
    // For the machine it is a file, with a user in every line.
    install(&sandbox, &format!("--system --cron --run-as app --to . {}", "--folder \"$(cat folder)\" --write")).ok();
    let file = String::from_utf8(sandbox.read("golden")).expect("text");
    assert!(file.contains("\n10 4 * * * app /") && !file.contains("\n\n"), "{file}");
    install(&sandbox, "--system --cron --to . --remove --write").ok();
    assert!(!sandbox.path("golden").exists());
}

#[test]
fn what_is_not_ours_stays() {
    let sandbox = team("app");
    let options = "--system --folder app --to units";
    install(&sandbox, &format!("{options} --name golden-two --write")).ok();
    install(&sandbox, &format!("{options} --write")).ok();
    sandbox.write("units/golden-mine.timer", "[Timer]\n");
    install(&sandbox, &format!("{options} --remove --write")).ok();
    let left = sandbox.sh("ls units | grep -vc '^golden-two-'").text();
    assert_eq!((left.as_str(), sandbox.path("units/golden-mine.timer").exists()), ("1\n", true));
    assert_eq!(sandbox.sh("ls units/golden-two-* | wc -l").text(), "8\n");
    sandbox.write("units/golden-drill.service", "[Service]\n");
    install(&sandbox, &format!("{options} --write")).exits(3).says("golden-drill.service exists");
    assert_eq!(sandbox.read("units/golden-drill.service"), b"[Service]\n");
    for (wrong, code) in [
        ("", 2),
        ("--user --name 'a b'", 2),
        ("--user --run-as me", 2),
        ("--user --folder none", 3),
        ("--user --folder app --programs app", 3),
        ("--user --folder app --keep $'a\\nb'", 2),
        ("--user --folder", 2),
        ("--sometimes", 2),
    ] {
        install(&sandbox, wrong).exits(code).says("install_timers.sh: ");
    }
}

#[test]
fn a_job_that_fails_cries_and_keeps_its_exit_code() {
    if !tools_present(&["flock", "iconv"]) {
        return;
    }
    let sandbox = team("app");
    sandbox.write("app/golden.env", "# for the jobs\nGOLDEN_ON_FAILURE=cat > failure.json\nOTHER=$(touch run) \"x\n");
    // The program's own report goes along.
    let run = run_job(&sandbox, "--folder app snapshot faiss-snap create --json --db data/none.db");
    let run = run.exits(3).says("snapshot ended with exit code 3").says("data/none.db");
    assert_eq!(run.text(), "");
    let report = sandbox.json("app/failure.json");
    assert_eq!((&report["job"], &report["exit_code"]), (&json!("snapshot"), &json!(3)));
    assert_eq!(report["command"], json!(["faiss-snap", "create", "--json", "--db", "data/none.db"]));
    assert_eq!(report["report"]["exit_code"], 3);
    let times = [&report["started_at"], &report["finished_at"]].map(|time| time.as_str().expect("a time").to_owned());
    assert!(times[0] <= times[1] && times[1].ends_with('Z'), "{times:?}");
    assert_eq!(report["folder"], json!(sandbox.path("app").canonicalize().expect("a folder")));
    assert!(PAGE.contains("`report`") && report["host"].is_string());

    // Whatever a program prints, the report is JSON; the environment is given as it stands.
    let hostile =
        r#"--folder app any sh -c 'printf "%s" "$OTHER" >&2; printf "{\n\\\\ \"q\" \377\001\t\033[1m\n"; exit 7'"#;
    run_job(&sandbox, hostile).exits(7);
    let report = sandbox.json("app/failure.json");
    assert_eq!((&report["report"], &report["exit_code"]), (&Value::Null, &json!(7)));
    assert_eq!(report["output"], "$(touch run) \"x{\n\\ \"q\" \t[1m");
    assert!(!sandbox.path("app/run").exists());
    run_job(&sandbox, r#"--folder app two sh -c 'printf "{\n}\n{\n}\n"; exit 1'"#).exits(1);
    assert_eq!(sandbox.json("app/failure.json")["report"], Value::Null, "two documents are none");
    run_job(&sandbox, "--folder app gone no-such-program").exits(3).says("cannot run no-such-program");
    assert_eq!(sandbox.json("app/failure.json")["exit_code"], 3);

    // A hook that fails changes nothing, and is said.
    sandbox.write("app/golden.env", "GOLDEN_ON_FAILURE=exit 9");
    run_job(&sandbox, "--folder app x sh -c 'exit 5'").exits(5).says("GOLDEN_ON_FAILURE ended with exit code 9");
    run_job(&sandbox, "--folder none x true").exits(3).says("there is no folder none");
    run_job(&sandbox, "--folder app x").exits(2);
    run_job(&sandbox, "--wait soon x true").exits(2).says("soon is no number");
}

#[test]
fn jobs_in_one_folder_never_overlap() {
    if !tools_present(&["flock", "mkfifo"]) {
        return;
    }
    let sandbox = team("app");
    fs::create_dir(sandbox.path("other")).expect("a folder");
    sandbox.write("app/golden.env", "GOLDEN_ON_FAILURE=cat > failure.json");
    sandbox.sh("mkfifo begun go").ok();
    let first = format!(
        "env -i {SCRIPTS}/run_job.sh --folder app first sh -c 'echo > ../begun; read x < ../go; echo first >> log'"
    );
    let mut first = sandbox.bash(&first).spawn().expect("a job");
    sandbox.sh("read x < begun").ok();
    // Now the first one runs, until it is told to go on.
    run_job(&sandbox, "--folder app --wait 0 second sh -c 'echo second >> log'")
        .exits(4)
        .says("another job was at work");
    assert_eq!(sandbox.json("app/failure.json")["exit_code"], 4);
    run_job(&sandbox, "--folder other third true").ok();
    let mut patient =
        sandbox.bash(&format!("env -i {SCRIPTS}/run_job.sh --folder app third sh -c 'echo third >> log'"));
    let mut patient = patient.spawn().expect("a job");
    sandbox.sh("echo > go").ok();
    assert!(first.wait().expect("an end").success() && patient.wait().expect("an end").success());
    assert_eq!(sandbox.read("app/log"), b"first\nthird\n");
}

#[test]
fn the_page_says_what_there_is() {
    if !tools_present(&["flock"]) {
        return;
    }
    let sandbox = team("app");
    let commands = PAGE.split("```console\n").skip(1).filter_map(|block| block.split("```").next());
    let mut count = 0;
    for command in commands.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")) {
        let code = command.split_once("# exit code ").map_or(0, |(_, code)| code.parse().expect("a code"));
        let command = command.replace("scripts/", &format!("{SCRIPTS}/"));
        sandbox.sh(&format!("PATH=$PWD/bin:$PATH {command}")).exits(code);
        count += 1;
    }
    assert_eq!(count, 5);
    assert_eq!(sandbox.json("app/failure.json")["job"], "test");
    let asked = String::from_utf8(sandbox.read("systemctl.log")).expect("text");
    for call in
        ["--user daemon-reload", "--user enable --now golden-snapshot.timer", "--user disable --now golden-drill.timer"]
    {
        assert!(asked.contains(call), "{call} in {asked}");
    }
    assert_eq!(sandbox.sh("ls .config/systemd/user").ok().text(), "");
    for script in ["install_timers.sh", "run_job.sh", "version_dataset.sh"] {
        let help = sandbox.sh(&format!("{SCRIPTS}/{script} --help")).ok().text();
        for option in
            help.split_whitespace().filter(|word| word.starts_with("--") && word.ends_with(char::is_alphabetic))
        {
            assert!(PAGE.contains(option) || ["--db", "--snapshots"].contains(&option), "{script} {option}");
        }
    }
}
