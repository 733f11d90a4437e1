//! Text that looks like technical documentation to a compressor, a hash and an index: sentences with
//! a grammar, words as frequent as in real text, headings, code, and Unicode now and then.

use fastrand::Rng;

const NOUNS: &str = "system value request function server table index record query network process file module \
    response thread buffer package version schema column token session cache message object event stream parser \
    compiler transaction database pointer array string handler interface library scheduler worker queue partition \
    replica snapshot checksum embedding vector document chunk analysis pipeline artifact finding model dataset \
    migration deployment container cluster endpoint gateway proxy certificate credential permission policy role user \
    account service client protocol header payload socket channel lock mutex semaphore deadline timeout retry backoff \
    latency throughput benchmark profile trace metric alert dashboard incident postmortem runbook backup restore \
    archive bucket region zone directory path symlink inode filesystem kernel driver register instruction branch merge \
    commit revision conflict repository workspace dependency registry manifest lockfile target artifact-store";
const VERBS: &str = "reads writes returns accepts rejects stores loads parses validates serializes encrypts compresses \
    updates replaces removes inserts merges splits scans filters sorts groups joins indexes caches invalidates \
    schedules cancels retries acknowledges publishes consumes forwards blocks releases acquires allocates copies \
    compares verifies signs hashes restores exports imports migrates deploys monitors records reports measures limits";
const ADJECTIVES: &str = "small large empty current previous next stable unstable atomic consistent durable concurrent \
    asynchronous synchronous optional required default explicit implicit nested flat sorted random unique duplicate \
    temporary permanent remote local public private shared exclusive immutable mutable lazy eager partial complete \
    corrupt valid invalid stale fresh hidden visible external internal generic specific portable reliable idempotent";
const ADVERBS: &str = "usually always never rarely often silently eventually immediately lazily safely atomically \
    correctly twice once later early gradually explicitly internally";
const CONNECTORS: &str = "because while when unless although before after until whenever since";
const PREPOSITIONS: &str = "of in for with from by to on between under over inside";
const ASIDES: &[&str] = &[
    "naïve café résumé",
    "Zürich, Århus and São Paulo",
    "日本語のテキスト",
    "данные и журнал",
    "Ελληνικά",
    "data → hash → digest",
    "π ≈ 3.14159, ε < 10⁻⁶",
    "🚀 shipped, 🐛 fixed",
    "“quoted”, ‘single’ and — dashed",
    "العربية",
];
const CODE: &[&str] = &[
    "async def main():\n    async with asyncio.timeout(10):\n        await worker(queue)\n\nasyncio.run(main())",
    "SELECT status, count(*) FROM analyses\nWHERE created_at >= '2025-01-01'\nGROUP BY status;",
    "fn main() -> std::io::Result<()> {\n    println!(\"{}\", std::fs::read_to_string(\"data.json\")?);\n    Ok(())\n}",
    "{\"id\": 7, \"path\": \"C:\\\\temp\\\\new\", \"tags\": [\"a\", \"b\"], \"ratio\": 0.25}",
    "$ curl -s https://example.org/api/v1/items | jq '.[] | .name'\n\"first\"\n\"second\"",
    "if (!isReady && retries < 3) {\n\treturn fetch(`/status?id=${id}`).then(r => r.json());\n}",
];

/// A seeded source of text.
pub struct Prose {
    rng: Rng,
    nouns: Vec<&'static str>,
    verbs: Vec<&'static str>,
    adjectives: Vec<&'static str>,
    adverbs: Vec<&'static str>,
    connectors: Vec<&'static str>,
    prepositions: Vec<&'static str>,
}

impl Prose {
    /// The same seed gives the same text.
    pub fn new(seed: u64) -> Self {
        let words = |list: &'static str| list.split_whitespace().collect();
        Self {
            rng: Rng::with_seed(seed),
            nouns: words(NOUNS),
            verbs: words(VERBS),
            adjectives: words(ADJECTIVES),
            adverbs: words(ADVERBS),
            connectors: words(CONNECTORS),
            prepositions: words(PREPOSITIONS),
        }
    }

