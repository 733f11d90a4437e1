//! Products of rows with a matrix of floats.

use golden::{Error, Result};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
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
        let mut numbers = Vec::with_capacity(inputs * outputs);
        for row in 0..inputs {
            for matrix in matrices {
                numbers.extend_from_slice(&matrix.numbers[row * matrix.columns..][..matrix.columns]);
            }
        }
        let weights = multiplier.prepack_b(NdTensorView::from_data([inputs, outputs], &numbers[..]));
        Ok(Self { weights, bias, inputs })
    }

    /// The product of some rows, written over `output`.
    pub fn apply(&self, multiplier: &GemmExecutor<f32>, rows: &[f32], output: &mut [f32]) -> Result<()> {
        let rows = NdTensorView::from_data([rows.len() / self.inputs, self.inputs], rows);
        // The product is added to what stands there: rten-gemm's own bias is added number by number.
        for row in output.chunks_exact_mut(self.bias.len()) {
            row.copy_from_slice(&self.bias);
        }
        let options = GemmOptions { beta: 1.0, ..GemmOptions::default() };
        multiplier
            .gemm(output, GemmInputA::Unpacked(rows), GemmInputB::Packed(&self.weights), options)
            .map_err(|error| Error::data(format!("the model does not run: {error}")))
    }
}
