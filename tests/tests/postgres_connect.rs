//! Reaching a PostgreSQL server: encryption, passwords, services. Budget: 20 s.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use golden_tests::{Authority, Pgvector, Postgres, Sandbox, Validity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const PASSWORD: &str = "Zauber:w\\ort@1";

/// The length and the code with which a client asks for encryption.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What becomes of a connection that is to be encrypted.
#[derive(Clone, Copy)]
enum Manner {
    /// It is passed on.
    Serves,
    /// It is cut when the handshake begins.
    BreaksOff,
    /// It is refused as by a line `hostnossl` of pg_hba.conf.
    Refuses,
}

/// What a server says to whom it lets in only without encryption.
const REFUSAL: &[u8] = b"E\0\0\0\x34SFATAL\0VFATAL\0C28000\0Mno entry with encryption\0\0";

/// A port that encrypts for a server built without, with a certificate for `localhost`, valid or not any more.
struct Encrypted {
    port: u16,
    /// How many connections were encrypted.
    sessions: Arc<AtomicU64>,
}

impl Encrypted {
    fn start(server: &Postgres, authority: &Authority, validity: Validity) -> Self {
        Self::with_manner(server, authority, validity, Manner::Serves)
    }

    fn with_manner(server: &Postgres, authority: &Authority, validity: Validity, manner: Manner) -> Self {
        let acceptor = TlsAcceptor::from(authority.server("localhost", validity));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("a mode");
        let (target, sessions) = (server.port(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&sessions);
        // Ends with the tests.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(pass_on(client, acceptor.clone(), target, Arc::clone(&counted), manner));
                }
            });
        });
        Self { port, sessions }
    }
}

async fn pass_on(
    mut client: TcpStream,
    acceptor: TlsAcceptor,
    port: u16,
    sessions: Arc<AtomicU64>,
    manner: Manner,
) -> std::io::Result<()> {
    let mut first = [0; 8];
    client.read_exact(&mut first).await?;
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    if first == SSL_REQUEST {
        client.write_all(b"S").await?;
        if matches!(manner, Manner::BreaksOff) {
            return Ok(());
        }
        let mut client = acceptor.accept(client).await?;
        if matches!(manner, Manner::Refuses) {
            client.write_all(REFUSAL).await?;
            return client.shutdown().await;
        }
        sessions.fetch_add(1, Ordering::Relaxed);
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    } else {
        server.write_all(&first).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    }
    Ok(())
}

/// Tables with a row, so that something is exported.
const TABLES: &str = "
    CREATE TABLE analyses (id int PRIMARY KEY, status text); CREATE TABLE chunks (id int, analysis_id int);
    INSERT INTO analyses VALUES (1, 'completed');";

#[test]
fn certificates_are_held_to_what_is_asked() {
    let ca = Authority::new("ours");
    let Some(server) = Postgres::shared() else { return };
    let (good, expired) =
        (Encrypted::start(server, &ca, Validity::Current), Encrypted::start(server, &ca, Validity::Expired));
    let plain = server.port();
    let sandbox = Sandbox::new();
    sandbox.write("ca.pem", ca.pem());
    sandbox.write("other.pem", Authority::new("another").pem());
    let connects = |port: u16, host: &str, options: &str| {
        let url = format!("postgres://postgres@{host}:{port}/template1?connect_timeout=10&{options}");
        sandbox.sh(&format!("golden-export --db '{url}'"))
    };
    let sessions = || good.sessions.load(Ordering::Relaxed);
    // template1 has no tables: whoever gets that far is connected.
    let accepted =
        |server, host, options: &str| drop(connects(server, host, options).exits(2).says("it has no tables"));
    let refused = |server, host, options: &str, why: &str| {
        drop(connects(server, host, options).exits(3).one_error().says("cannot connect").says(why))
    };
    for mode in ["verify-full", "verify-ca", "require"] {
        accepted(good.port, "localhost", &format!("sslmode={mode}&sslrootcert=ca.pem"));
        refused(good.port, "localhost", &format!("sslmode={mode}&sslrootcert=other.pem"), "UnknownIssuer");
        refused(expired.port, "localhost", &format!("sslmode={mode}&sslrootcert=ca.pem"), "expired");
        refused(plain, "localhost", &format!("sslmode={mode}&sslrootcert=ca.pem"), "does not support TLS");
    }
    accepted(good.port, "127.0.0.1", "sslmode=verify-ca&sslrootcert=ca.pem");
    refused(good.port, "127.0.0.1", "sslmode=verify-full&sslrootcert=ca.pem", "not valid for name");
    for (options, encrypted) in [("sslmode=require", 1), ("sslmode=prefer", 1), ("sslmode=disable", 0), ("", 1)] {
        let before = sessions();
        accepted(good.port, "127.0.0.1", options);
        assert_eq!(sessions() - before, encrypted, "{options}");
    }
    accepted(expired.port, "localhost", "sslmode=require");
    accepted(plain, "localhost", "sslmode=prefer");
    refused(plain, "localhost", "sslmode=require", "does not support TLS");
    for missing in ["sslmode=verify-full", "sslmode=verify-full&sslrootcert=nowhere.pem"] {
        connects(good.port, "localhost", missing).exits(3).one_error().says("no trusted certificates");
    }
    connects(good.port, "localhost", "sslmode=verify").exits(2).one_error().says("`sslmode`");
}