    /// The numbers behind the text, for whatever else a record needs.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// About `length` bytes: paragraphs of sentences, code and foreign words now and then.
    pub fn passage(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 256);
        while text.len() < length {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            if self.rng.u8(..100) < 6 {
                let code = self.rng.choice(CODE).copied().unwrap_or_default();
                text.push_str("```\n");
                text.push_str(code);
                text.push_str("\n```");
            } else {
                self.paragraph(&mut text);
            }
        }
        text
    }

    /// One sentence.
    pub fn sentence(&mut self) -> String {
        let mut text = String::new();
        self.append_sentence(&mut text);
        text
    }

    /// A heading of a few words.
    pub fn heading(&mut self) -> String {
        let adjective = self.word(Words::Adjectives);
        let noun = self.word(Words::Nouns);
        let other = self.word(Words::Nouns);
        let form = self.rng.u8(..4);
        let heading = match form {
            0 => format!("{adjective} {noun}s"),
            1 => format!("how a {noun} {} the {other}", self.word(Words::Verbs)),
            2 => format!("{noun} and {other}"),
            _ => format!("{}. {adjective} {noun} {other}", self.rng.u8(1..20)),
        };
        capitalised(&heading)
    }

    /// A few words joined by `-`, as in an address.
    pub fn slug(&mut self) -> String {
        format!("{}-{}-{}", self.word(Words::Adjectives), self.word(Words::Nouns), self.rng.u32(..1_000_000))
    }

    fn paragraph(&mut self, text: &mut String) {
        for index in 0..self.rng.usize(2..6) {
            if index > 0 {
                text.push(' ');
            }
            self.append_sentence(text);
        }
    }

    fn append_sentence(&mut self, text: &mut String) {
        let start = text.len();
        self.clause(text);
        if self.rng.u8(..100) < 45 {
            text.push_str(if self.rng.bool() { ", " } else { " " });
            text.push_str(self.word(Words::Connectors));
            text.push(' ');
            self.clause(text);
        }
        if self.rng.u8(..100) < 3 {
            text.push_str(" (");
            text.push_str(self.rng.choice(ASIDES).copied().unwrap_or_default());
            text.push(')');
        }
        text.push('.');
        let sentence = capitalised(&text[start..]);
        text.truncate(start);
        text.push_str(&sentence);
    }

    fn clause(&mut self, text: &mut String) {
        self.noun_phrase(text);
        if self.rng.u8(..100) < 25 {
            text.push(' ');
            text.push_str(self.word(Words::Adverbs));
        }
        text.push(' ');
        text.push_str(self.word(Words::Verbs));
        text.push(' ');
        self.noun_phrase(text);
        if self.rng.bool() {
            text.push(' ');
            text.push_str(self.word(Words::Prepositions));
            text.push(' ');
            self.noun_phrase(text);
        }
    }

    fn noun_phrase(&mut self, text: &mut String) {
        text.push_str(match self.rng.u8(..10) {
            0..=5 => "the ",
            6..=7 => "every ",
            8 => "its ",
            _ => "one ",
        });
        if self.rng.u8(..100) < 40 {
            text.push_str(self.word(Words::Adjectives));
            text.push(' ');
        }
        text.push_str(self.word(Words::Nouns));
    }

    /// Early words of a list come far more often than late ones, as in any language.
    fn word(&mut self, words: Words) -> &'static str {
        let position = self.rng.f64() * self.rng.f64();
        let list = match words {
            Words::Nouns => &self.nouns,
            Words::Verbs => &self.verbs,
            Words::Adjectives => &self.adjectives,
            Words::Adverbs => &self.adverbs,
            Words::Connectors => &self.connectors,
            Words::Prepositions => &self.prepositions,
        };
        list[(position * list.len() as f64) as usize]
    }
}

#[derive(Clone, Copy)]
enum Words {
    Nouns,
    Verbs,
    Adjectives,
    Adverbs,
    Connectors,
    Prepositions,
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_text() {
        assert_eq!(Prose::new(7).passage(5_000), Prose::new(7).passage(5_000));
        assert_ne!(Prose::new(7).passage(5_000), Prose::new(8).passage(5_000));
    }
}
