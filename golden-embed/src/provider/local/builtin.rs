//! The model inside the program.

use golden::{Error, Result};
use rten::ModelOptions;

use super::network::{Network, Pooling};
use super::tokens::{Marks, Tokens};
use super::{Local, WINDOWS};
use crate::cli::Cli;
use crate::identity::Info;
use crate::session::Norm;

static WEIGHTS: &[u8] = include_bytes!("../../../model/all-MiniLM-L6-v2-int8/model.onnx");
static TOKENIZER: &[u8] = include_bytes!("../../../model/all-MiniLM-L6-v2-int8/tokenizer.json");

/// Their SHA-256, known beforehand: hashing the weights takes longer than embedding a short text.
const WEIGHTS_SHA256: &str = "d184fa472981e39889fbe045dccce6e80f070310cd5ae3f35729f10270c83ef9";
const TOKENIZER_SHA256: &str = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037";

const MAX_TOKENS: usize = 256;
const DIMENSION: usize = 384;

/// The provider `builtin`.
pub fn builtin(cli: &Cli) -> Result<Local> {
    let settings = [
        ("weights", WEIGHTS_SHA256.into()),
        ("tokenizer", TOKENIZER_SHA256.into()),
        ("pooling", "mean".into()),
        ("max_tokens", MAX_TOKENS.into()),
        ("long", cli.long.setting()),
        ("dimension", DIMENSION.into()),
    ];
    let info = Info {
        provider: "builtin",
        name: "all-MiniLM-L6-v2-int8".into(),
        settings: settings.into(),
        dimension: Some(DIMENSION),
        max_tokens: Some(MAX_TOKENS),
        norm: Norm::Unit,
    };
    let model = ModelOptions::with_all_ops().prepack_weights(true).load_static_slice(WEIGHTS);
    let model = model.map_err(|error| Error::data(format!("the model inside the program does not load: {error}")))?;
    let threads = cli.threads();
    Ok(Local {
        info,
        tokens: Tokens::new(TOKENIZER, MAX_TOKENS, cli.long, Marks::Added)?,
        network: Network::new(model, threads)?,
        pooling: Pooling::Mean,
        threads,
        windows: cli.batch.map_or(WINDOWS, usize::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_digests_are_those_of_the_files() {
        for (bytes, digest) in [(WEIGHTS, WEIGHTS_SHA256), (TOKENIZER, TOKENIZER_SHA256)] {
            let found: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, digest);
        }
    }
}
