//! Where the system names an issuer, nothing is done without a token of its. Budget: 30 s.

use golden_tests::{Authority, Guarded, Https, Sandbox, Validity, Versioned};
use serde_json::Value;

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'one')";
const ACCESS: &str = include_str!("../../docs/access.md");

fn guarded() -> Option<Guarded<'static>> {
    Guarded::new(Versioned::sqlite(TABLE))
}

/// The entries of a JSON object.
fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().expect("an object").iter()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[test]
fn tokens_of_the_issuer_are_accepted() {
    let Some(guarded) = guarded() else { return };
    for (number, (name, token)) in entries(&guarded.tokens["accepted"]).enumerate() {
        guarded.run(text(token), &format!("create --dataset t --tag v{number} --json")).ok();
        let logged = guarded.logged();
        assert_eq!(logged["subject"], "alice", "{name}: {logged}");
        assert_eq!(logged["outcome"], "done", "{name}: {logged}");
    }
    // Who it was stands in the table, too.
    assert_eq!(guarded.it.value("SELECT DISTINCT json_extract(params, '$.subject') FROM jobs"), "alice");
    assert_eq!(guarded.it.value("SELECT count(*) FROM jobs WHERE params LIKE '%eyJ%'"), "0");
}

#[test]
fn all_others_are_refused_and_written_down() {
    let Some(guarded) = guarded() else { return };
    let good = text(&guarded.tokens["accepted"]["ES256"]);
    guarded.run(good, "init").ok();
    let mut refused = 0;
    for (name, case) in entries(&guarded.tokens["refused"]) {
        let [token, why, is_proven] = [&case[0], &case[1], &case[2]];
        guarded.run(text(token), "create --dataset t --tag never").exits(5).one_error().says(text(why));
        let logged = guarded.logged();
        assert_eq!(logged["exit_code"], 5, "{name}: {logged}");
        assert_eq!(logged["outcome"], "refused", "{name}: {logged}");
        assert_eq!(logged["error_kind"], "denied", "{name}: {logged}");
        assert_eq!(logged["command"], "create", "{name}: {logged}");
        assert_eq!(logged["dataset"], "t", "{name}: {logged}");
        assert_eq!(logged["scope"], "dataset.version.create", "{name}: {logged}");
        // Whom the issuer vouches for is told from who says so.
        let (subject, other) = match is_proven.as_bool() {
            Some(true) => ("subject", "claimed_subject"),
            _ => ("claimed_subject", "subject"),
        };
        assert_eq!(logged[other], Value::Null, "{name}: {logged}");
        if name != "no token" {
            assert_eq!(logged[subject], if name == "changed" { "bob" } else { "alice" }, "{name}: {logged}");
        }
        refused += u32::from(is_proven == true);
        let jobs = guarded.it.value("SELECT count(*) FROM jobs WHERE status = 'refused'");
        assert_eq!(jobs, refused.to_string(), "{name}: only those whom the issuer vouches for fill the table");
    }
    guarded.inside(&guarded.it.line("list")).exits(5).one_error().says("dataset.read").says("GOLDEN_TOKEN");
    assert_eq!(guarded.logged()["outcome"], "refused");
    assert_eq!(guarded.it.value("SELECT count(*) FROM dataset_versions"), "0", "nothing was done");
    let error = guarded.it.value("SELECT error FROM jobs WHERE status = 'refused' ORDER BY started_at LIMIT 1");
    assert!(error.contains("token"), "{error}");
    // On a system that names no issuer nobody asks.
    guarded.it.run("list").ok();
}

/// The rows of the table of the documentation: a scope, and the commands that it guards.
fn documented() -> Vec<(String, Vec<String>)> {
    let rows = ACCESS.lines().filter_map(|line| line.strip_prefix("| `dataset."));
    rows.map(|row| {
        let (scope, commands) = row.split_once("` | ").expect("two columns");
        let commands = commands.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (format!("dataset.{scope}"), commands)
    })
    .collect()
}

