//! What is tried again, how often, and when it is given up.

use std::thread;
use std::time::Duration;

use golden_tests::Sandbox;
use serde_json::json;

use crate::server::{Reply, Request, Server};
use crate::services::{ALL, KEY, Service, assert_embedded, texts};

/// A server that does this to the first requests for vectors, and then behaves.
fn at_first(service: Service, times: usize, reply: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    Server::start(
        move |request, before| if request.is_post() && before < times { reply() } else { service.well(request) },
    )
}

#[test]
fn what_may_pass_is_tried_again() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 3);
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            let server = at_first(service, 2, move || Reply::status(status, "in a moment"));
            assert_embedded(&service.embed(&sandbox, &server, "--batch 3 --in-flight 1").ok(), &texts);
            assert_eq!(server.posts().len(), 3, "{service:?} {status}");
        }
    }
}

#[test]
fn what_will_not_pass_is_not() {
    for service in ALL {
        let sandbox = Sandbox::new();
        texts(&sandbox, 3);
        for status in [400, 402, 404, 405, 415, 418] {
            let server = at_first(service, 9, move || Reply::status(status, "never \u{1b}[31m"));
            let run = service.embed(&sandbox, &server, "--batch 3 --in-flight 1").exits(3).one_error();
            run.says(&format!("status {status}: never \\u{{1b}}[31m")).never_says("\u{1b}");
            assert_eq!(server.posts().len(), 1, "{service:?} {status}");
        }
    }
    for service in [Service::OpenAi, Service::Voyage] {
        let sandbox = Sandbox::new();
        texts(&sandbox, 3);
        let server = at_first(service, 9, || {
            let error = json!({"message": "You exceeded your current quota", "code": "insufficient_quota"});
            Reply::Json(429, vec![("Retry-After", "0".into())], json!({ "error": error }))
        });
        let run = service.embed(&sandbox, &server, "--batch 3 --in-flight 1").exits(3).one_error();
        run.says("You exceeded your current quota").says("billing");
        assert_eq!(server.posts().len(), 1);
    }
}

#[test]
fn the_service_says_how_long_to_wait() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 3);
        let server = at_first(service, 1, || Reply::Json(429, vec![("Retry-After", "1".into())], json!({})));
        assert_embedded(&service.embed(&sandbox, &server, "--batch 3 --in-flight 1").ok(), &texts);
        let posts = server.posts();
        assert!(posts[1].at - posts[0].at >= Duration::from_secs(1), "{service:?}");
        // The finer one wins: an hour would not have been waited for.
        let server = at_first(service, 1, || {
            Reply::Json(429, vec![("Retry-After", "3600".into()), ("retry-after-ms", "1".into())], json!({}))
        });
        assert_embedded(&service.embed(&sandbox, &server, "--batch 3 --in-flight 1").ok(), &texts);
        let server = at_first(service, 1, || Reply::Json(429, vec![("Retry-After", "3600".into())], json!({})));
        let run = service.embed(&sandbox, &server, "--batch 3 --in-flight 1").exits(3).one_error();
        run.says("3600 seconds").says("status 429");
    }
}

/// What one request is told holds for all: also for those that others send, and for the next after it is given up.
#[test]
fn a_service_that_asks_to_be_left_alone_is_left_alone_by_all() {
    let pause = Duration::from_secs(2);
    for (options, refused) in [("--in-flight 3", 0), ("--in-flight 1 --retries 0 --keep-going", 1)] {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 60);
        let server = Server::start(move |request, before| match before {
            0 if request.is_post() => Reply::Json(429, vec![("Retry-After", "2".into())], json!({})),
            _ => {
                // So that the others have something to ask all the while.
                thread::sleep(Duration::from_millis(50));
                Service::OpenAi.well(request)
            }
        });
        let run = Service::OpenAi.embed(&sandbox, &server, &format!("--batch 1 {options}"));
        let failed = run.text().lines().filter(|line| line.contains("\"error\"")).count();
        assert_eq!((run.text().lines().count(), failed), (texts.len(), refused), "{run}");
        let posts = server.posts();
        let since = |post: &Request| post.at - posts[0].at;
        // What is under way when the service says so still comes: nothing does once it must have been heard.
        let too_early = posts.iter().filter(|post| (pause / 2..pause).contains(&since(post))).count();
        assert_eq!(too_early, 0, "{options}");
        assert!(posts.iter().any(|post| since(post) >= pause), "{options}");
    }
}

