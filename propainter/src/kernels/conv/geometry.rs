//! The geometry of a convolution.

/// Stride, padding, dilation and groups of a convolution, rows before columns. The default is that
/// of a 3×3 kernel that keeps the size: stride 1, padding 1.
#[derive(Clone, Copy, Debug)]
pub struct ConvGeometry {
    /// Steps between outputs.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Steps between the taps of the kernel.
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved independently.
    pub groups: usize,
}

impl Default for ConvGeometry {
    fn default() -> Self {
        Self {
            stride: [1, 1],
            padding: [1, 1],
            dilation: [1, 1],
            groups: 1,
        }
    }
}

impl ConvGeometry {
    /// Returns the default with this padding.
    pub fn padding(rows: usize, columns: usize) -> Self {
        Self {
            padding: [rows, columns],
            ..Self::default()
        }
    }

    /// Returns the same geometry with this stride on both axes.
    pub fn stride(self, stride: usize) -> Self {
        Self {
            stride: [stride, stride],
            ..self
        }
    }

    /// Returns the same geometry with this dilation on both axes.
    pub fn dilation(self, dilation: usize) -> Self {
        Self {
            dilation: [dilation, dilation],
            ..self
        }
    }

    /// Returns the same geometry with this number of groups.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Returns the height and width of the output for an input and a kernel of these sizes; 0
    /// where the kernel does not fit.
    pub(in crate::kernels) fn output(&self, input: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let covered = self.dilation[axis] * (kernel[axis] - 1) + 1;
            let padded = input[axis] + 2 * self.padding[axis];
            padded
                .checked_sub(covered)
                .map_or(0, |room| room / self.stride[axis] + 1)
        })
    }
}
