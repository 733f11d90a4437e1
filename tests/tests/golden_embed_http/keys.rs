//! Keys: where they come from, where they go, and where they never appear.

use std::sync::{Arc, Mutex};

use golden_tests::{Authority, Run, Sandbox};
use serde_json::json;

use crate::server::{Reply, Server};
use crate::services::{ALL, KEY, Service, assert_embedded, texts};

/// The command lines of all processes.
fn command_lines() -> String {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    // Processes end while we look.
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ") + "\n").collect()
}

#[test]
fn keys_come_from_the_environment_or_a_file_and_show_nowhere() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 3);
        sandbox.write("key", format!("{KEY}\n"));
        let seen = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&seen);
        let server = Server::start(move |request, _| {
            kept.lock().expect("command lines").push_str(&command_lines());
            service.well(request)
        });
        assert_embedded(&service.embed(&sandbox, &server, "").ok(), &texts);
        service.embed(&sandbox, &server, "--json").ok();
        service.embed(&sandbox, &server, "--info").ok();
        // A file goes before the environment.
        let model = if service == Service::Tei { "" } else { "--model m" };
        let command = service.command(&server, &format!("{model} --dimensions 8 --key-file key"));
        let run = sandbox.sh(&format!("{}=wrong {command}", service.variable())).ok().never_says(KEY);
        assert_embedded(&run, &texts);
        let seen = seen.lock().expect("command lines");
        assert!(seen.contains("--provider") && seen.contains(&format!(":{}", server.port)), "it was looked at");
        assert!(!seen.contains(KEY), "the key stands in a command line");
    }
}

#[test]
fn errors_do_not_show_keys() {
    for service in ALL {
        let sandbox = Sandbox::new();
        texts(&sandbox, 2);
        // 400 is refused at once, 500 given up, 413 refused for each text.
        for (status, code) in [(400, 3), (401, 3), (403, 3), (404, 3), (413, 1), (429, 3), (500, 3)] {
            let server = Server::start(move |request, _| match request.is_post() {
                true => Reply::status(status, &format!("it is too bad: {KEY} is not {}", &KEY[..10])),
                false => service.well(request),
            });
            let run = service.embed(&sandbox, &server, "--retries 1").exits(code).says(&status.to_string());
            if matches!(status, 401 | 403) {
                run.says("does not accept the key").never_says(&KEY[..10]);
            } else {
                run.says("(the key)");
            }
            service.embed(&sandbox, &server, "--retries 0 --json").exits(code);
            service.embed(&sandbox, &server, "--retries 0 --keep-going").exits(code);
        }
        let server = Server::start(|_, _| Reply::ok(json!({"data": KEY, "embeddings": KEY, "models": KEY})));
        service.embed(&sandbox, &server, "").exits(3).one_error();
        let server = Server::start(|_, _| Reply::Cut(format!("HTTP/1.1 200 {KEY}\r\n{KEY}\r\n\r\n").into_bytes()));
        service.embed(&sandbox, &server, "--retries 0").exits(3).one_error();
    }
}

#[test]
fn without_a_key_the_variable_is_named() {
    for service in ALL {
        let sandbox = Sandbox::new();
        texts(&sandbox, 1);
        let server = Server::start(move |request, _| service.well(request));
        let model = if service == Service::Tei { "" } else { "--model m" };
        let command = service.command(&server, &format!("{model} --dimensions 8"));
        for before in ["", &format!("{}= ", service.variable())] {
            let run = sandbox.sh(&format!("{before}{command}")).exits(3).one_error();
            run.says("status 401").says(service.variable()).says("--key-file");
        }
        assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
    }
}

