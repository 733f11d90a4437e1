//! What makes one vector of a text's tokens.

use std::sync::Arc;

use golden::{Error, Result};
use rten::{Model, NodeId, RunOptions, ThreadPool};
use rten_tensor::{Layout, NdTensor, Tensor};

use super::bert::Bert;
use super::guard::guarded;

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean
    Mean,
    /// The first token's
    Cls,
    /// The greatest number at each place
    Max,
    /// The last token's
    LastToken,
}

/// A network that takes token ids.
pub enum Network {
    /// As an ONNX file has it.
    Onnx(Onnx),
    /// The builtin model's.
    Bert(Bert),
}

impl Network {
    /// One vector for each text, given as token ids.
    pub fn run(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Onnx(network) => network.run(texts),
            Self::Bert(network) => network.run(texts),
        }
    }
}

/// A network in ONNX form, run by rten.
pub struct Onnx {
    model: Model,
    ids: NodeId,
    mask: Option<NodeId>,
    types: Option<NodeId>,
    output: NodeId,
    pooling: Pooling,
    pool: Arc<ThreadPool>,
}

impl Onnx {
    /// Finds its way around a model that was loaded, and lets it use so many threads.
    pub fn new(model: Model, threads: usize, pooling: Pooling) -> Result<Self> {
        let output = model.find_node("last_hidden_state").or_else(|| model.output_ids().first().copied());
        let (Some(ids), Some(output)) = (model.find_node("input_ids"), output) else {
            return Err(Error::data("the model has no input `input_ids`, or no output"));
        };
        let (mask, types) = (model.find_node("attention_mask"), model.find_node("token_type_ids"));
        Ok(Self { ids, mask, types, output, model, pooling, pool: Arc::new(ThreadPool::with_num_threads(threads)) })
    }

    fn run(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let (rows, columns) = (texts.len(), texts.iter().map(|ids| ids.len()).max().unwrap_or(0));
        let fill = |number: fn(u32) -> i32| {
            let padded = texts.iter().flat_map(|ids| {
                let padding = std::iter::repeat_n(0, columns - ids.len());
                ids.iter().map(move |id| number(*id)).chain(padding)
            });
            NdTensor::from_data([rows, columns], padded.collect::<Vec<i32>>())
        };
        let mut inputs = vec![(self.ids, fill(|id| id as i32).into())];
        inputs.extend(self.mask.map(|mask| (mask, fill(|_| 1).into())));
        inputs.extend(self.types.map(|types| (types, fill(|_| 0).into())));
        let mut options = RunOptions::default();
        options.thread_pool = Some(Arc::clone(&self.pool));
        let failed = |error: &dyn std::fmt::Display| Error::data(format!("the model does not run: {error}"));
        let run = guarded(|| self.model.run_n(inputs, [self.output], Some(options)))?;
        let [output] = run.map_err(|error| failed(&error))?;
        let output: Tensor<f32> = output.try_into().map_err(|error| failed(&error))?;
        let shape = output.shape().to_vec();
        let numbers = output.into_data();
        match *shape.as_slice() {
            [r, c, width] if r == rows && c == columns && width > 0 => Ok(texts
                .iter()
                .zip(numbers.chunks_exact(columns * width))
                .map(|(ids, tokens)| self.pooling.pool(&tokens[..ids.len() * width], width))
                .collect()),
            // A model that pools by itself.
            [r, width] if r == rows && width > 0 => Ok(numbers.chunks_exact(width).map(<[f32]>::to_vec).collect()),
            _ => Err(failed(&format!("{rows} texts of {columns} tokens came back as {shape:?}"))),
        }
    }
}

impl Pooling {
    /// How it enters an identity.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Max => "max",
            Self::LastToken => "lasttoken",
        }
    }

    /// One vector of those of all tokens, which stand one behind another.
    pub fn pool(self, tokens: &[f32], width: usize) -> Vec<f32> {
        let mut vectors = tokens.chunks_exact(width);
        let count = vectors.len().max(1) as f32;
        match self {
            Self::Cls => vectors.next().map(<[f32]>::to_vec).unwrap_or_default(),
            Self::LastToken => vectors.next_back().map(<[f32]>::to_vec).unwrap_or_default(),
            Self::Mean => {
                let mut sum = vec![0.0; width];
                for vector in vectors {
                    sum.iter_mut().zip(vector).for_each(|(sum, number)| *sum += number / count);
                }
                sum
            }
            Self::Max => {
                let mut greatest = vec![f32::NEG_INFINITY; width];
                for vector in vectors {
                    greatest.iter_mut().zip(vector).for_each(|(greatest, number)| *greatest = greatest.max(*number));
                }
                greatest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pooling;

    #[test]
    fn the_vectors_of_all_tokens_become_one() {
        let pooled = |pooling: Pooling| pooling.pool(&[1.0, 5.0, 3.0, 2.0, 2.0, 2.0], 2);
        assert_eq!(pooled(Pooling::Mean), [2.0, 3.0]);
        assert_eq!(pooled(Pooling::Cls), [1.0, 5.0]);
        assert_eq!(pooled(Pooling::Max), [3.0, 5.0]);
        assert_eq!(pooled(Pooling::LastToken), [2.0, 2.0]);
    }
}