#[test]
fn who_prefers_encryption_does_without_where_it_fails() {
    let ca = Authority::new("ours");
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::new();
    for (manner, says) in [(Manner::BreaksOff, "TLS handshake"), (Manner::Refuses, "no entry with encryption")] {
        let port = Encrypted::with_manner(server, &ca, Validity::Current, manner).port;
        let connects =
            |options: &str| sandbox.sh(&format!("golden-export --db 'postgres://postgres@127.0.0.1:{port}/{options}'"));
        for options in ["template1", "template1?sslmode=prefer"] {
            connects(options).exits(2).says("it has no tables");
        }
        connects("template1?sslmode=require").exits(3).one_error().says(says);
        // Both reasons are said where neither way leads in.
        connects("nowhere").exits(3).one_error().says(says).says("without encryption").says("does not exist");
    }
}

#[test]
fn a_server_that_answers_is_not_asked_about() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::new();
    let export = |port: u16| {
        sandbox.sh(&format!("golden-export --db 'postgres://postgres@127.0.0.1:{port}/nosuch'")).exits(3).one_error()
    };
    export(server.port()).says("\"nosuch\" does not exist").says("createdb").never_says("is the server running");
    let unused =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    export(unused).says("is the server running");
}

#[test]
fn the_user_is_by_default_the_one_of_the_operating_system() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::new();
    let name = sandbox.sh("id -un").ok().text();
    for environment in ["USER=somebody LOGNAME=somebody", "-u USER -u LOGNAME"] {
        let url = format!("postgres://127.0.0.1:{}/template1", server.port());
        let run = sandbox.sh(&format!("env {environment} golden-export --db {url}")).exits(3).one_error();
        run.says(&format!("role \"{}\" does not exist", name.trim()));
    }
}

#[test]
fn a_password_is_never_shown() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database(Pgvector::Absent);
    database.sql(&format!(
        "DO $$ BEGIN CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         {TABLES} GRANT SELECT ON ALL TABLES IN SCHEMA public TO app"
    ));
    let sandbox = Sandbox::new();
    let (port, name) = (server.port(), &database.name);
    let url = format!("postgres://app@127.0.0.1:{port}/{name}");
    let export = format!("golden-export --db '{url}'");
    let sh = |script: &str| sandbox.sh(script).never_says("Zauber").never_says("w\\ort");
    sh(&export).exits(3).one_error().says("PGPASSWORD");
    sh(&format!("PGPASSWORD='{PASSWORD}' {export}")).ok().never_says("processes");
    for json in ["", "--json"] {
        sh(&format!("PGPASSWORD='{PASSWORD}x' {export} {json}")).exits(3).says("password authentication failed");
        sh(&format!("PGPASSWORD='{PASSWORD}' golden-export {json} --db '{url}no'")).exits(3).says("does not exist");
    }
    // In the URL it is taken, with a warning; in the environment's URL without.
    let encoded = PASSWORD.replace(':', "%3A").replace('\\', "%5C").replace('@', "%40");
    let with_password = url.replace("app@", &format!("app:{encoded}@"));
    sh(&format!("golden-export --db '{with_password}'")).ok().says("others can see the password");
    sh(&format!("DATABASE_URL='{with_password}' golden-export")).ok().never_says("others can see");
    sh(&format!("golden-export --db '{with_password}&x'")).exits(3).one_error();
    sh(&format!("golden-export --db '{with_password}?sslmode=x'")).exits(2).one_error();
    sh(&format!("golden-export --db '{}'", with_password.replace(&port.to_string(), "x"))).exits(2).one_error();
    sh(&format!("golden-verify --db '{with_password}' <(golden-export --quiet --db '{with_password}')")).ok();
    // In a file, which must be private.
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    sandbox.write(".pgpass", format!("other:*:*:*:wrong\n127.0.0.1:{port}:{name}:app:{escaped}\n"));
    let mode = |mode| std::fs::set_permissions(sandbox.path(".pgpass"), std::fs::Permissions::from_mode(mode));
    mode(0o600).expect("a mode");
    sh(&export).ok();
    sh(&format!("PGPASSFILE=/nowhere {export}")).exits(3);
    mode(0o644).expect("a mode");
    sh(&export).exits(3).says("can be read by others");
    // And in a service.
    let service = format!("[golden]\nhost=127.0.0.1\nport={port}\ndbname={name}\nuser=app\npassword={PASSWORD}\n");
    sandbox.write("services.conf", service);
    sh("PGSERVICEFILE=services.conf golden-export --db 'postgres://?service=golden'").ok();
    sh("PGSERVICEFILE=services.conf PGSERVICE=golden golden-export --db postgres://").ok();
    sh("PGSERVICEFILE=services.conf PGSERVICE=silver golden-export --db postgres://")
        .exits(2)
        .one_error()
        .says("`silver`");
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let sandbox = Sandbox::new();
    let run = sandbox.sh("golden-export --db 'postgres://me@127.0.0.1:1/app'").exits(3).one_error();
    run.says("cannot connect to database `app` on 127.0.0.1, port 1").says("refused");
    sandbox.sh("golden-export --db 'postgres://me@/app?host=/nowhere'").exits(3).one_error().says("/nowhere");
}
