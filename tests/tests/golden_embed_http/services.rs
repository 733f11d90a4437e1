//! The services as they are documented, and the command that asks them.

use base64::{Engine, prelude::BASE64_STANDARD};
use golden_tests::{Run, Sandbox};
use serde_json::{Value, json};

use crate::server::{Reply, Request, Server};

/// What must never be seen.
pub const KEY: &str = "sk-Zauberwort-0815";

/// The dimension of all vectors, unless another is asked for.
pub const DIMENSION: usize = 8;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    OpenAi,
    Voyage,
    Ollama,
    Tei,
}

use Service::{Ollama, OpenAi, Tei, Voyage};

/// All of them.
pub const ALL: [Service; 4] = [OpenAi, Voyage, Ollama, Tei];

impl Service {
    pub fn name(self) -> &'static str {
        match self {
            OpenAi => "openai",
            Voyage => "voyage",
            Ollama => "ollama",
            Tei => "tei",
        }
    }

    pub fn variable(self) -> &'static str {
        match self {
            OpenAi => "OPENAI_API_KEY",
            Voyage => "VOYAGE_API_KEY",
            Ollama => "OLLAMA_API_KEY",
            Tei => "TEI_API_KEY",
        }
    }

    pub fn url(self, server: &Server) -> String {
        match self {
            OpenAi | Voyage => format!("http://127.0.0.1:{}/v1", server.port),
            Ollama | Tei => format!("http://127.0.0.1:{}", server.port),
        }
    }

    /// Whether its vectors say which texts they belong to.
    pub fn has_indexes(self) -> bool {
        matches!(self, OpenAi | Voyage)
    }

    /// The texts of a request.
    pub fn texts(self, request: &Request) -> Vec<String> {
        let texts = &request.body[if self == Tei { "inputs" } else { "input" }];
        let texts = texts.as_array().unwrap_or_else(|| panic!("texts in {request:?}"));
        texts.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
    }

    fn dimension(self, request: &Request) -> usize {
        let asked = &request.body[if self == Voyage { "output_dimension" } else { "dimensions" }];
        asked.as_u64().map_or(DIMENSION, |asked| asked as usize)
    }

    /// The answer that holds these vectors.
    pub fn answer(self, vectors: Vec<(usize, Value)>) -> Value {
        let plain = |vectors: Vec<(usize, Value)>| vectors.into_iter().map(|(_, vector)| vector).collect::<Vec<_>>();
        match self {
            OpenAi | Voyage => {
                let item = |(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector});
                let data: Vec<_> = vectors.into_iter().map(item).collect();
                json!({"object": "list", "data": data, "model": "m", "usage": {"total_tokens": 5}})
            }
            Ollama => json!({"model": "m", "embeddings": plain(vectors), "total_duration": 1, "prompt_eval_count": 8}),
            Tei => json!(plain(vectors)),
        }
    }

    /// The right vectors for a request, with their indexes, as numbers.
    pub fn vectors(self, request: &Request) -> Vec<(usize, Value)> {
        let dimension = self.dimension(request);
        let texts = self.texts(request);
        texts.iter().map(|text| json!(vector(text, dimension))).enumerate().collect()
    }

    /// Answers as documented.
    pub fn well(self, request: &Request) -> Reply {
        if request.header("authorization") != Some(&format!("Bearer {KEY}")) {
            return Reply::status(401, &format!("Incorrect API key provided: not {KEY}"));
        }
        match (self, request.path()) {
            (OpenAi | Voyage, "/v1/embeddings") | (Ollama, "/api/embed") | (Tei, "/embed") => {}
            (Ollama, "/api/tags") => return Reply::ok(tags("aa11")),
            (Tei, "/info") => return Reply::ok(info("c0ffee", 32)),
            _ => return Reply::status(404, "no such path"),
        }
        if request.header("content-type") != Some("application/json") {
            return Reply::status(415, "not JSON");
        }
        if let Some(strange) = self.unknown_member(&request.body) {
            return Reply::status(400, &format!("Argument '{strange}' is not supported"));
        }
        if self.texts(request).iter().any(String::is_empty) {
            return Reply::status(400, "an empty string");
        }
        let mut vectors = self.vectors(request);
        if request.body["encoding_format"] == "base64" {
            for (text, (_, vector)) in self.texts(request).iter().zip(&mut vectors) {
                *vector = json!(base64(&self::vector(text, self.dimension(request))));
            }
        }
        Reply::ok(self.answer(vectors))
    }

    /// A member of the request, or its value, that the service would not take.
    fn unknown_member(self, body: &Value) -> Option<String> {
        let known: &[&str] = match self {
            OpenAi => &["model", "input", "encoding_format", "dimensions"],
            Voyage => &["model", "input", "encoding_format", "input_type", "truncation", "output_dimension"],
            Ollama => &["model", "input", "truncate", "dimensions"],
            Tei => &["inputs", "normalize", "truncate", "prompt_name", "dimensions"],
        };
        let members = body.as_object()?;
        if self == Voyage && members.get("encoding_format").is_some_and(|format| format == "float") {
            return Some("encoding_format".into());
        }
        members.keys().find(|name| !known.contains(&name.as_str())).cloned()
    }

    /// The command that embeds `texts.jsonl` with this service.
    pub fn command(self, server: &Server, arguments: &str) -> String {
        let (name, url) = (self.name(), self.url(server));
        format!("golden-embed --no-cache --provider {name} --url {url} {arguments} texts.jsonl")
    }

    /// Embeds `texts.jsonl`, with the key in the environment.
    pub fn embed(self, sandbox: &Sandbox, server: &Server, arguments: &str) -> Run {
        let model = if self == Tei { "" } else { "--model m" };
        let command = self.command(server, &format!("{model} --dimensions {DIMENSION} {arguments}"));
        let mut bash = sandbox.bash(&command);
        bash.env(self.variable(), KEY);
        sandbox.run(bash).never_says(KEY).never_says("panicked")
    }
}

