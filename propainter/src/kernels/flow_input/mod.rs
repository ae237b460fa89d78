//! The flows outside a mask and the flows inside it: the input of flow completion, and its result
//! (spec section 3).

pub mod cube;

use burn::tensor::{DType, Tensor};

use super::{pixels::MaskTensor, upcast::upcast};
use crate::Rect;

/// Returns the network's input for flows and the masks of the frames that they lead from: the flows
/// outside the masks, then the masks, `[n, 3, H, W]` in this data type.
///
/// - `flows`: `[1, 2, H, W]` each
/// - `masks`: one for each flow
pub fn masked_flows(flows: &[Tensor<4>], masks: &[MaskTensor], dtype: DType) -> Tensor<4> {
    cube::masked_flows(flows, masks, dtype)
        .unwrap_or_else(|| masked_flows_reference(flows, masks, dtype))
}

/// Computes [`masked_flows`] in tensor operations.
pub fn masked_flows_reference(
    flows: &[Tensor<4>],
    masks: &[MaskTensor],
    dtype: DType,
) -> Tensor<4> {
    let parts = flows.iter().zip(masks).map(|(flow, mask)| {
        let mask = mask.clone().floats();
        let known = flow.clone() * (-mask.clone() + 1.0);
        Tensor::cat(vec![known, mask], 1)
    });
    Tensor::cat(parts.collect(), 0).cast(dtype)
}

/// Combines `flows` `[1, 2, H, W]` outside the mask with `predicted` `[1, 2, rows, columns]` inside.
/// `predicted` covers `area`, which contains the mask.
pub fn combine_area(
    flows: Tensor<4>,
    predicted: Tensor<4>,
    mask: MaskTensor,
    area: &Rect,
) -> Tensor<4> {
    cube::combine_area(&flows, &predicted, &mask, area)
        .unwrap_or_else(|| combine_area_reference(flows, predicted, mask, area))
}

/// Computes [`combine_area`] in tensor operations.
pub fn combine_area_reference(
    flows: Tensor<4>,
    predicted: Tensor<4>,
    mask: MaskTensor,
    area: &Rect,
) -> Tensor<4> {
    let [_, _, height, width] = flows.dims();
    let whole = Rect::whole([height, width]);
    let [own, mask] = [flows.clone(), mask.floats()].map(|x| area.crop(x, 2, &whole));
    let combined = combine(own, upcast(predicted), mask);
    flows.slice_assign(
        [0..1, 0..2, area.rows.clone(), area.columns.clone()],
        combined,
    )
}

/// Combines `flows` outside the masks with `predicted` inside.
pub fn combine(flows: Tensor<4>, predicted: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
    flows * (-masks.clone() + 1.0) + predicted * masks
}
