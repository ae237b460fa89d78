//! The memory plan: the choices that trade memory for time.

use std::fmt;

use crate::{
    kernels::correlation::CorrelationForm,
    networks::{stored::Placement, strips::Strips},
};

/// The choices by which the networks run. Every plan gives the same frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Flows that are computed at once: 1 is one direction of a pair of frames, 2 are both, more are
    /// both of several pairs.
    pub pairs: usize,
    /// Form in which RAFT's correlation is stored between lookups.
    pub correlation: CorrelationForm,
    /// Flows that completion encodes, and decodes, at once.
    pub completion_frames: usize,
    /// Memory that holds the flows.
    pub flows: Placement,
    /// Memory that holds the features, and the tensors that wait between two passes.
    pub features: Placement,
    /// Rows at 1/4 that the generator encodes at once; 0 is all.
    pub encoder_rows: usize,
    /// Rows at 1/4 that the generator decodes at once; 0 is all.
    pub decoder_rows: usize,
}

impl Plan {
    /// The fastest plan, which takes the most memory.
    pub const LARGEST: Self = Self {
        pairs: 2,
        correlation: CorrelationForm::Volume,
        completion_frames: 16,
        flows: Placement::Device,
        features: Placement::Device,
        encoder_rows: 0,
        decoder_rows: 0,
    };

    /// Returns the number of pairs of frames whose flows, in both directions, are computed at once.
    pub fn frame_pairs(&self) -> usize {
        (self.pairs / 2).max(1)
    }

    /// Returns whether flow completion runs in both directions at once.
    pub fn both_directions(&self) -> bool {
        self.pairs > 2
    }

    /// Returns the strips in which the generator processes a frame.
    pub fn strips(&self) -> Strips {
        Strips {
            encoder_rows: self.encoder_rows,
            decoder_rows: self.decoder_rows,
        }
    }
}

/// Writes the plan as one line, as the property `plan` shows it.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let correlation = match self.correlation {
            CorrelationForm::Volume => "volume",
            CorrelationForm::Features => "features",
        };
        let place = |place| match place {
            Placement::Device => "device",
            Placement::Host => "host",
        };
        let rows = |rows: usize| match rows {
            0 => "all".to_owned(),
            rows => rows.to_string(),
        };
        write!(
            f,
            "pairs={} correlation={correlation} completion-frames={} flows={} features={} \
             encoder-rows={} decoder-rows={}",
            self.pairs,
            self.completion_frames,
            place(self.flows),
            place(self.features),
            rows(self.encoder_rows),
            rows(self.decoder_rows),
        )
    }
}
