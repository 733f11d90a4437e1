//! The network of the builtin model, in floats or in int8 arithmetic.
//!
//! Texts go through without padding, one after the other where they meet, so no vector depends on what else is in
//! its batch. Attention is in floats either way.

mod bytes;
mod floats;
mod linear;
mod weights;

use std::ops::Range;
use std::thread;

use golden::{Error, Result};
use rten::ThreadPool;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_simd::{SimdOp, SimdUnaryOp};
use rten_tensor::NdTensorView;
use rten_vecmath::{Gelu, Normalize, NormalizeOptions, Softmax, Sum, SumSquareSub};

use super::joined;
use super::network::Pooling;

pub use self::linear::Arithmetic;
use self::linear::{Linear, Multiplier, Scratch};
use self::weights::{Matrix, Weights};

const LAYERS: usize = 6;
const WIDTH: usize = 384;
const HEADS: usize = 12;
const HEAD: usize = WIDTH / HEADS;
const INNER: usize = 1536;

/// Rows that go through a layer together: what they become on the way stays in the processor's caches.
const ROWS: usize = 66;

/// As BERT has it.
const EPSILON: f32 = 1e-12;

/// A BERT network of the builtin model's size.
pub struct Bert {
    words: Matrix,
    positions: Matrix,
    token_type: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Queries, keys and values, side by side.
    attention: Linear,
    after_attention: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    norm: Norm,
}

/// Scales a row to mean 0 and variance 1, then each number by its own weight.
struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Bert {
    /// The network of an ONNX file, its layers made by so many threads.
    pub fn new(onnx: &[u8], arithmetic: Arithmetic, threads: usize) -> Result<Self> {
        let weights = Weights::read(onnx)?;
        let some_layers = |numbers: Range<usize>| -> Result<Vec<Layer>> {
            let multiplier = Multiplier::new();
            let linear = |names: &[String]| Linear::new(&weights, names, arithmetic, &multiplier);
            numbers.map(|number| Layer::new(&weights, &format!("model.encoder.layer.{number}"), linear)).collect()
        };
        let each = LAYERS.div_ceil(threads.max(1));
        let layers = thread::scope(|scope| {
            let parts: Vec<_> = (0..LAYERS)
                .step_by(each)
                .map(|first| scope.spawn(move || some_layers(first..LAYERS.min(first + each))))
                .collect();
            parts.into_iter().map(joined).collect::<Result<Vec<_>>>()
        })?;
        Ok(Self {
            words: weights.matrix("model.embeddings.word_embeddings.weight")?,
            positions: weights.matrix("model.embeddings.position_embeddings.weight")?,
            token_type: weights.numbers("model.embeddings.token_type_embeddings.weight")?,
            norm: Norm::new(&weights, "model.embeddings.LayerNorm")?,
            layers: layers.into_iter().flatten().collect(),
        })
    }

    /// One vector for each text: the mean of its tokens'.
    pub fn run(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        // Each caller has a thread, and products are not to be spread over others.
        let hidden = ThreadPool::with_num_threads(1).run(|| self.hidden(texts))?;
        let mut rest = &hidden[..];
        let vector = |text: &&[u32]| {
            let (tokens, behind) = rest.split_at(text.len() * WIDTH);
            rest = behind;
            Pooling::Mean.pool(tokens, WIDTH)
        };
        Ok(texts.iter().map(vector).collect())
    }

    /// The vectors of all tokens of some texts, one text behind the other.
    fn hidden(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        let mut hidden = self.embeddings(texts)?;
        let multiplier = Multiplier::new();
        let mut scratch = Scratch::default();
        let mut attention = vec![0.0; hidden.len() * 3];
        let mut context = vec![0.0; hidden.len()];
        let mut products = vec![0.0; ROWS * WIDTH];
        let mut inner = vec![0.0; ROWS * INNER];
        for layer in &self.layers {
            for (rows, output) in hidden.chunks(ROWS * WIDTH).zip(attention.chunks_mut(ROWS * WIDTH * 3)) {
                layer.attention.apply(&multiplier, rows, output, &mut scratch)?;
            }
            let mut first = 0;
            for text in texts {
                let last = first + text.len();
                let (attention, context) =
                    (&attention[first * WIDTH * 3..last * WIDTH * 3], &mut context[first * WIDTH..last * WIDTH]);
                attend(&multiplier.floats, attention, context)?;
                first = last;
            }
            for (rows, context) in hidden.chunks_mut(ROWS * WIDTH).zip(context.chunks(ROWS * WIDTH)) {
                let products = &mut products[..rows.len()];
                let inner = &mut inner[..rows.len() / WIDTH * INNER];
                layer.after_attention.apply(&multiplier, context, products, &mut scratch)?;
                layer.attention_norm.add(rows, products);
                layer.up.apply(&multiplier, rows, inner, &mut scratch)?;
                Gelu {}.map_mut(inner);
                layer.down.apply(&multiplier, inner, products, &mut scratch)?;
                layer.norm.add(rows, products);
            }
        }
        Ok(hidden)
    }

    /// What goes into the first layer.
    fn embeddings(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        let tokens = texts.iter().map(|text| text.len()).sum::<usize>();
        let mut hidden = vec![0.0; tokens * WIDTH];
        let places = texts.iter().flat_map(|text| text.iter().enumerate());
        for (row, (position, token)) in hidden.chunks_exact_mut(WIDTH).zip(places) {
            let word = self.words.row(*token as usize);
            let (Some((word, word_scale)), Some((place, place_scale))) = (word, self.positions.row(position)) else {
                return Err(Error::data("the tokenizer knows a token that the model does not"));
            };
            for (((number, word), place), of_type) in row.iter_mut().zip(word).zip(place).zip(&self.token_type) {
                *number = f32::from(*word) * word_scale + f32::from(*place) * place_scale + of_type;
            }
            self.norm.scale(row);
        }
        Ok(hidden)
    }
}

