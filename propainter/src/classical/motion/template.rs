//! The template patch that a search looks for.

/// Side of a patch in pixels.
pub const PATCH_SIDE: usize = 8;
/// Number of known pixels below which a patch cannot be compared.
pub const MIN_KNOWN: f32 = 20.0;

type Pixels = [[f32; PATCH_SIDE]; PATCH_SIDE];

/// A template patch: luma, its gradient, and weight 1 where a pixel and its neighbours are known.
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
    /// Derives count and variance from sums over the known pixels: of ones, values and squares.
    pub(super) fn measure(&mut self, count: f32, sum: f32, squares: f32) {
        self.count = count;
        if count > 0.0 {
            let mean = sum / count;
            self.variance = (squares / count - mean * mean).max(0.0);
        }
    }
}
