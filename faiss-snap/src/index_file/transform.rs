//! What is done to vectors before they are indexed.

use std::io::{Read, Seek};

use super::MAX_DIMENSION;
use super::cursor::Stop;
use super::walk::Walk;

/// A transformation of vectors.
pub struct Transform {
    pub name: String,
    /// Numbers of a vector before.
    pub d_in: u32,
    /// Numbers of a vector after.
    pub d_out: u32,
}

/// What a transformation holds, to be held against its dimensions, which stand behind it.
enum Holds {
    /// A matrix of so many numbers, and perhaps a number for each that comes out.
    Matrix { numbers: u64, bias: Option<u64> },
    /// So many numbers of those that go in.
    PerInput(u64),
    /// So many numbers of those that come out.
    PerOutput(u64),
    /// Nothing.
    Nothing,
}

impl<R: Read + Seek> Walk<R> {
    pub fn transform(&mut self) -> Result<Transform, Stop> {
        let fourcc = self.cursor.fourcc()?;
        let (name, holds) = match &fourcc {
            b"LTra" => ("LinearTransform", self.linear()?),
            b"rrot" => ("RR", self.linear()?),
            b"Viqm" => {
                self.cursor.skip(8)?;
                ("ITQMatrix", self.linear()?)
            }
            b"PCAm" | b"PcAm" | b"Pcam" => ("PCA", self.pca(&fourcc)?),
            b"RmDT" => ("RemapDimensions", Holds::PerOutput(self.cursor.counted(4)?.count)),
            b"VNrm" => {
                self.cursor.f32()?;
                ("L2norm", Holds::Nothing)
            }
            b"VCnt" => ("Centering", Holds::PerInput(self.cursor.counted(4)?.count)),
            b"Viqt" => return self.itq(),
            _ => return Err(self.unknown_transform(fourcc)),
        };
        let (d_in, d_out, is_trained) = self.dimensions()?;
        let fits = |numbers: u64, of: u64| numbers == of || !is_trained && numbers == 0;
        let (i, o) = (u64::from(d_in), u64::from(d_out));
        let holds = match holds {
            Holds::Matrix { numbers, bias } => fits(numbers, i * o) && bias.is_none_or(|bias| fits(bias, o)),
            Holds::PerInput(numbers) => fits(numbers, i),
            Holds::PerOutput(numbers) => fits(numbers, o),
            Holds::Nothing => i == o,
        };
        self.cursor.demand(holds, || format!("{name} does not hold what it needs from {d_in} to {d_out} numbers"))?;
        let name = if d_in == d_out { name.to_owned() } else { format!("{name}{d_out}") };
        Ok(Transform { name, d_in, d_out })
    }

    fn linear(&mut self) -> Result<Holds, Stop> {
        let has_bias = self.cursor.bool()?;
        let numbers = self.cursor.counted(4)?.count;
        let bias = self.cursor.counted(4)?.count;
        Ok(Holds::Matrix { numbers, bias: has_bias.then_some(bias) })
    }

    fn pca(&mut self, fourcc: &[u8; 4]) -> Result<Holds, Stop> {
        self.cursor.f32()?;
        if fourcc == b"Pcam" {
            self.cursor.f32()?;
        }
        self.cursor.bool()?;
        if fourcc != b"PCAm" {
            self.cursor.i32()?;
        }
        for _ in ["mean", "eigenvalues", "matrix"] {
            self.cursor.counted(4)?;
        }
        self.linear()
    }

    /// Means, a rotation, and perhaps a PCA before it.
    fn itq(&mut self) -> Result<Transform, Stop> {
        let mean = self.cursor.counted(4)?.count;
        self.cursor.bool()?;
        // Neither of these two is an ITQ again: the file cannot nest without end.
        for _ in ["rotation", "PCA and rotation"] {
            let fourcc = self.cursor.fourcc()?;
            match &fourcc {
                b"Viqm" => self.cursor.skip(8)?,
                b"LTra" | b"rrot" => {}
                _ => return Err(self.unknown_transform(fourcc)),
            }
            self.linear()?;
            self.dimensions()?;
        }
        let (d_in, d_out, is_trained) = self.dimensions()?;
        let holds = mean == u64::from(d_in) || !is_trained && mean == 0;
        self.cursor.demand(holds, || format!("{mean} means of {d_in} numbers"))?;
        Ok(Transform { name: format!("ITQ{d_out}"), d_in, d_out })
    }

    fn dimensions(&mut self) -> Result<(u32, u32, bool), Stop> {
        let (d_in, d_out) = (self.cursor.i32()?, self.cursor.i32()?);
        let is_trained = self.cursor.bool()?;
        match (u32::try_from(d_in), u32::try_from(d_out)) {
            (Ok(i @ 0..=MAX_DIMENSION), Ok(o @ 0..=MAX_DIMENSION)) => Ok((i, o, is_trained)),
            _ => Err(self.cursor.damaged(format!("a transformation from {d_in} to {d_out} numbers"))),
        }
    }

    fn unknown_transform(&self, fourcc: [u8; 4]) -> Stop {
        match std::str::from_utf8(&fourcc) {
            Ok(name) if name.bytes().all(|letter| letter.is_ascii_alphanumeric()) => Stop::Unknown(name.to_owned()),
            _ => self.cursor.damaged("no transformation begins like this"),
        }
    }
}
