//! Documents in which personal data is planted, and the settings under which that is an error.

use golden::personal::Kind;
use golden::settings::{Level, Settings};
use serde_json::{Value, json};

use super::experiment::Experiment;

/// The experiments that must be noticed as `kind`, and the settings for them.
pub fn experiments(kind: Kind) -> (Vec<Experiment>, Settings) {
    let mut settings = Settings::default();
    settings.personal_data.set_level(kind, Level::Error);
    let value = format!("It says: {}", planted(kind));
    let experiments = [
        ("/analyses/0/title", json!(value)),
        ("/analyses/0/chunks/0/content", json!(value)),
        ("/analyses/0/chunks/0/nested", json!([{"text": value}])),
        ("/analyses/0/chunks/0/keys", Value::Object([(value.clone(), json!(1))].into_iter().collect())),
        ("/metadata/note", json!(value)),
        ("/note", json!(value)),
    ];
    (experiments.into_iter().map(|(pointer, value)| Experiment::set(pointer, value)).collect(), settings)
}

/// A value of a kind. It is put together here, so that no search through this program's source finds one.
fn planted(kind: Kind) -> String {
    let secret = "q7WzR2vKx9TbN4mLs8JdHf3GcPy6Ea5UoXi1";
    match kind {
        Kind::Email => ["somebody", "golden-self-test.com"].join("@"),
        Kind::Phone => ["+49", "30", "9037", "4128"].join(" "),
        Kind::PaymentCard => ["4539", "1488", "0343", "6467"].join(" "),
        Kind::NationalId => ["536", "90", "4399"].join("-"),
        Kind::PrivateKey => ["-----BEGIN", "PRIVATE KEY-----\n"].join(" ") + secret + secret,
        Kind::Token => ["ghp", secret].join("_"),
    }
}
