//! What goes out, what comes back, and what is made of wrong answers.

use std::time::Duration;

use golden_tests::Sandbox;
use serde_json::{Value, json};

use crate::server::{Reply, Request, Server};
use crate::services::{ALL, DIMENSION, KEY, Service, assert_embedded, base64, info, tags, texts};

#[test]
fn every_service_is_spoken_to_as_documented() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 60);
        let server = Server::start(move |request, _| service.well(request));
        let run = service.embed(&sandbox, &server, "--batch 7").ok();
        assert_embedded(&run, &texts);
        let posts = server.posts();
        assert!(posts.iter().all(|post| service.texts(post).len() <= 7));
        let mut sent: Vec<_> = posts.iter().flat_map(|post| service.texts(post)).collect();
        sent.sort();
        let mut asked = texts.clone();
        asked.sort();
        assert_eq!(sent, asked, "every text is sent once");
        let body = &posts[0].body;
        let expected = match service {
            Service::OpenAi => json!([body["model"], body["dimensions"]]) == json!(["m", DIMENSION]),
            Service::Voyage => {
                json!([body["model"], body["output_dimension"], body["input_type"], body["truncation"]])
                    == json!(["m", DIMENSION, null, true])
            }
            Service::Ollama => json!([body["model"], body["truncate"]]) == json!(["m", true]),
            Service::Tei => json!([body["truncate"], body["normalize"]]) == json!([true, true]),
        };
        assert!(expected, "{body}");
        assert!(posts.iter().all(|post| post.header("user-agent").is_some_and(|agent| agent.starts_with("golden-"))));
    }
}

#[test]
fn options_reach_the_services_that_know_them() {
    let sandbox = Sandbox::new();
    texts(&sandbox, 1);
    let sent = |service: Service, arguments: &str| {
        let server = Server::start(move |request, _| service.well(request));
        service.embed(&sandbox, &server, arguments).ok();
        server.posts()[0].body.clone()
    };
    for service in [Service::Voyage, Service::Ollama, Service::Tei] {
        let member = if service == Service::Voyage { "truncation" } else { "truncate" };
        assert_eq!(sent(service, "--long error")[member], false);
    }
    assert_eq!(sent(Service::Voyage, "--input-type document")["input_type"], "document");
    assert_eq!(sent(Service::Tei, "--input-type query")["prompt_name"], "query");
    let refused = |arguments: &str, why: &str| {
        sandbox.sh(&format!("golden-embed --url http://127.0.0.1:1 {arguments}")).exits(2).one_error().says(why);
    };
    refused("--provider openai --input-type query", "--input-type");
    refused("--provider ollama --model m --input-type query", "--input-type");
    refused("--provider voyage --input-type other", "document");
    refused("--provider ollama", "--model");
    refused("--provider tei --long mean", "--long");
    refused("--provider hash", "--url is for a service");
    sandbox.sh("golden-embed --provider nobody").exits(2).says("openai, voyage, ollama, tei");
    sandbox.sh("golden-embed --provider tei").exits(2).one_error().says("--url");
    sandbox.sh("golden-embed --provider tei --url http://127.0.0.1:1 --timeout 0").exits(2).says("seconds");
}

#[test]
fn the_identity_is_the_models_and_holds_no_address() {
    let sandbox = Sandbox::new();
    let identity = |service: Service, revision: &'static str, arguments: &str| {
        let server = Server::start(move |request, _| match (service, request.path()) {
            (Service::Ollama, "/api/tags") => Reply::ok(tags(revision)),
            (Service::Tei, "/info") => Reply::ok(info(revision, 32)),
            _ => service.well(request),
        });
        let run = service.embed(&sandbox, &server, &format!("--info {arguments}")).ok().never_says("127.0.0.1");
        let info: Value = serde_json::from_str(&run.text()).expect("JSON");
        assert_eq!(info["dimension"], DIMENSION);
        assert_eq!(info["provider"], service.name());
        info["model"].as_str().expect("a model").to_owned()
    };
    for service in ALL {
        let usual = identity(service, "r1", "");
        assert_eq!(usual, identity(service, "r1", ""), "another port is the same model");
        let same_text = matches!(service, Service::OpenAi | Service::Voyage);
        assert_eq!(usual == identity(service, "r2", ""), same_text, "{service:?}");
    }
    for service in [Service::Voyage, Service::Tei] {
        let typed = |kind: &str| identity(service, "r1", &format!("--input-type {kind}"));
        assert_ne!(typed("query"), typed("document"));
        assert_ne!(typed("query"), identity(service, "r1", ""));
    }
    for service in [Service::Voyage, Service::Ollama, Service::Tei] {
        assert_ne!(identity(service, "r1", "--long error"), identity(service, "r1", ""));
    }
    assert!(identity(Service::Tei, "r1", "").starts_with("someone/m@"));
    assert!(identity(Service::Ollama, "r1", "").starts_with("m:latest@"));
}

