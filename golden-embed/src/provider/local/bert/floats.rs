//! Products of rows with a matrix of floats.

use golden::{Error, Result};
use rten_gemm::{BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

use super::weights::FloatMatrix;

/// A matrix, in the order in which it is multiplied.
pub struct Floats {
    weights: PackedBMatrix<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

impl Floats {
    /// Matrices side by side.
    pub fn new(multiplier: &GemmExecutor<f32>, matrices: &[FloatMatrix], bias: Vec<f32>) -> Result<Self> {
        let inputs = matrices.first().map_or(0, |matrix| matrix.rows);
        let outputs: usize = matrices.iter().map(|matrix| matrix.columns).sum();
        if bias.len() != outputs || !matrices.iter().all(|matrix| matrix.rows == inputs) {
            return Err(Error::data("its matrices do not fit together"));
        }
        let row = |row: usize| matrices.iter().flat_map(move |m| &m.numbers[row * m.columns..][..m.columns]);
        let numbers: Vec<f32> = (0..inputs).flat_map(row).copied().collect();
        let weights = multiplier.prepack_b(NdTensorView::from_data([inputs, outputs], &numbers[..]));
        Ok(Self { weights, bias, inputs })
    }

    /// The product of some rows, written over `output`.
    pub fn apply(&self, multiplier: &GemmExecutor<f32>, rows: &[f32], output: &mut [f32]) -> Result<()> {
        let rows = NdTensorView::from_data([rows.len() / self.inputs, self.inputs], rows);
        let options = GemmOptions { bias: Some(BiasVector::Row(&self.bias)), ..GemmOptions::default() };
        multiplier
            .gemm(output, GemmInputA::Unpacked(rows), GemmInputB::Packed(&self.weights), options)
            .map_err(|error| Error::data(format!("the model does not run: {error}")))
    }
}
