//! Products of rows with a matrix of bytes, the rows quantised one by one.

use std::mem::MaybeUninit;

use golden::{Error, Result};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::{Isa, SimdOp};
use rten_tensor::NdTensorView;
use rten_vecmath::{MinMax, Quantize};

use super::linear::Scratch;
use super::weights::Matrix;

/// Steps between the smallest and the greatest number of a row. Seven bits, not eight: processors without an
/// instruction for products of bytes add up two of them in 16 bits, and those sums must not overflow, for
/// then a vector would depend on the processor.
const STEPS: f32 = 127.0;

/// A matrix as it is stored: int8 with a scale for each column.
pub struct Bytes {
    weights: PackedBMatrix<i8>,
    scales: Vec<f32>,
    /// What each column makes of a row of ones: what the zeros of the rows add to a product, and is taken off again.
    /// (rten-gemm 0.27 could take them off, but gives all rows the zeros of the first.)
    ones: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

impl Bytes {
    /// Matrices side by side.
    pub fn new(multiplier: &GemmExecutor<u8, i8, i32>, matrices: &[Matrix], bias: Vec<f32>) -> Result<Self> {
        let inputs = matrices.first().map_or(0, |matrix| matrix.rows);
        let outputs = matrices.iter().map(|matrix| matrix.columns).sum();
        let fits = |matrix: &Matrix| matrix.rows == inputs && matrix.scales.len() == matrix.columns;
        if bias.len() != outputs || !matrices.iter().all(fits) {
            return Err(Error::data("its matrices do not fit together"));
        }
        let mut steps = Vec::with_capacity(inputs * outputs);
        for row in 0..inputs {
            for matrix in matrices {
                steps.extend_from_slice(&matrix.steps[row * matrix.columns..][..matrix.columns]);
            }
        }
        let scales: Vec<f32> = matrices.iter().flat_map(|matrix| &matrix.scales).copied().collect();
        let mut sums = vec![0_i32; outputs];
        for row in steps.chunks_exact(outputs.max(1)) {
            sums.iter_mut().zip(row).for_each(|(sum, step)| *sum += i32::from(*step));
        }
        Ok(Self {
            weights: multiplier.prepack_b(NdTensorView::from_data([inputs, outputs], &steps[..])),
            ones: sums.iter().zip(&scales).map(|(sum, scale)| *sum as f32 * scale).collect(),
            scales,
            bias,
            inputs,
        })
    }

    /// The product of some rows, written over `output`.
    pub fn apply(
        &self,
        multiplier: &GemmExecutor<u8, i8, i32>,
        rows: &[f32],
        output: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<()> {
        let count = rows.len() / self.inputs;
        scratch.quantise(rows, self.inputs);
        scratch.sums.resize(count * self.bias.len(), 0);
        let rows = GemmInputA::Unpacked(NdTensorView::from_data([count, self.inputs], &scratch.bytes[..]));
        multiplier
            .gemm(&mut scratch.sums, rows, GemmInputB::Packed(&self.weights), GemmOptions::default())
            .map_err(|error| Error::data(format!("the model does not run: {error}")))?;
        Scaled { matrix: self, scratch, output }.dispatch();
        Ok(())
    }
}

/// Writes the sums of products of bytes as the numbers that they stand for.
struct Scaled<'a> {
    matrix: &'a Bytes,
    scratch: &'a Scratch,
    output: &'a mut [f32],
}

impl SimdOp for Scaled<'_> {
    type Output = ();

    /// Plain loops: compiled in here, they use what the processor has.
    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Self { matrix: Bytes { scales, ones, bias, .. }, scratch, output } = self;
        let lines = output.chunks_exact_mut(bias.len()).zip(scratch.sums.chunks_exact(bias.len()));
        for (((output, sums), scale), zero) in lines.zip(&scratch.scales).zip(&scratch.zeros) {
            let columns = scales.iter().zip(ones).zip(bias);
            for ((output, sum), ((column, ones), bias)) in output.iter_mut().zip(sums).zip(columns) {
                *output = scale * (*sum as f32 * column - zero * ones) + bias;
            }
        }
    }
}

impl Scratch {
    /// Each row as bytes, with its own scale and its own zero.
    fn quantise(&mut self, rows: &[f32], width: usize) {
        self.bytes.clear();
        self.zeros.clear();
        self.scales.clear();
        self.bytes.reserve(rows.len());
        for row in rows.chunks_exact(width) {
            let (least, greatest) = MinMax::new(row).dispatch();
            let (least, greatest) = (least.min(0.0), greatest.max(0.0));
            let scale = if greatest > least { (greatest - least) / STEPS } else { 1.0 };
            let zero = (-least / scale).round_ties_even();
            self.zeros.push(zero);
            self.scales.push(scale);
            rten_vecmath::ExtendInit::extend_init(&mut self.bytes, |bytes: &mut [MaybeUninit<u8>]| {
                Quantize::new(row, &mut bytes[..width], scale.recip(), zero as u8).dispatch()
            });
        }
    }
}
