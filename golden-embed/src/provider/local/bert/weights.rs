//! The weights inside an ONNX file, by the names that `quantise.py` gives them.

use std::collections::HashMap;

use golden::{Error, Result};
use rten_onnx::onnx::{DataType, ModelProto};

use super::super::tensors::half;

/// The tensors of a model.
pub struct Weights(HashMap<String, Tensor>);

struct Tensor {
    kind: Option<DataType>,
    sides: Vec<i64>,
    bytes: Vec<u8>,
}

/// A matrix as int8, with a scale for each row or each column.
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub steps: Vec<i8>,
    pub scales: Vec<f32>,
}

/// A matrix of floats.
pub struct FloatMatrix {
    pub rows: usize,
    pub columns: usize,
    pub numbers: Vec<f32>,
}

impl Matrix {
    /// A row and its scale, where scales are those of rows.
    pub fn row(&self, row: usize) -> Option<(&[i8], f32)> {
        let steps = self.steps.get(row.checked_mul(self.columns)?..)?.get(..self.columns)?;
        Some((steps, *self.scales.get(row)?))
    }
}

impl Weights {
    pub fn read(onnx: &[u8]) -> Result<Self> {
        let model = ModelProto::parse_buf(onnx).map_err(|error| Error::data(format!("it is no ONNX file: {error}")))?;
        let tensors = model.graph.into_iter().flat_map(|graph| graph.initializer);
        let named = tensors.filter_map(|tensor| {
            let bytes = tensor.raw_data?.into_inner();
            Some((tensor.name?, Tensor { kind: tensor.data_type, sides: tensor.dims, bytes }))
        });
        Ok(Self(named.collect()))
    }

    /// A list of numbers, however many dimensions it has.
    pub fn numbers(&self, name: &str) -> Result<Vec<f32>> {
        let Tensor { kind, bytes, .. } = self.tensor(name)?;
        match *kind {
            Some(DataType::FLOAT) => Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
            Some(DataType::FLOAT16) => {
                Ok(bytes.as_chunks().0.iter().map(|bytes| half(u16::from_le_bytes(*bytes))).collect())
            }
            _ => Err(wrong(name, "holds no floats")),
        }
    }

    /// A matrix as int8; one that is stored as 16-bit floats is quantised here, column by column.
    pub fn matrix(&self, name: &str) -> Result<Matrix> {
        if let Some(FloatMatrix { rows, columns, numbers }) = self.halves(name)? {
            return Ok(by_column(rows, columns, &numbers));
        }
        let stored = format!("{name}_q");
        let (rows, columns) = self.shape(&stored)?;
        let Tensor { kind, bytes, .. } = self.tensor(&stored)?;
        if *kind != Some(DataType::INT8) || bytes.len() != rows * columns {
            return Err(wrong(name, "is no matrix of int8"));
        }
        let steps = bytes.iter().map(|byte| byte.cast_signed()).collect();
        Ok(Matrix { rows, columns, steps, scales: self.numbers(&format!("{name}_s"))? })
    }

    /// A matrix as floats, whichever way it is stored.
    pub fn floats(&self, name: &str) -> Result<FloatMatrix> {
        if let Some(stored) = self.halves(name)? {
            return Ok(stored);
        }
        let Matrix { rows, columns, steps, scales } = self.matrix(name)?;
        if scales.len() != columns {
            return Err(wrong(name, "has no scale for each column"));
        }
        let mut numbers = Vec::with_capacity(steps.len());
        for row in steps.chunks_exact(columns.max(1)) {
            numbers.extend(row.iter().zip(&scales).map(|(step, scale)| f32::from(*step) * scale));
        }
        Ok(FloatMatrix { rows, columns, numbers })
    }

    /// A matrix of 16-bit floats, where it is stored so.
    fn halves(&self, name: &str) -> Result<Option<FloatMatrix>> {
        let stored = format!("{name}_h");
        if !self.0.contains_key(&stored) {
            return Ok(None);
        }
        let ((rows, columns), numbers) = (self.shape(&stored)?, self.numbers(&stored)?);
        if numbers.len() != rows * columns {
            return Err(wrong(name, "has another size than its shape"));
        }
        Ok(Some(FloatMatrix { rows, columns, numbers }))
    }

    fn shape(&self, name: &str) -> Result<(usize, usize)> {
        let side = |number: i64| usize::try_from(number).ok();
        match *self.tensor(name)?.sides.as_slice() {
            [rows, columns] => side(rows).zip(side(columns)).ok_or_else(|| wrong(name, "has no shape")),
            _ => Err(wrong(name, "is no matrix")),
        }
    }

    fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.0.get(name).ok_or_else(|| wrong(name, "is missing"))
    }
}

fn wrong(name: &str, what: &str) -> Error {
    Error::data(format!("the tensor `{name}` {what}"))
}

/// Floats as int8: 127 steps up and down to the greatest of each column.
fn by_column(rows: usize, columns: usize, numbers: &[f32]) -> Matrix {
    let mut scales = vec![0.0_f32; columns];
    for row in numbers.chunks_exact(columns.max(1)) {
        scales.iter_mut().zip(row).for_each(|(scale, number)| *scale = scale.max(number.abs() / 127.0));
    }
    scales.iter_mut().filter(|scale| **scale == 0.0).for_each(|scale| *scale = 1.0);
    let step = |(number, scale): (&f32, &f32)| (number / scale).round_ties_even() as i8;
    let steps = numbers.chunks_exact(columns.max(1)).flat_map(|row| row.iter().zip(&scales).map(step)).collect();
    Matrix { rows, columns, steps, scales }
}
