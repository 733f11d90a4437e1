//! A password for a PostgreSQL server is in nothing that is printed or written, and in no process' arguments.
//! Budget: 20 s.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use golden_tests::{Pgvector, Postgres, Run, Sandbox};

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

/// Unlike any that another test may have in its arguments.
const PASSWORD: &str = "Geheimnis4711";

/// The arguments of all processes that hold the password. This test hands it on by the environment alone.
fn processes_that_tell() -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let arguments = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let arguments = arguments.map(|arguments| String::from_utf8_lossy(&arguments).replace('\0', " "));
    arguments.filter(|arguments| arguments.contains(PASSWORD)).collect()
}

/// Runs a command while everybody's arguments are watched.
fn watched(sandbox: &Sandbox, command: Command) -> Run {
    let is_over = AtomicBool::new(false);
    let (run, told) = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut told = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                told.extend(processes_that_tell());
                thread::sleep(Duration::from_millis(1));
            }
            told
        });
        let run = sandbox.run(command);
        is_over.store(true, Ordering::Relaxed);
        (run, watch.join().expect("a watch"))
    });
    assert!(told.is_empty(), "{told:?} during {run}");
    run
}

#[test]
fn wherever_it_comes_from() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --all --db app.db --output backup.json").ok();
    let database = server.database(Pgvector::Absent);
    database.sql(&format!(
        "CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'; ALTER DATABASE {} OWNER TO app; GRANT ALL ON SCHEMA public TO app",
        database.name
    ));
    let (port, name) = (server.port(), &database.name);
    let url = format!("postgres://app@127.0.0.1:{port}/{name}");
    let private = |name: &str, text: String| {
        sandbox.write(name, text);
        fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(0o600)).expect("a mode");
    };
    private("secret.pgpass", format!("*:*:*:app:{PASSWORD}\n"));
    private(
        "secret.services",
        format!("[golden]\nhost=127.0.0.1\nport={port}\ndbname={name}\nuser=app\npassword={PASSWORD}\n"),
    );
    let with_password = url.replace("app@", &format!("app:{PASSWORD}@"));
    let sources: [&[(&str, &str)]; 4] = [
        &[("DATABASE_URL", &with_password)],
        &[("DATABASE_URL", &url), ("PGPASSWORD", PASSWORD)],
        &[("DATABASE_URL", &url), ("PGPASSFILE", "secret.pgpass")],
        &[("DATABASE_URL", "postgres://"), ("PGSERVICE", "golden"), ("PGSERVICEFILE", "secret.services")],
    ];
    // The embedder looks at its parent and at what its parent left open to others.
    let spy = "spy() { cat /proc/*/cmdline | tr \"\\0\" \" \"; } 2>/dev/null; spy >> seen; exec toy-embed";
    sandbox.write("spy.sh", spy);
    let runs = [
        ("golden-import --init --replace --yes --embed 'bash spy.sh' --after 'bash -c :' backup.json", 0),
        ("golden-export --all --output exported.json --force", 0),
        ("golden-verify --db $DATABASE_URL backup.json", 0),
        ("golden-verify --against $DATABASE_URL backup.json", 0),
        ("golden-import --no-embed --replace --yes bad.json", 1),
        ("golden-export --schema other.toml", 2),
    ];
    sandbox.write("bad.json", sandbox.read("backup.json").split_at(500).0);
    sandbox.write("other.toml", "[analyses]\ntable = \"nowhere\"\n");
    for source in sources {
        for (script, code) in runs {
            // On a command line of the user's it is seen by others, which is said; that is another test.
            let script =
                script.replace("$DATABASE_URL", if source == sources[0] { "postgres://" } else { source[0].1 });
            for json in ["", " --json"] {
                let mut command = sandbox.bash(&format!("{script}{json}"));
                command.envs(source.iter().copied());
                if source == sources[0] && script.contains("postgres://") {
                    command.envs([
                        ("PGHOST", "127.0.0.1"),
                        ("PGUSER", "app"),
                        ("PGDATABASE", name),
                        ("PGPASSWORD", PASSWORD),
                    ]);
                    command.env("PGPORT", port.to_string());
                }
                watched(&sandbox, command).exits(code).never_says(PASSWORD);
            }
        }
        // One that is wrong is not repeated either.
        let mut command = sandbox.bash("golden-export --json");
        command.env("DATABASE_URL", &url).env("PGPASSWORD", format!("{PASSWORD}x"));
        watched(&sandbox, command).exits(3).says("authentication failed").never_says(PASSWORD);
    }
    let seen = String::from_utf8(sandbox.read("seen")).expect("text");
    assert!(seen.contains("golden-import") && !seen.contains(PASSWORD), "{seen}");
    let told = sandbox.sh(&format!("grep -rl {PASSWORD} . | sort")).text();
    assert_eq!(told, "./secret.pgpass\n./secret.services\n", "no file that was written holds it");
}
