//! The length of vectors.

/// The length of vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// As the model made them.
    AsMade,
    /// 1.
    Unit,
}

/// Scales a vector to length 1.
pub fn to_unit(vector: &mut [f32]) {
    let length = vector.iter().map(|number| f64::from(*number) * f64::from(*number)).sum::<f64>().sqrt();
    if length > 0.0 && length.is_finite() {
        for number in vector {
            *number = (f64::from(*number) / length) as f32;
        }
    }
}