/// Ollama's `/api/tags`.
pub fn tags(digest: &str) -> Value {
    let model = |name: &str| json!({"name": name, "model": name, "size": 1, "digest": digest, "details": {}});
    json!({"models": [model("other:latest"), model("m:latest")]})
}

/// TEI's `/info`.
pub fn info(revision: &str, batch: usize) -> Value {
    json!({
        "model_id": "someone/m", "model_sha": revision, "model_dtype": "float16",
        "model_type": {"embedding": {"pooling": "cls"}}, "max_concurrent_requests": 512, "max_input_length": 512,
        "max_batch_tokens": 16384, "max_batch_requests": null, "max_client_batch_size": batch,
        "auto_truncate": false, "tokenization_workers": 4, "version": "1.6.0", "sha": null, "docker_label": null
    })
}

/// The vector of a text: numbers that another text does not have.
pub fn vector(text: &str, dimension: usize) -> Vec<f32> {
    let sum = text.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    (0..dimension).map(|place| (sum.rotate_left(place as u32) % 1000) as f32 / 8.0 + 1.0).collect()
}

pub fn base64(vector: &[f32]) -> String {
    BASE64_STANDARD.encode(vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())
}

/// So many texts, in `texts.jsonl`.
pub fn texts(sandbox: &Sandbox, count: usize) -> Vec<String> {
    let kinds = ["plain", "ünïcödé 漢字", "שלום עולם", "🦀🎉", "tab\tquote\"back\\slash", "two\nlines\u{1}"];
    let texts: Vec<_> = (0..count).map(|number| format!("{} {number}", kinds[number % kinds.len()])).collect();
    let line = |(id, text): (usize, &String)| format!("{}\n", json!({"id": id, "text": text}));
    sandbox.write("texts.jsonl", texts.iter().enumerate().map(line).collect::<String>());
    texts
}

/// Demands that every text got its own vector, in order.
#[track_caller]
pub fn assert_embedded(run: &Run, texts: &[String]) {
    let lines: Vec<Value> = run.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), texts.len(), "lines of {run}");
    for (number, (line, text)) in lines.iter().zip(texts).enumerate() {
        assert_eq!(line["id"], number, "{run}");
        let numbers = line["embedding"].as_array().unwrap_or_else(|| panic!("a vector in {line} of {run}"));
        let numbers: Vec<f32> = numbers.iter().map(|number| number.as_f64().expect("a number") as f32).collect();
        assert_eq!(numbers, vector(text, numbers.len()), "{text}");
    }
}
