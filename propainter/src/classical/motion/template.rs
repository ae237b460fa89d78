//! A patch to be found in another frame.

/// Side of a patch in pixels.
pub const PATCH_SIDE: usize = 8;
/// Patches with fewer known pixels say nothing.
pub const MIN_KNOWN: f32 = 20.0;

type Pixels = [[f32; PATCH_SIDE]; PATCH_SIDE];

/// A patch to be found: luma, its gradient, and 1 where all of it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    pub(super) value: Pixels,
    pub(super) dx: Pixels,
    pub(super) dy: Pixels,
    pub(super) weight: Pixels,
    /// Number of known pixels.
    pub count: f32,
    /// Variance of the known pixels.
    pub variance: f32,
}

impl Template {
    /// Takes count and variance from sums over the known pixels: of one, values and squares.
    pub(super) fn measure(&mut self, count: f32, sum: f32, squares: f32) {
        self.count = count;
        if count > 0.0 {
            let mean = sum / count;
            self.variance = (squares / count - mean * mean).max(0.0);
        }
    }
}
