//! Tensors of the CPU device as slices. Tensors of 32 bits lend their memory without a copy;
//! tensors of 16 bits are copied to 32.

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};

use crate::kernels::upcast::upcast;

/// A contiguous floating-point tensor of the CPU device, readable as a slice.
pub struct HostView {
    tensor: FlexTensor,
    dtype: DType,
}

impl HostView {
    /// Returns a view of `tensor`; `None` unless it is an `f32`, `f16` or `bf16` tensor of the CPU
    /// device.
    pub fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        let dtype = tensor.dtype();
        let primitive = tensor.clone().try_into_primitive::<Flex>().ok()?;
        let primitive = match dtype {
            DType::F32 => primitive,
            DType::F16 | DType::BF16 => upcast(tensor.clone()).try_into_primitive::<Flex>().ok()?,
            _ => return None,
        };
        Some(Self {
            tensor: primitive.to_contiguous(),
            dtype,
        })
    }

    /// Returns the elements in row-major order.
    pub fn slice(&self) -> &[f32] {
        let layout = self.tensor.layout();
        let start = layout.start_offset();
        &self.tensor.storage::<f32>()[start..start + layout.num_elements()]
    }

    /// Makes a CPU tensor of the row-major elements `data`, of the same type as the viewed tensor.
    pub fn tensor<const D: usize>(&self, data: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        let tensor: Tensor<D> = Tensor::from_data(TensorData::new(data, shape), &Device::flex());
        tensor.cast(self.dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_of_32_bits_lend_their_memory_and_others_come_back_in_their_own_type() {
        let x = Tensor::<2>::from_data([[1.5, -2.0, 0.25]], &Device::flex());
        let views = [HostView::of(&x), HostView::of(&x)].map(Option::unwrap);
        assert_eq!(views[0].slice().as_ptr(), views[1].slice().as_ptr());
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let x = x.clone().cast(dtype);
            let view = HostView::of(&x).unwrap();
            assert_eq!(view.slice(), [1.5, -2.0, 0.25]);
            let back = view.tensor(view.slice().to_vec(), x.dims());
            assert_eq!(back.dtype(), dtype);
            assert_eq!(back.into_data(), x.into_data());
        }
    }
}
