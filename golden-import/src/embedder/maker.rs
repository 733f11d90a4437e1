//! What makes a vector. Vectors of different makers cannot be compared.

use std::fmt;

use golden::store::{EmbeddingPin, VectorColumn};
use golden::{Error, Result};

/// A model, and how many numbers its vectors have.
#[derive(Clone, Debug, PartialEq)]
pub struct Maker {
    /// The identity of the model.
    pub model: String,
    /// Numbers in a vector; none where that is not known yet.
    pub dimension: Option<u64>,
}

impl Maker {
    /// Whether both can be the same.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let dimensions = self.dimension.zip(other.dimension);
        self.model == other.model && dimensions.is_none_or(|(this, other)| this == other)
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model)?;
        self.dimension.map_or(Ok(()), |dimension| write!(f, " ({dimension} dimensions)"))
    }
}

/// What to do where golden.toml pins another maker.
const PINNED: &str = "embed with what golden.toml pins under [embedding], or change it there";

/// What the target asks of a maker.
#[derive(Clone, Copy)]
pub struct Demands<'a> {
    /// The model and dimension that golden.toml pins.
    pub pin: &'a EmbeddingPin,
    /// The column that takes the vectors.
    pub column: &'a VectorColumn,
}

impl Demands<'_> {
    /// Holds a maker to them, as far as it is known.
    pub fn check(&self, maker: &Maker) -> Result<()> {
        let Maker { model, dimension } = maker;
        if let Some(pinned) = self.pin.model.as_ref().filter(|pinned| *pinned != model) {
            return Err(Error::data(format!("golden.toml pins the model {pinned}, this is {model}")).guidance(PINNED));
        }
        let Some(dimension) = dimension else { return Ok(()) };
        if let Some(pinned) = self.pin.dimension.map(u64::from).filter(|pinned| pinned != dimension) {
            return Err(Error::data(format!("{model} makes {dimension} dimensions, golden.toml pins {pinned}"))
                .guidance(PINNED));
        }
        match self.column.dimension.filter(|declared| declared != dimension) {
            Some(declared) => Err(Error::data(format!(
                "{model} makes {dimension} dimensions, column `{}` takes {declared}",
                self.column.name
            ))
            .guidance("choose a model of that dimension, or alter the column")),
            None => Ok(()),
        }
    }
}
