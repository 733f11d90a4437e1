//! `onnx:DIR`: a folder as sentence-transformers writes it, with the network as model.onnx.

use std::path::Path;

use golden::{Error, Result};
use rten::ModelOptions;
use serde_json::Value;

use super::folder::Folder;
use super::guard::guarded;
use super::network::{Network, Onnx, Pooling};
use super::tokens::{Marks, Tokens};
use super::{Loaded, Local, Model, WINDOWS, lengths, windows};
use crate::cli::Cli;
use crate::identity::Info;
use crate::norm::Norm;

/// What a model takes that does not say so, as sentence-transformers assumes.
const MAX_TOKENS: usize = 512;

/// The most tokens that go through the network at once, unless a single text has more: what attention makes of them
/// on the way takes memory by the square of a text's length.
const TOKENS: usize = 4096;

/// Where a model says how many tokens it takes.
const LIMITS: [(&str, &str); 3] = [
    ("sentence_bert_config.json", "max_seq_length"),
    ("tokenizer_config.json", "model_max_length"),
    ("config.json", "max_position_embeddings"),
];

/// The provider `onnx`.
pub fn onnx(path: &Path, cli: &Cli) -> Result<Local> {
    let folder = Folder::new(path);
    let file = if folder.path("model.onnx").exists() { "model.onnx" } else { "onnx/model.onnx" };
    let (weights, tokenizer) = (folder.read(file)?, folder.read("tokenizer.json")?);
    let max_tokens = folder.number(&LIMITS)?.unwrap_or(MAX_TOKENS);
    let modules = Modules::of(&folder)?;
    let prompt = prompt(&folder, cli.service.input_type.as_deref())?;
    if !lengths::fit(&weights.bytes) {
        return Err(Error::data(format!("{} is damaged, cut short or no ONNX file", folder.path(file).display())));
    }
    let model = guarded(|| ModelOptions::with_all_ops().prepack_weights(true).load(weights.bytes))
        .map_err(folder.about(file))?;
    let model = model.map_err(|error| {
        Error::data(format!("cannot load {}: {error}", folder.path(file).display()))
            .guidance("weights in a file of their own beside model.onnx are not read: put them into it")
    })?;
    let network = Onnx::new(model, cli.threads(), modules.pooling).map_err(folder.about(file))?;
    let network = Network::Onnx(network);
    let tokens = Tokens::new(&tokenizer.bytes, max_tokens, cli.long, Marks::Added)
        .map_err(folder.about("tokenizer.json"))?
        .with_prompt(&prompt);
    // The model is asked once: its folder may say anything.
    let ids = tokens.of("dimension").map_err(Error::data).map_err(folder.about("tokenizer.json"))?.windows;
    let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    let probe = network.run(&ids).map_err(folder.about(file))?;
    let dimension = probe.first().map_or(0, Vec::len);
    let settings = [
        ("weights", weights.sha256.into()),
        ("tokenizer", tokenizer.sha256.into()),
        ("pooling", modules.pooling.name().into()),
        ("max_tokens", max_tokens.into()),
        ("long", cli.long.setting()),
        ("prompt", prompt.into()),
        ("dimension", dimension.into()),
    ];
    Ok(Local {
        info: Info {
            provider: "onnx",
            name: folder.name(),
            settings: settings.into(),
            dimension: Some(dimension),
            max_tokens: Some(max_tokens),
            norm: modules.norm,
        },
        model: Model::new(Box::new(|| Ok(Loaded { tokens, network }))),
        threads: cli.threads(),
        windows: windows(cli.batch, (TOKENS / max_tokens).clamp(1, WINDOWS)),
    })
}

/// What comes behind the network.
struct Modules {
    pooling: Pooling,
    norm: Norm,
}