#[test]
fn attempts_are_counted() {
    for service in ALL {
        let sandbox = Sandbox::new();
        texts(&sandbox, 3);
        for retries in [0, 1, 4] {
            let server = at_first(service, 99, || Reply::status(503, "overloaded"));
            let run = service.embed(&sandbox, &server, &format!("--batch 3 --in-flight 1 --retries {retries}"));
            run.exits(3).one_error().says("status 503: overloaded").says("tried");
            assert_eq!(server.posts().len(), retries + 1, "{service:?}");
        }
    }
}

#[test]
fn connections_that_are_cut_are_tried_again() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 3);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        let begin = service.answer(Vec::new()).to_string().chars().next().expect("an answer");
        for cut in [
            String::new(),
            "HTTP/1.1 20".to_owned(),
            format!("{head}Content-Length: 1000\r\n\r\n"),
            format!("{head}Content-Length: 1000\r\n\r\n{{\"data\": [{{"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n9\r\n{{\"data\": \r\n"),
            format!("{head}Connection: close\r\n\r\n{begin}"),
        ] {
            let server = at_first(service, 1, {
                let cut = cut.clone();
                move || Reply::Cut(cut.clone().into_bytes())
            });
            assert_embedded(&service.embed(&sandbox, &server, "--batch 3 --in-flight 1").ok(), &texts);
            assert_eq!(server.posts().len(), 2, "{service:?} {cut:?}");
        }
    }
    // Nobody listens there.
    let sandbox = Sandbox::new();
    texts(&sandbox, 1);
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let command = format!("golden-embed --provider openai --url http://{free} --retries 1 texts.jsonl");
    sandbox.sh(&command).exits(3).one_error().says("refused").says("tried 2 times").says(&free.to_string());
}

/// Sends its answer byte by byte.
fn drips() -> Reply {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n";
    Reply::Endless(head.into(), b" ".to_vec(), Duration::from_millis(20))
}

#[test]
fn slow_answers_are_not_waited_for_forever() {
    for service in ALL {
        let sandbox = Sandbox::new();
        texts(&sandbox, 1);
        let hangs: fn() -> Reply = || Reply::Bytes(Vec::new());
        for slow in [hangs, drips] {
            let server = at_first(service, 99, slow);
            let run = service.embed(&sandbox, &server, "--timeout 0.5 --retries 0").exits(3).one_error();
            run.says("no whole answer within 0.5 s (--timeout)");
        }
        let server = at_first(service, 1, || Reply::Bytes(b"HTTP/1.1 200 OK\r\n".to_vec()));
        service.embed(&sandbox, &server, "--timeout 1.5").ok();
        assert!(server.posts().len() >= 2);
    }
}

/// A service that breaks after so many requests.
fn breaks(service: Service, after: usize) -> impl Fn(&Request, usize) -> Reply + Send + Sync {
    move |request, before| if before >= after { Reply::status(500, "broken") } else { service.well(request) }
}

#[test]
fn what_was_embedded_before_the_service_failed_is_there() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 20);
        let server = Server::start(breaks(service, 3));
        let run = service.embed(&sandbox, &server, "--batch 4 --in-flight 1 --retries 2").exits(3).one_error();
        assert_embedded(&run, &texts[..12]);
        assert_eq!(server.posts().len(), 3 + 3);
        let server = Server::start(breaks(service, 3));
        let run = service.embed(&sandbox, &server, "--batch 4 --in-flight 1 --retries 0 --keep-going").exits(3);
        let lines: Vec<_> = run.text().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 20);
        assert!(lines[11].contains("\"embedding\"") && lines[12].contains("\"error\":\"the service at 127.0.0.1"));
    }
}

#[test]
fn what_was_received_is_not_asked_for_again() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 20);
        let model = if service == Service::Tei { "" } else { "--model m" };
        let embed = |server: &Server| {
            let options = format!("{model} --dimensions 8 --batch 4 --in-flight 1 --retries 0");
            let mut bash = sandbox.bash(&service.command(server, &options).replace("--no-cache", ""));
            bash.env(service.variable(), KEY);
            sandbox.run(bash)
        };
        embed(&Server::start(breaks(service, 3))).exits(3);
        let again = Server::start(move |request, _| service.well(request));
        assert_embedded(&embed(&again).ok(), &texts);
        let asked: Vec<_> = again.posts().iter().flat_map(|post| service.texts(post)).collect();
        assert_eq!(asked, texts[12..]);
    }
}
