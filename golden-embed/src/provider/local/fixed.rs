//! `static:DIR`: a folder as model2vec writes it. Each token has its vector, and a text the mean of them: a
//! thousand times as fast as a network, and coarser.

use std::path::Path;

use golden::{Error, Result};
use serde_json::Value;

use super::folder::Folder;
use super::tensors::{Tensor, Tensors};
use super::tokens::{Marks, NO_WORD, Tokens};
use crate::cli::Cli;
use crate::identity::Info;
use crate::norm::{Norm, to_unit};
use crate::provider::{Caching, LongText, Order, Outcome, Provider, Shape};

/// What model2vec takes where nobody says.
const MAX_TOKENS: usize = 512;

/// The most texts that one thread takes at a time.
const TEXTS: usize = 256;

/// The provider `static`.
pub struct Fixed {
    info: Info,
    tokens: Tokens,
    table: Table,
    threads: usize,
    texts: usize,
}

/// The vectors of all tokens.
struct Table {
    width: usize,
    rows: Vec<f32>,
    /// The row of each token, where several share one.
    mapping: Option<Vec<usize>>,
    /// What each token counts.
    weights: Option<Vec<f32>>,
    /// The token of what is unknown, which does not count.
    unknown: Option<u32>,
}

impl Fixed {
    pub fn open(path: &Path, cli: &Cli) -> Result<Self> {
        let folder = Folder::new(path);
        let (weights, tokenizer) = (folder.read("model.safetensors")?, folder.read("tokenizer.json")?);
        let config = folder.settings("config.json")?;
        let normalizes = config.get("normalize").and_then(Value::as_bool) == Some(true);
        let max_tokens = folder.number(&[("config.json", "max_length")])?.unwrap_or(MAX_TOKENS);
        let mut tokens =
            Tokens::new(&tokenizer.bytes, max_tokens, cli.long, Marks::None).map_err(folder.about("tokenizer.json"))?;
        if cli.long != LongText::Mean {
            // As model2vec does before it tokenizes.
            let most = max_tokens * tokens.median_length();
            tokens = tokens.with_most_chars(most);
        }
        let table = Table::read(&weights.bytes, tokens.unknown()).map_err(folder.about("model.safetensors"))?;
        let settings = [
            ("weights", weights.sha256.into()),
            ("tokenizer", tokenizer.sha256.into()),
            ("max_tokens", max_tokens.into()),
            ("long", cli.long.setting()),
            ("dimension", table.width.into()),
        ];
        let info = Info {
            provider: "static",
            name: folder.name(),
            settings: settings.into(),
            dimension: Some(table.width),
            max_tokens: Some(max_tokens),
            norm: if normalizes { Norm::Unit } else { Norm::AsMade },
        };
        let texts = cli.batch.map_or(TEXTS, usize::from);
        Ok(Self { info, tokens, table, threads: cli.threads(), texts })
    }

    fn outcome(&self, text: &str) -> Outcome {
        let tokens = match self.tokens.of(text) {
            Ok(tokens) => tokens,
            Err(why) => return Outcome::Refused(why),
        };
        match self.table.mean(tokens.windows.iter().flatten().copied()) {
            Some(mut vector) => {
                if self.info.norm == Norm::Unit {
                    to_unit(&mut vector);
                }
                Outcome::Vector { vector, fit: tokens.fit }
            }
            None => Outcome::Refused(NO_WORD.to_owned()),
        }
    }
}

impl Provider for Fixed {
    fn info(&self) -> Result<Info> {
        Ok(self.info.clone())
    }

    fn shape(&self) -> Shape {
        Shape { at_once: self.threads, texts: self.texts, tokens: usize::MAX, order: Order::AsRead }
    }

    fn caching(&self) -> Caching {
        Caching::Pointless
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Outcome>> {
        Ok(texts.iter().map(|text| self.outcome(text)).collect())
    }
}

impl Table {
    fn read(bytes: &[u8], unknown: Option<u32>) -> Result<Self> {
        let tensors = Tensors::read(bytes)?;
        let table =
            tensors.find("embeddings")?.map_or_else(|| tensors.find("embedding.weight"), |found| Ok(Some(found)))?;
        let Some(Tensor { shape, numbers: rows }) = table else {
            return Err(Error::data("it holds no tensor `embeddings`"));
        };
        let width = match *shape.as_slice() {
            [_, width] if width > 0 => width,
            _ => return Err(Error::data("its tensor `embeddings` is no table")),
        };
        let mapping = tensors.find("mapping")?.map(|rows| rows.numbers.iter().map(|row| *row as usize).collect());
        let weights = tensors.find("weights")?.map(|weights| weights.numbers);
        Ok(Self { width, rows, mapping, weights, unknown })
    }

    /// The mean vector of some tokens, none of no token.
    fn mean(&self, tokens: impl Iterator<Item = u32>) -> Option<Vec<f32>> {
        let (mut sum, mut count) = (vec![0.0; self.width], 0_u32);
        for token in tokens.filter(|token| Some(*token) != self.unknown) {
            let token = token as usize;
            let row = self.mapping.as_ref().map_or(Some(token), |rows| rows.get(token).copied())?;
            let weight = self.weights.as_ref().map_or(Some(1.0), |weights| weights.get(token).copied())?;
            let vector = self.rows.get(row.checked_mul(self.width)?..)?.get(..self.width)?;
            sum.iter_mut().zip(vector).for_each(|(sum, number)| *sum += weight * number);
            count += 1;
        }
        sum.iter_mut().for_each(|number| *number /= count as f32);
        (count > 0).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_mean_of_what_its_tokens_stand_for() {
        let rows = vec![1.0, 0.0, 0.0, 1.0, 4.0, 4.0];
        let plain = Table { width: 2, rows, mapping: None, weights: None, unknown: Some(2) };
        assert_eq!(plain.mean([0, 1].into_iter()), Some(vec![0.5, 0.5]));
        assert_eq!(plain.mean([0, 2, 2].into_iter()), Some(vec![1.0, 0.0]), "what is unknown does not count");
        assert_eq!(plain.mean([2].into_iter()), None);
        assert_eq!(plain.mean([3].into_iter()), None, "of a token that the table does not have");
        // Several tokens share a row, and each has a weight of its own.
        let shared = Table { mapping: Some(vec![1, 1, 2]), weights: Some(vec![2.0, 4.0, 0.5]), unknown: None, ..plain };
        assert_eq!(shared.mean([0, 1].into_iter()), Some(vec![0.0, 3.0]));
        assert_eq!(shared.mean([2].into_iter()), Some(vec![2.0, 2.0]));
    }
}
