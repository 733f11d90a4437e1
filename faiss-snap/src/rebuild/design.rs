//! How an index is to be: as the one that is there, or as a person wishes.

use std::fs::File;
use std::path::Path;

use clap::ValueEnum;
use faiss_snap::index_file::{Effort, Index, Inspection, Metric as Known};
use golden::{Context, Error, Result};
use serde::Serialize;

/// How many vectors of the old index are measured.
const SAMPLES: u64 = 32;

/// How far from 1 a length may be: applications compute in single precision.
const TOLERANCE: f64 = 1e-3;

/// How distances are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Inner product
    Ip,
    /// Squared Euclidean distance
    L2,
}

/// What becomes of the length of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// As in the database
    Stored,
    /// 1: inner products are cosines then
    One,
}

/// What a person asked for; the rest is as it was.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The type, as the factory of FAISS spells it.
    pub factory: Option<String>,
    /// How distances are measured.
    pub metric: Option<Metric>,
    /// What becomes of the length of a vector.
    pub length: Option<Length>,
}

/// How an index is to be.
#[derive(Clone, Debug, Serialize)]
pub struct Design {
    /// The type, as the factory of FAISS spells it.
    #[serde(rename = "type")]
    pub factory: String,
    /// How distances are measured.
    pub metric: Metric,
    /// What becomes of the length of a vector.
    pub length: Length,
    /// How thoroughly it is searched; none: as FAISS has it.
    #[serde(flatten)]
    pub effort: Option<Effort>,
}

impl Design {
    /// Of an index where there is none yet, or none of use.
    pub fn new(wish: &Wish) -> Self {
        Self {
            factory: wish.factory.clone().unwrap_or_else(|| "IDMap,Flat".to_owned()),
            metric: wish.metric.unwrap_or(Metric::Ip),
            length: wish.length.unwrap_or(Length::Stored),
            effort: None,
        }
    }

    /// Of what takes the place of a file.
    pub fn like(file: &Path, found: &Inspection, wish: &Wish) -> Result<Self> {
        let cannot = |what: String, option: &str| {
            Error::usage(format!("{}: {what}", file.display())).guidance(format!("say how it is to be with {option}"))
        };
        match found {
            Inspection::Known(index) => {
                let metric = match (wish.metric, index.header.metric) {
                    (Some(metric), _) => metric,
                    (None, Known::Ip) => Metric::Ip,
                    (None, Known::L2) => Metric::L2,
                    (None, other) => return Err(cannot(format!("it measures by {other}"), "--metric")),
                };
                let length = match wish.length {
                    Some(length) => length,
                    None => length_in(file, index)?,
                };
                // Another type is searched in another way.
                let (factory, effort) = match &wish.factory {
                    Some(factory) => (factory.clone(), None),
                    None => (index.kind.clone(), index.effort),
                };
                Ok(Self { factory, metric, length, effort })
            }
            Inspection::Unknown(unknown) if wish.factory.is_none() => {
                Err(cannot(format!("of the type {}, which is not known here", unknown.name), "--factory"))
            }
            Inspection::Unknown(_) | Inspection::Damaged(_) | Inspection::Placeholder => Ok(Self::new(wish)),
        }
    }
}

/// What an index that stores its vectors as they are shows of their lengths.
fn length_in(file: &Path, index: &Index) -> Result<Length> {
    let Some(rows) = index.rows.filter(|rows| rows.count() > 0) else { return Ok(Length::Stored) };
    let mut reader = File::open(file).context(|| format!("cannot open {}", file.display()))?;
    let step = rows.count().div_ceil(SAMPLES).max(1);
    for row in (0..rows.count()).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        if (length(&rows.read(&mut reader, row)?) - 1.0).abs() > TOLERANCE {
            return Ok(Length::Stored);
        }
    }
    Ok(Length::One)
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt()
}

impl Length {
    /// The vector with its length. One of length 0 has no direction and stays.
    pub fn of(self, mut vector: Vec<f32>) -> Vec<f32> {
        let length = length(&vector);
        if self == Self::One && length > 0.0 {
            vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
        }
        vector
    }
}

impl Metric {
    /// As faiss-index spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::L2 => "l2",
        }
    }
}
