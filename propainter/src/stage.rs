//! The stages of the networks that memory is planned for.

use std::fmt;

/// A part of the work on a frame that memory is planned for, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Optical flow: features of a frame, then the flows of a pair.
    Flow,
    /// Flow completion.
    Completion,
    /// Image propagation.
    Propagation,
    /// The generator's encoder.
    Encoder,
    /// The generator without its encoder.
    Generator,
}

impl Stage {
    /// Every stage, in the order in which they run.
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
