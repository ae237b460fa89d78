//! What the fill of a frame may cost: limits of each step, in tiers from full effort to the least.
//!
//! A tier changes how far and how finely the steps search, never how a pixel is composed. Pixels
//! that an earlier frame's fill has stay inherited, so the hole does not flicker at a change.

/// The limits of the steps that fill a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Finest level of the pyramid on which flow is searched, where 0 is full resolution. Finer
    /// levels take over its flow.
    pub finest_flow: usize,
    /// Largest numbers of steps that refine the match of a patch, in the first and the second pass.
    pub flow_steps: [usize; 2],
    /// Largest number of frames that a trajectory follows in each direction.
    pub reach: usize,
    /// Largest number of frames in each direction that a region is aligned with while pixels are
    /// searched that those frames show.
    pub alignments: usize,
    /// Finest level of the patch fill on which patches are searched, where 0 is full resolution.
    /// Finer levels are interpolated.
    pub finest_patches: usize,
    /// Largest number of rounds of the patch search on a level.
    pub patch_rounds: usize,
}

/// The effort of a frame, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Every step searches all that it can: the only tier of streams without a time limit.
    #[default]
    Full,
    /// Distant frames are not visited.
    High,
    /// Only near frames are visited, and patches are searched once on each level.
    Medium,
    /// Flow and patches are searched at half the resolution.
    Low,
    /// The cheapest fill of the engine, mostly inherited from the frame before.
    Least,
}

impl Tier {
    /// All tiers, the most expensive first.
    pub const ALL: [Self; 5] = [Self::Full, Self::High, Self::Medium, Self::Low, Self::Least];

    /// Returns the name of the tier.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Least => "least",
        }
    }

    /// Returns the limits of the tier.
    pub(crate) fn effort(self) -> Effort {
        let (finest_flow, flow_steps, reach, alignments, finest_patches, patch_rounds) = match self
        {
            Self::Full => (0, [4, 3], usize::MAX, usize::MAX, 0, usize::MAX),
            Self::High => (0, [4, 3], 24, 10, 0, 2),
            Self::Medium => (0, [2, 2], 10, 6, 0, 1),
            Self::Low => (1, [3, 2], 5, 3, 1, 1),
            Self::Least => (1, [2, 1], 2, 1, 2, 1),
        };
        Effort {
            finest_flow,
            flow_steps,
            reach,
            alignments,
            finest_patches,
            patch_rounds,
        }
    }
}
