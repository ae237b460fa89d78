//! The stages of the networks that memory is planned for.

use std::fmt;

/// The parts of the work that memory is planned for, in the order of a frame's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Features of a picture, then the flows of a pair.
    Flow,
    Completion,
    /// Image propagation.
    Propagation,
    /// The generator's encoder.
    Encoder,
    Generator,
}

impl Stage {
    pub const ALL: [Self; 5] = [
        Self::Flow,
        Self::Completion,
        Self::Propagation,
        Self::Encoder,
        Self::Generator,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flow => "optical flow",
            Self::Completion => "flow completion",
            Self::Propagation => "image propagation",
            Self::Encoder => "the encoder",
            Self::Generator => "the generator",
        })
    }
}
