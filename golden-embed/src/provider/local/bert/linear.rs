//! Products of rows with a matrix, in the arithmetic that was asked for.

use golden::Result;
use rten_gemm::GemmExecutor;

use super::bytes::Bytes;
use super::floats::Floats;
use super::weights::Weights;

/// What a network calculates with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// 32-bit floats.
    Floats,
    /// Products of bytes: faster, and as good at finding.
    Bytes,
}

/// What multiplies. Each run has its own: they do not go from thread to thread.
pub struct Multiplier {
    pub floats: GemmExecutor<f32>,
    pub bytes: GemmExecutor<u8, i8, i32>,
}

impl Multiplier {
    pub fn new() -> Self {
        Self { floats: GemmExecutor::new(), bytes: GemmExecutor::new() }
    }
}

/// `rows · weights + bias`; what comes of a row depends on no other.
pub enum Linear {
    Floats(Floats),
    Bytes(Bytes),
}

impl Linear {
    /// Matrices of these names side by side: of one input they make one output.
    pub fn new(weights: &Weights, names: &[String], arithmetic: Arithmetic, multiplier: &Multiplier) -> Result<Self> {
        let biases = names.iter().map(|name| weights.numbers(&format!("{name}.bias")));
        let bias = biases.collect::<Result<Vec<_>>>()?.concat();
        let matrices: Vec<_> = names.iter().map(|name| format!("{name}.weight")).collect();
        Ok(match arithmetic {
            Arithmetic::Floats => {
                let matrices: Vec<_> = matrices.iter().map(|name| weights.floats(name)).collect::<Result<_>>()?;
                Self::Floats(Floats::new(&multiplier.floats, &matrices, bias)?)
            }
            Arithmetic::Bytes => {
                let matrices: Vec<_> = matrices.iter().map(|name| weights.matrix(name)).collect::<Result<_>>()?;
                Self::Bytes(Bytes::new(&multiplier.bytes, &matrices, bias)?)
            }
        })
    }

    /// The product of some rows, written over `output`.
    pub fn apply(
        &self,
        multiplier: &Multiplier,
        rows: &[f32],
        output: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<()> {
        match self {
            Self::Floats(floats) => floats.apply(&multiplier.floats, rows, output),
            Self::Bytes(bytes) => bytes.apply(&multiplier.bytes, rows, output, scratch),
        }
    }
}

/// What a product of bytes needs on its way, kept from one to the next.
#[derive(Default)]
pub struct Scratch {
    pub bytes: Vec<u8>,
    pub zeros: Vec<f32>,
    pub scales: Vec<f32>,
    pub sums: Vec<i32>,
}