impl Modules {
    fn of(folder: &Folder) -> Result<Self> {
        let mut modules = Self { pooling: Pooling::Mean, norm: Norm::AsMade };
        let listed = folder.settings("modules.json")?;
        for module in listed.as_array().into_iter().flatten() {
            let text = |member: &str| module.get(member).and_then(Value::as_str).unwrap_or_default();
            match text("type").rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                "Normalize" => modules.norm = Norm::Unit,
                "Pooling" => {
                    let file = format!("{}/config.json", text("path"));
                    modules.pooling = pooling(&folder.settings(&file)?).ok_or_else(|| {
                        let wrong = format!("{} names no pooling that is known here", folder.path(&file).display());
                        Error::data(wrong).guidance("known are mean, cls, max and lasttoken, one of them alone")
                    })?;
                }
                other => {
                    let listed = folder.path("modules.json");
                    return Err(Error::data(format!("{} has a module `{other}`", listed.display()))
                        .guidance("known are Transformer, Pooling and Normalize"));
                }
            }
        }
        Ok(modules)
    }
}

/// The pooling of a `1_Pooling/config.json`, in the older form or the newer.
fn pooling(config: &Value) -> Option<Pooling> {
    let forms = [
        ("mean", "pooling_mode_mean_tokens", Pooling::Mean),
        ("cls", "pooling_mode_cls_token", Pooling::Cls),
        ("max", "pooling_mode_max_tokens", Pooling::Max),
        ("lasttoken", "pooling_mode_lasttoken", Pooling::LastToken),
    ];
    let config = config.as_object()?;
    let mut found = forms.iter().filter(|(name, flag, _)| {
        config.get("pooling_mode").and_then(Value::as_str) == Some(name)
            || config.get(*flag).and_then(Value::as_bool) == Some(true)
    });
    // Several at once are put side by side there.
    let others = config.iter().filter(|(key, value)| key.starts_with("pooling_mode_") && value.as_bool() == Some(true));
    match (found.next(), found.next(), others.count()) {
        (Some((_, _, pooling)), None, 0 | 1) => Some(*pooling),
        _ => None,
    }
}

/// What stands before every text: the prompt of this name, or where none is asked for the model's default.
fn prompt(folder: &Folder, input_type: Option<&str>) -> Result<String> {
    const FILE: &str = "config_sentence_transformers.json";
    let config = folder.settings(FILE)?;
    let prompts = config.get("prompts").and_then(Value::as_object);
    let find = |name: &str| prompts.and_then(|prompts| prompts.get(name)).and_then(Value::as_str).map(str::to_owned);
    let default = config.get("default_prompt_name").and_then(Value::as_str);
    let file = folder.path(FILE);
    let file = file.display();
    match (input_type, default) {
        (Some(name), _) => find(name).ok_or_else(|| {
            let names: Vec<_> = prompts.into_iter().flat_map(|prompts| prompts.keys()).map(String::as_str).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Error::usage(format!("the model has no prompt `{name}` for --input-type; {file} has: {known}"))
        }),
        (None, Some(name)) => find(name).ok_or_else(|| Error::data(format!("{file} has no prompt `{name}`"))),
        (None, None) => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pooling_is_named_in_the_older_form_or_the_newer() {
        for name in ["mean", "cls", "max", "lasttoken"] {
            let found = pooling(&json!({"pooling_mode": name, "include_prompt": true}));
            assert_eq!(found.map(Pooling::name), Some(name));
        }
        let older = |flag: &str| pooling(&json!({"pooling_mode_mean_tokens": false, flag: true})).map(Pooling::name);
        assert_eq!(older("pooling_mode_mean_tokens"), Some("mean"));
        assert_eq!(older("pooling_mode_cls_token"), Some("cls"));
        assert_eq!(older("pooling_mode_max_tokens"), Some("max"));
        assert_eq!(older("pooling_mode_lasttoken"), Some("lasttoken"));
        // Unknown, of no kind, and two side by side.
        assert_eq!(older("pooling_mode_weightedmean_tokens"), None);
        assert_eq!(pooling(&json!({"word_embedding_dimension": 384})), None);
        assert_eq!(pooling(&json!({"pooling_mode_mean_tokens": true, "pooling_mode_sum_tokens": true})), None);
    }
}