#[test]
fn a_dimension_that_nobody_knows_is_asked_for() {
    for service in ALL {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 3);
        let server = Server::start(move |request, _| service.well(request));
        let model = if service == Service::Tei { "" } else { "--model m" };
        let ask = |server: &Server, arguments: &str| {
            let mut bash = sandbox.bash(&service.command(server, &format!("{model} {arguments}")));
            bash.env(service.variable(), KEY);
            sandbox.run(bash)
        };
        assert_eq!(ask(&server, "--info").ok().json()["dimension"], DIMENSION);
        assert_embedded(&ask(&server, "").ok(), &texts);
        let empty = Server::start(move |request, _| match request.is_post() {
            true => Reply::ok(service.answer(vec![(0, json!([]))])),
            false => service.well(request),
        });
        ask(&empty, "--info").exits(3).one_error().says("hold no numbers").says("--url");
    }
    // Where it is documented, nothing is sent.
    let sandbox = Sandbox::new();
    let info = sandbox.sh("golden-embed --provider openai --info --url http://127.0.0.1:1").ok().json();
    assert_eq!([&info["dimension"], &info["max_tokens"]], [&json!(1536), &json!(8192)]);
}

#[test]
fn the_model_must_be_there() {
    let sandbox = Sandbox::new();
    texts(&sandbox, 1);
    let server = Server::start(|request, _| Service::Ollama.well(request));
    let ollama = format!("golden-embed --provider ollama --url http://127.0.0.1:{} --model", server.port);
    let with_key = |command: String| {
        let mut bash = sandbox.bash(&command);
        bash.env("OLLAMA_API_KEY", KEY).env("TEI_API_KEY", KEY);
        sandbox.run(bash)
    };
    with_key(format!("{ollama} nobody")).exits(3).one_error().says("no model `nobody`").says("ollama pull nobody");
    with_key(format!("{ollama} m:latest --info")).ok();
    let server = Server::start(|request, _| Service::Tei.well(request));
    let tei = format!("golden-embed --provider tei --url http://127.0.0.1:{}", server.port);
    with_key(format!("{tei} --model nobody")).exits(3).one_error().says("runs someone/m, not nobody");
    with_key(format!("{tei} --model someone/m --info")).ok();
    let server = Server::start(|_, _| {
        let mut info = info("r", 32);
        info["model_type"] = json!({"reranker": {"id2label": {}}});
        Reply::ok(info)
    });
    let tei = format!("golden-embed --provider tei --url http://127.0.0.1:{}", server.port);
    with_key(tei).exits(3).one_error().says("embeds nothing");
}

#[test]
fn shuffled_answers_are_put_in_order() {
    for service in [Service::OpenAi, Service::Voyage] {
        let sandbox = Sandbox::new();
        let texts = texts(&sandbox, 30);
        let server = Server::start(move |request, before| {
            let mut vectors = service.vectors(request);
            vectors.reverse();
            let half = vectors.len() / 2;
            vectors.rotate_left(before % half.max(1));
            Reply::ok(service.answer(vectors))
        });
        assert_embedded(&service.embed(&sandbox, &server, "--batch 10").ok(), &texts);
    }
}

/// Embeds four texts in one request whose vectors something was done to.
#[track_caller]
fn spoilt(service: Service, spoil: impl Fn(&mut Vec<(usize, Value)>) + Send + Sync + 'static) -> golden_tests::Run {
    let sandbox = Sandbox::new();
    texts(&sandbox, 4);
    let server = Server::start(move |request: &Request, _| {
        if !request.is_post() {
            return service.well(request);
        }
        let mut vectors = service.vectors(request);
        spoil(&mut vectors);
        Reply::ok(service.answer(vectors))
    });
    let run = service.embed(&sandbox, &server, "--batch 4 --in-flight 1");
    assert_eq!(server.posts().len(), 1, "wrong answers are not asked for again: {run}");
    run
}

