//! The door between tensors and slices: tensors of the CPU device (flex) lend
//! their memory to our CPU kernels without a copy.

use burn::tensor::{Device, Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};

/// A contiguous `f32` tensor of the CPU device, readable as a slice.
pub struct HostView(FlexTensor);

impl HostView {
    /// `None` where the tensor is not an `f32` tensor of the CPU device.
    pub fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        if tensor.dtype() != burn::tensor::DType::F32 {
            return None;
        }
        let primitive = tensor.clone().try_into_primitive::<Flex>().ok()?;
        Some(Self(primitive.to_contiguous()))
    }

    /// Row-major elements.
    pub fn slice(&self) -> &[f32] {
        let layout = self.0.layout();
        let start = layout.start_offset();
        &self.0.storage::<f32>()[start..start + layout.num_elements()]
    }
}

/// A CPU tensor that takes over `data`, row-major.
pub fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data, shape), &Device::flex())
}
