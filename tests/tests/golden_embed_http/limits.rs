//! How much goes into a request, and how many requests go out at once.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use golden_tests::Sandbox;
use serde_json::json;

use crate::server::{Reply, Server};
use crate::services::{ALL, Service, assert_embedded, info, texts};

#[test]
fn requests_that_are_too_big_are_halved() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 40);
        let server = Server::start(move |request, _| match request.is_post() && service.texts(request).len() > 3 {
            true => Reply::status(413, "Batch size error"),
            false => service.well(request),
        });
        assert_embedded(&service.embed(&sandbox, &server, "--batch 16").ok(), &texts);
    }
}

#[test]
fn a_text_that_is_too_long_is_found_and_named() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 16);
        for (status, message) in [
            (413, "inputs must have less than 512 tokens. Given: 600"),
            (400, "This model's maximum context length is 8192 tokens, however you requested 10000 tokens"),
        ] {
            let long = texts[5].clone();
            let server =
                Server::start(move |request, _| match request.is_post() && service.texts(request).contains(&long) {
                    true => Reply::Json(status, Vec::new(), json!({"error": message})),
                    false => service.well(request),
                });
            let run = service.embed(&sandbox, &server, "--batch 16 --in-flight 1").exits(1);
            let lines: Vec<_> = run.text().lines().map(str::to_owned).collect();
            assert_eq!(lines.len(), 16);
            assert!(lines[5].contains(message) && lines[5].starts_with("{\"id\":5,\"error\":"), "{run}");
            assert_eq!(lines.iter().filter(|line| line.contains("\"embedding\"")).count(), 15);
            // 16, 8, 8, 4, 4, 2, 2, 1, 1
            assert_eq!(server.posts().len(), 9);
        }
    }
}

#[test]
fn batches_keep_to_what_the_services_take() {
    let sandbox = Sandbox::new();
    // Those of a window are spread evenly, so all batches are full.
    texts(&sandbox, 7 * 32);
    let server = Server::start(|request, _| Service::Tei.well(request));
    Service::Tei.embed(&sandbox, &server, "--batch 5000 --in-flight 1").ok();
    let most = server.posts().iter().map(|post| Service::Tei.texts(post).len()).max();
    assert_eq!(most, Some(32), "as it says in /info");
    let server = Server::start(|request, _| match request.path() {
        "/info" => Reply::ok(info("r", 5)),
        _ => Service::Tei.well(request),
    });
    Service::Tei.embed(&sandbox, &server, "").ok();
    assert!(server.posts().iter().all(|post| Service::Tei.texts(post).len() <= 5), "as it said itself");

    // Tokens count, too: 40 texts of 50,000 each.
    let text = "a ".repeat(50_000);
    let lines = (0..40).map(|id| format!("{}\n", json!({"id": id, "text": text})));
    sandbox.write("texts.jsonl", lines.collect::<String>());
    for (service, tokens) in [(Service::OpenAi, 300_000), (Service::Voyage, 120_000)] {
        let server = Server::start(move |request, _| {
            let words: usize = service.texts(request).iter().map(|text| text.split_whitespace().count()).sum();
            assert!(words <= tokens, "{words} words");
            service.well(request)
        });
        let run = service.embed(&sandbox, &server, "--retries 0 --in-flight 1 --encoding base64").ok();
        assert_eq!(run.text().lines().count(), 40);
        assert!(server.posts().len() < 40, "some go together");
    }
}

#[test]
fn several_requests_are_under_way_at_once() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 24);
        let under_way = Arc::new((Mutex::new((0, 0)), Condvar::new()));
        let counted = Arc::clone(&under_way);
        let server = Server::start(move |request, before| {
            if request.is_post() {
                let (counts, changed) = &*counted;
                let mut now = counts.lock().expect("counts");
                now.0 += 1;
                now.1 = now.1.max(now.0);
                changed.notify_all();
                if before < 3 {
                    // Nobody is answered before three have asked.
                    let together = changed.wait_timeout_while(now, Duration::from_secs(20), |now| now.1 < 3);
                    now = together.expect("counts").0;
                }
                now.0 -= 1;
            }
            service.well(request)
        });
        assert_embedded(&service.embed(&sandbox, &server, "--batch 2 --in-flight 3").ok(), &texts);
        assert_eq!(under_way.0.lock().expect("counts").1, 3, "{service:?}");
    }
}