#[test]
fn missing_surplus_and_doubled_vectors_are_errors() {
    for service in ALL {
        let wrong = |spoil: fn(&mut Vec<(usize, Value)>), of_index: &str, of_count: &str| {
            let run = spoilt(service, spoil).exits(3).one_error();
            assert_eq!(run.text(), "", "{run}");
            run.says(if service.has_indexes() { of_index } else { of_count });
        };
        wrong(|vectors| drop(vectors.pop()), "for 1 of 4 texts", "3 vectors came back for 4 texts");
        wrong(|vectors| drop(vectors.remove(0)), "for 1 of 4 texts", "3 vectors");
        wrong(|vectors| vectors.clear(), "for 4 of 4 texts", "0 vectors");
        wrong(|vectors| vectors.push((4, json!([1.0]))), "index 4, for 4 texts", "5 vectors");
        wrong(|vectors| vectors.push((0, json!([1.0]))), "two vectors came back with the index 0", "5 vectors");
    }
    for service in [Service::OpenAi, Service::Voyage] {
        spoilt(service, |vectors| vectors[1].0 = 2).exits(3).one_error().says("two vectors");
        spoilt(service, |vectors| vectors[3].0 = usize::MAX).exits(3).one_error().says("for 4 texts");
    }
}

#[test]
fn wrong_vectors_are_errors() {
    for service in ALL {
        let dimension = spoilt(service, |vectors| vectors[2].1 = json!([1.0, 2.0])).exits(3).one_error();
        dimension.says("2 numbers, not 8");
        spoilt(service, |vectors| vectors[0].1 = json!([])).exits(3).one_error().says("0 numbers, not 8");
        for strange in [json!(null), json!("no Base64"), json!("AAAA"), json!([1, "2"]), json!([null]), json!({})] {
            let run = spoilt(service, move |vectors| vectors[1].1 = strange.clone()).exits(3).one_error();
            run.says("not what was asked for");
        }
        spoilt(service, |vectors| vectors[1].1 = json!([1e39, 1, 1, 1, 1, 1, 1, 1])).exits(3).one_error();
        // One text's vector is of no use: its line says so, the others are answered.
        let run = spoilt(service, |vectors| vectors[1].1 = json!(base64(&[f32::NAN; DIMENSION]))).exits(1);
        assert_eq!(run.text().lines().count(), 4);
        run.says("{\"id\":1,\"error\":\"the vector holds a number that is not finite\"}");
        spoilt(service, |vectors| vectors[3].1 = json!(vec![0; DIMENSION])).exits(1).says("the vector is zero");
    }
}

#[test]
fn an_answer_that_is_no_json_is_an_error() {
    for service in ALL {
        let sandbox = Sandbox::new();
        texts(&sandbox, 2);
        let html = "<html>Welcome to the captive portal</html>";
        for (kind, body, why) in [
            ("text/html", html, "the answer is text/html, not JSON"),
            ("application/octet-stream", "[]", "the answer is application/octet-stream, not JSON"),
            ("application/json", html, "the answer is not what was asked for"),
            ("application/json", "{\"error\": \"in disguise\"}", "the answer is not what was asked for"),
        ] {
            let server = Server::start(move |request, _| {
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
                if request.is_post() {
                    Reply::Bytes([head.as_bytes(), body.as_bytes()].concat())
                } else {
                    service.well(request)
                }
            });
            service.embed(&sandbox, &server, "").exits(3).one_error().says(why).says("--url");
        }
    }
}

#[test]
fn an_answer_without_end_is_cut_off() {
    for service in ALL {
        let sandbox = Sandbox::new();
        texts(&sandbox, 1);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let server = Server::start(move |request, _| match request.is_post() {
            true => {
                let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
                Reply::Endless(head.into(), chunk.into(), Duration::ZERO)
            }
            false => service.well(request),
        });
        service.embed(&sandbox, &server, "").exits(3).one_error().says("the answer is longer than");
        // What was not read can lie in the system's buffers, up to 10 MB between both ends.
        assert!(server.sent() < 20_000_000, "{} bytes were sent", server.sent());
    }
}
