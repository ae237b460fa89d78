//! The activation that a layer with weights applies to its sums.

/// An activation function.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// The identity.
    #[default]
    None,
    /// Negative values become 0.
    Relu,
    /// Negative values are multiplied by this slope, from 0 to 1.
    Leaky(f64),
}

impl Activation {
    /// Applies the activation to one value.
    #[inline(always)]
    pub fn apply(self, value: f32) -> f32 {
        match self {
            Self::None => value,
            Self::Relu if value < 0.0 => 0.0,
            Self::Leaky(slope) if value < 0.0 => value * slope as f32,
            _ => value,
        }
    }
}