impl Layer {
    fn new(weights: &Weights, name: &str, linear: impl Fn(&[String]) -> Result<Linear>) -> Result<Self> {
        let linear = |parts: &[&str]| linear(&parts.iter().map(|part| format!("{name}.{part}")).collect::<Vec<_>>());
        Ok(Self {
            attention: linear(&["attention.self.query", "attention.self.key", "attention.self.value"])?,
            after_attention: linear(&["attention.output.dense"])?,
            attention_norm: Norm::new(weights, &format!("{name}.attention.output.LayerNorm"))?,
            up: linear(&["intermediate.dense"])?,
            down: linear(&["output.dense"])?,
            norm: Norm::new(weights, &format!("{name}.output.LayerNorm"))?,
        })
    }
}

impl Norm {
    fn new(weights: &Weights, name: &str) -> Result<Self> {
        let (weight, bias) = (weights.numbers(&format!("{name}.weight"))?, weights.numbers(&format!("{name}.bias"))?);
        Ok(Self { weight, bias })
    }

    /// Adds what a layer made of some rows to them, and scales them.
    fn add(&self, rows: &mut [f32], made: &[f32]) {
        for (row, made) in rows.chunks_exact_mut(WIDTH).zip(made.chunks_exact(WIDTH)) {
            row.iter_mut().zip(made).for_each(|(number, made)| *number += made);
            self.scale(row);
        }
    }

    fn scale(&self, row: &mut [f32]) {
        let mean = Sum::new(row).dispatch() / WIDTH as f32;
        let variance = SumSquareSub::new(row, mean).dispatch() / WIDTH as f32;
        let options = NormalizeOptions {
            pre_scale_bias: mean,
            scale: (variance + EPSILON).sqrt().recip(),
            element_scale: Some(&self.weight),
            bias: 0.0,
            element_bias: Some(&self.bias),
        };
        Normalize::new_mut(row, options).dispatch();
    }
}

/// Attention among the tokens of one text.
fn attend(floats: &GemmExecutor<f32>, attention: &[f32], context: &mut [f32]) -> Result<()> {
    let tokens = context.len() / WIDTH;
    let alpha = (HEAD as f32).sqrt().recip();
    let mut scores = vec![0.0; tokens * tokens];
    let mut found = vec![0.0; tokens * HEAD];
    let failed = |error: &dyn std::fmt::Display| Error::data(format!("the model does not run: {error}"));
    for head in 0..HEADS {
        let part = |kind: usize| {
            let strides = [WIDTH * 3, 1];
            NdTensorView::from_slice_with_strides([tokens, HEAD], &attention[kind * WIDTH + head * HEAD..], strides)
                .map_err(|error| failed(&error))
        };
        let (queries, keys, values) = (part(0)?, part(1)?, part(2)?);
        let keys = GemmInputB::Unpacked(keys.transposed());
        floats
            .gemm(&mut scores, GemmInputA::Unpacked(queries), keys, GemmOptions { alpha, ..GemmOptions::default() })
            .map_err(|error| failed(&error))?;
        for row in scores.chunks_exact_mut(tokens) {
            Softmax::new_mut(row).dispatch();
        }
        let shares = NdTensorView::from_data([tokens, tokens], &scores[..]);
        floats
            .gemm(&mut found, GemmInputA::Unpacked(shares), GemmInputB::Unpacked(values), GemmOptions::default())
            .map_err(|error| failed(&error))?;
        for (row, found) in context.chunks_exact_mut(WIDTH).zip(found.chunks_exact(HEAD)) {
            row[head * HEAD..][..HEAD].copy_from_slice(found);
        }
    }
    Ok(())
}