#[test]
fn every_command_needs_the_scope_that_the_table_says() {
    let Some(guarded) = guarded() else { return };
    let good = text(&guarded.tokens["accepted"]["ES256"]);
    guarded.run(good, "create --dataset t --tag v1").ok();
    // What each takes, so that it is read.
    let arguments = |command: &str| match command.split(' ').next().unwrap_or_default() {
        "list" | "jobs" | "verify" | "init" => "",
        "create" | "begin" => "--dataset t --tag v2",
        "show" | "protect" | "unprotect" | "snapshot" | "finish" | "record" | "checkout" => "--dataset t --version v1",
        "export" => "--dataset t --version v1 --output -  --format jsonl",
        "publish" => "--dataset t --to published",
        "diff" => "--dataset t v1",
        _ => "--dataset t",
    };
    let table = documented();
    let mut guards = 0;
    for (scope, commands) in &table {
        for command in commands {
            let command = command.replace("checkout --into", "checkout --into other.db");
            let line = format!("{command} {}", arguments(&command));
            // All but this scope.
            let without = text(&guarded.tokens["without"][scope.as_str()]);
            let run = guarded.run(without, &line).exits(5).one_error();
            run.says(&format!("lacks the scope {scope}"));
            let logged = guarded.logged();
            assert_eq!(logged["subject"], "alice", "{logged}");
            assert!(text(&logged["scope"]).contains(scope.as_str()), "{logged}");
            // With this one alone it goes ahead, if it needs no other.
            if !command.contains("--into") {
                for kind in ["scopes", "scope lists"] {
                    let run = guarded.run(text(&guarded.tokens[kind][scope.as_str()]), &line);
                    assert_ne!(run.code, 5, "{run}");
                }
            }
            guards += 1;
        }
    }
    for name in ["no scope", "longer scope"] {
        guarded.run(text(&guarded.tokens[name]), "list").exits(5).says("lacks the scope dataset.read");
    }
    assert!(guards >= 20);
    // The table leaves no command out.
    let help = Sandbox::new().sh("golden-version --help").ok().text();
    let listed = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("commands");
    for command in listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()) {
        let is_there = table.iter().any(|(_, commands)| commands.iter().any(|known| known == command));
        assert!(is_there || command.is_empty() || command == "help", "{command}");
    }
}

#[test]
fn a_token_in_a_file_and_what_is_none() {
    let Some(guarded) = guarded() else { return };
    let good = text(&guarded.tokens["accepted"]["EdDSA"]).to_owned();
    guarded.it.sandbox.write("token", format!("{good}\n"));
    let line = guarded.it.line("init");
    guarded.inside(&format!("{line} --token-file token")).ok().never_says(&good);
    guarded.inside(&format!("GOLDEN_TOKEN_FILE=token {line}")).ok();
    guarded.inside(&format!("GOLDEN_TOKEN=useless {line} --token-file token")).ok();
    guarded.inside(&format!("{line} --token-file nowhere")).exits(5).one_error().says("nowhere");
    guarded.it.sandbox.write("token", "my secret words\n");
    guarded.inside(&format!("{line} --token-file token")).exits(5).one_error().never_says("secret");
    guarded.it.sandbox.write("token", "");
    guarded.inside(&format!("{line} --token-file token")).exits(5).one_error().says("holds no token");
    guarded.it.sandbox.write("token", "x".repeat(100_000));
    guarded.inside(&format!("{line} --token-file token")).exits(5).one_error().never_says("xxx");
    guarded.it.sandbox.write("token", [0xff, 0xfe]);
    guarded.inside(&format!("{line} --token-file token")).exits(5).one_error();
    // Help and man pages are everybody's.
    guarded.inside("golden-version --help").ok();
    guarded.inside("golden-version --generate man").ok();
}