#[test]
fn a_key_that_is_none_is_not_repeated() {
    let sandbox = Sandbox::new();
    let embed = |arguments: &str| sandbox.sh(&format!("golden-embed --provider openai {arguments}"));
    sandbox.write("two", "my secret\nis this\n");
    sandbox.write("empty", "\n");
    sandbox.write("binary", [0xff, 0xfe]);
    embed("--key-file two").exits(2).one_error().says("two holds no key").never_says("secret");
    embed("--key-file empty").exits(2).one_error().says("empty is empty");
    embed("--key-file binary").exits(3).one_error().says("cannot read binary");
    embed("--key-file missing").exits(3).one_error().says("cannot read missing");
    let run = sandbox.sh("OPENAI_API_KEY='my secret' golden-embed --provider openai").exits(2).one_error();
    run.says("OPENAI_API_KEY holds no key").never_says("secret");
    embed("--url https://me:secret@example.com").exits(2).one_error().says("--key-file").never_says("secret");
}

#[test]
fn keys_do_not_leave_this_machine_in_clear() {
    for service in ALL {
        let sandbox = Sandbox::new();
        // An address of the documentation's own: nobody is there.
        let model = if service == Service::Tei { "" } else { "--model m" };
        let command = |arguments: &str| {
            let name = service.name();
            // No proxy stands between.
            let to = "--url http://192.0.2.1 --connect-timeout 0.2 --timeout 0.3 --retries 0";
            format!(
                "echo '{{\"id\": 1, \"text\": \"t\"}}' | NO_PROXY='*' golden-embed --provider {name} {model} {to} {arguments}"
            )
        };
        let with_key = |arguments: &str| -> Run {
            let mut bash = sandbox.bash(&command(arguments));
            bash.env(service.variable(), KEY);
            sandbox.run(bash).never_says(KEY)
        };
        with_key("").exits(2).one_error().says("not reached over https").says("--key-in-clear");
        with_key("--key-in-clear").exits(3).one_error().says("192.0.2.1");
        sandbox.sh(&command("")).exits(3).one_error();
    }
}

#[test]
fn redirections_are_not_followed() {
    for service in ALL {
        let sandbox = Sandbox::new();
        texts(&sandbox, 2);
        let elsewhere = Arc::new(Server::start(move |request, _| service.well(request)));
        for status in [301, 302, 303, 307, 308] {
            let port = elsewhere.port;
            let target = format!("http://user:{KEY}@localhost:{port}/{KEY}");
            let server = Server::start(move |_, _| Reply::Json(status, vec![("Location", target.clone())], json!({})));
            let run = service.embed(&sandbox, &server, "--in-flight 1").exits(3).one_error();
            run.says(&format!("localhost:{port}")).says("not followed").says(&format!("status {status}"));
            assert_eq!(server.requests().len(), 1);
        }
        assert!(elsewhere.requests().is_empty(), "nothing reaches the other host");
    }
}

#[test]
fn proxies_are_for_other_machines_and_see_no_key() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 2);
        let proxy = Server::start(|_, _| Reply::Cut(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec()));
        let proxied = |command: &str| {
            let mut bash = sandbox.bash(command);
            bash.env(service.variable(), KEY).env("ALL_PROXY", format!("http://user:word@127.0.0.1:{}", proxy.port));
            bash.env_remove("NO_PROXY").env_remove("no_proxy");
            sandbox.run(bash).never_says(KEY).never_says("word")
        };
        let model = if service == Service::Tei { "" } else { "--model m" };
        let server = Server::start(move |request, _| service.well(request));
        assert_embedded(&proxied(&service.command(&server, &format!("{model} --dimensions 8"))).ok(), &texts);
        assert!(proxy.requests().is_empty(), "this machine is reached directly");
        sandbox.write("ca.pem", Authority::new("nobody").pem());
        let options = "--url https://service.example/v1 --ca-file ca.pem --retries 0";
        let command = format!("golden-embed --provider {} {model} {options} texts.jsonl", service.name());
        proxied(&command).exits(3).one_error().says("the proxy does not connect");
        let requests = proxy.requests();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].line.starts_with("CONNECT service.example:443"), "{requests:?}");
        assert!(!format!("{requests:?}").contains(KEY));
    }
}
