//! The model inside the program.

use std::thread;

use serde_json::Value;

use super::bert::{Arithmetic, Bert};
use super::network::Network;
use super::tokens::{Marks, Tokens};
use super::{Loaded, Local, Model, WINDOWS, joined, windows};
use crate::cli::Cli;
use crate::identity::Info;
use crate::norm::Norm;

static WEIGHTS: &[u8] = include_bytes!("../../../model/all-MiniLM-L6-v2-int8/model.onnx");
static TOKENIZER: &[u8] = include_bytes!("../../../model/all-MiniLM-L6-v2-int8/tokenizer.json");

/// Their SHA-256, known beforehand: hashing the weights takes longer than embedding a short text.
const WEIGHTS_SHA256: &str = "21f3385716f4aead756439788e6a7231de1b0af16468c2f372b28f05eb5f2f26";
const TOKENIZER_SHA256: &str = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037";

const MAX_TOKENS: usize = 256;
const DIMENSION: usize = 384;

/// The provider `builtin`.
pub fn builtin(cli: &Cli) -> Local {
    local(cli, Arithmetic::Floats, "builtin", "all-MiniLM-L6-v2-int8", [])
}

/// The provider `builtin-fast`: the same weights, other arithmetic, so other vectors.
pub fn builtin_fast(cli: &Cli) -> Local {
    let own = [("arithmetic", "int8, rows of 7 bits".into())];
    local(cli, Arithmetic::Bytes, "builtin-fast", "all-MiniLM-L6-v2-int8-fast", own)
}

fn local<const N: usize>(
    cli: &Cli,
    arithmetic: Arithmetic,
    provider: &'static str,
    name: &str,
    own: [(&'static str, Value); N],
) -> Local {
    let settings = [
        ("weights", WEIGHTS_SHA256.into()),
        ("tokenizer", TOKENIZER_SHA256.into()),
        ("pooling", "mean".into()),
        ("max_tokens", MAX_TOKENS.into()),
        ("long", cli.long.setting()),
        ("dimension", DIMENSION.into()),
    ];
    let info = Info {
        provider,
        name: name.into(),
        settings: settings.into_iter().chain(own).collect(),
        dimension: Some(DIMENSION),
        max_tokens: Some(MAX_TOKENS),
        norm: Norm::Unit,
    };
    let (long, threads) = (cli.long, cli.threads());
    let load = move || {
        thread::scope(|scope| {
            let tokens = scope.spawn(|| Tokens::new(TOKENIZER, MAX_TOKENS, long, Marks::Added));
            let network = Bert::new(WEIGHTS, arithmetic, threads)
                .map_err(|error| error.context("the model inside the program"))?;
            Ok(Loaded { tokens: joined(tokens)?, network: Network::Bert(network) })
        })
    };
    Local { info, model: Model::new(Box::new(load)), threads, windows: windows(cli.batch, WINDOWS) }
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
