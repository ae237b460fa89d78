//! The parameters that divide a clip into windows.

use std::ops::Range;

/// Flows of context on each side of a completion chunk.
pub(super) const COMPLETION_PAD: usize = 5;
/// Frames of context on each side of a propagation chunk.
pub(super) const PROPAGATION_PAD: usize = 10;
/// Longest propagation chunk, in frames.
pub(super) const PROPAGATION_LIMIT: usize = 100;

/// The parameters that divide a clip into windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowParams {
    /// Frames of a sub-video, at least 1.
    pub subvideo_length: usize,
    /// Local frames of a window, at least 2.
    pub neighbor_length: usize,
    /// Distance between reference frames, at least 1.
    pub ref_stride: usize,
    /// Frames from its centre on that a sliding window waits for; with 0, only those before it.
    /// `None` divides the clip as the official procedure does.
    pub lookahead: Option<usize>,
}

impl WindowParams {
    /// Returns half a window: the distance between windows and the reach of the local frames.
    pub fn hop(&self) -> usize {
        (self.neighbor_length / 2).max(1)
    }

    /// Returns the number of frames from its centre on that a sliding window sees: the lookahead,
    /// limited to the frames of a sub-video less a hop and the frame before it.
    pub fn effective_lookahead(&self) -> Option<usize> {
        let room = self.subvideo_length.saturating_sub(self.hop() + 1);
        self.lookahead.map(|asked| asked.min(room.max(1)))
    }

    /// Returns the number of frames that are held at most before one comes out: frame i is final
    /// at the latest once frame i + latency has been pushed.
    ///
    /// A frame waits for the last window that contains it (one hop), that window for its
    /// furthest frame (a hop, or the references' reach), that frame for the end of its
    /// propagation chunk and its pad, and the flows in that for the end of their completion
    /// chunk and its pad. If windows slide, it waits only for the window one hop later.
    pub fn latency_frames(&self) -> usize {
        if let Some(lookahead) = self.effective_lookahead() {
            return self.hop() + lookahead - 1;
        }
        let furthest = self.hop() + self.hop().max(self.reach().saturating_sub(1));
        let chunks = self.propagation_length() - 1 + self.subvideo_length - 1;
        furthest + chunks + PROPAGATION_PAD + COMPLETION_PAD
    }

    /// Returns the number of frames of a chunk of image propagation.
    pub fn propagation_length(&self) -> usize {
        self.subvideo_length.min(PROPAGATION_LIMIT)
    }

    /// Returns the reach of the references in a clip longer than a sub-video.
    pub(super) fn reach(&self) -> usize {
        self.ref_stride * (self.subvideo_length / self.ref_stride / 2)
    }

    /// Returns the references of the window around `centre`; `total` is the clip's length if it is
    /// known.
    pub(super) fn references(
        &self,
        centre: usize,
        neighbours: &Range<usize>,
        total: Option<usize>,
    ) -> Vec<usize> {
        let outside = |i: &usize| !neighbours.contains(i);
        let end = total.unwrap_or(usize::MAX);
        if end <= self.subvideo_length {
            return (0..end).step_by(self.ref_stride).filter(outside).collect();
        }
        let most = self.subvideo_length / self.ref_stride + 1;
        (centre.saturating_sub(self.reach())..end.min(centre + self.reach()))
            .step_by(self.ref_stride)
            .filter(outside)
            .take(most)
            .collect()
    }
}