#[test]
fn keys_over_https_are_fetched_again_when_one_is_missing() {
    let Some(guarded) = guarded() else { return };
    let good = text(&guarded.tokens["accepted"]["RS256"]).to_owned();
    let new = text(&guarded.tokens["new"]).to_owned();
    let authority = Authority::new("ours");
    guarded.it.sandbox.write("etc/golden/ca.pem", authority.pem());
    // What the system trusts.
    std::fs::create_dir_all(guarded.it.sandbox.path("etc/ssl/certs")).expect("a folder");
    guarded.it.sandbox.write("etc/ssl/certs/ca-certificates.crt", Authority::new("another").pem());
    let tls = |host: &str| authority.server(host, Validity::Current);
    let settings = |server: &Https, ca: &str| guarded.settings(&format!("jwks = \"{}\"\n{ca}", server.url()));
    let ca = "ca-file = \"/etc/golden/ca.pem\"";

    let (old, rotated) = (guarded.tokens["jwks"].to_string(), guarded.tokens["rotated"].to_string());
    let server = Https::serve(tls("127.0.0.1"), move |before| Https::json(if before < 2 { &old } else { &rotated }));
    settings(&server, ca);
    guarded.run(&good, "init").ok();
    assert_eq!(server.answered(), 1);
    // The first answer to this one still lacks the new key.
    guarded.run(&new, "init").ok();
    assert_eq!(server.answered(), 3);
    guarded.run(&good, "init").exits(5).one_error().says("key that the issuer does not have");
    assert_eq!(server.answered(), 5, "asked once more, and not again");

    // Whoever calls does not say whom to trust.
    settings(&server, "");
    guarded.run(&new, "init").exits(3).one_error().says("keys cannot be had");
    let export =
        "export SSL_CERT_FILE=$PWD/etc/golden/ca.pem HTTPS_PROXY=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1";
    let line = guarded.it.line("init");
    guarded.inside(&format!("{export} GOLDEN_TOKEN='{new}'; {line}")).exits(3).never_says(&new);
    assert_eq!(server.answered(), 5);
    settings(&server, ca);
    guarded.inside(&format!("{export} GOLDEN_TOKEN='{new}'; {line}")).ok();

    // Nobody is let in by answers that are none.
    let too_much = format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(2 << 20));
    for (answer, says) in [
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(), "status 503"),
        ("HTTP/1.1 302 Elsewhere\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned(), "302"),
        (Https::json("[]"), "no set of keys"),
        (Https::json("{"), "no set of keys"),
        (Https::json(&too_much), "keys cannot be had"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{".to_owned(), "keys cannot be had"),
    ] {
        let server = Https::serve(tls("127.0.0.1"), move |_| answer.clone());
        settings(&server, ca);
        guarded.run(&new, "init").exits(3).one_error().says(says);
    }
    let server = Https::serve(tls("example.com"), |_| Https::json("{}"));
    settings(&server, ca);
    guarded.run(&new, "init").exits(3).one_error().says("keys cannot be had");
}

#[test]
fn settings_that_others_than_root_could_change_let_nobody_in() {
    let Some(guarded) = guarded() else { return };
    let good = text(&guarded.tokens["accepted"]["ES256"]).to_owned();
    for file in ["golden.toml", "jwks.json"] {
        guarded.it.sandbox.sh(&format!("chmod 666 etc/golden/{file}")).ok();
        guarded.run(&good, "init").exits(3).one_error().says(file).says("chmod go-w");
        guarded.it.sandbox.sh(&format!("chmod 644 etc/golden/{file}")).ok();
    }
    guarded.run(&good, "init").ok();
    for (lines, says) in [
        ("jwks = \"jwks.json\"", "from / on"),
        ("jwks = \"http://id.example.org/keys\"", "https://"),
        ("jwks = \"/etc/golden/nowhere.json\"", "nowhere.json"),
        ("jwks = \"/etc/golden/jwks.json\"\nadience = \"x\"", "adience"),
        ("jwks = \"/etc/golden/jwks.json\"\n[atuh]", "atuh"),
        ("", "jwks"),
    ] {
        guarded.settings(lines);
        let run = guarded.run(&good, "init").one_error().says(says);
        assert!([2, 3].contains(&run.code), "{run}");
    }
    // A link that leads nowhere is not the same as no settings.
    guarded.it.sandbox.sh("ln -sf nowhere etc/golden/golden.toml").ok();
    guarded.run(&good, "init").exits(3).one_error();
    // The environment leads to no other settings, and settings without an issuer ask for nothing.
    guarded.it.sandbox.sh("rm etc/golden/golden.toml && : > etc/golden/golden.toml").ok();
    guarded.inside(&guarded.it.line("init")).ok();
}

#[test]
fn refusals_on_postgres() {
    for it in Versioned::both(TABLE) {
        let Some(guarded) = Guarded::new(it) else { return };
        let good = text(&guarded.tokens["accepted"]["ES256"]).to_owned();
        guarded.run(&good, "create --dataset t --tag v1").ok();
        let read = text(&guarded.tokens["scopes"]["dataset.read"]).to_owned();
        guarded.run(&read, "jobs").ok().says("alice");
        guarded.run(&read, "create --dataset t --tag v2").exits(5).one_error().says("dataset.version.create");
        guarded.run(&read, "jobs").ok().says("refused").says("lacks the scope dataset.version.create").says("alice");
        guarded.run(&read, "list").ok().never_says("v2");
    }
}
