//! Warping by a flow, and the forward–backward check (spec section 0).

#[cfg(feature = "training")]
mod backward;
mod cpu;
pub mod cube;
pub mod guided;

use burn::tensor::{Int, Tensor};

use super::upcast::{in_f32, upcast};

/// The interpolation between pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Bilinear interpolation.
    Bilinear,
    /// The nearest pixel, ties to even.
    Nearest,
}

/// Samples `x` at p + flow(p) for every pixel p, with zeros outside the image.
///
/// - `x`: `[B, C, H, W]`
/// - `flow`: `[B, 2, H, W]`, in pixels, channel 0 to the right, channel 1 down
///
/// Returns `[B, C, H, W]`.
pub fn warp(x: Tensor<4>, flow: Tensor<4>, sampling: Sampling) -> Tensor<4> {
    #[cfg(feature = "training")]
    if sampling == Sampling::Bilinear
        && (x.is_autodiff() || flow.is_autodiff())
        && let Some(warped) = backward::warp_bilinear(&x, &flow)
    {
        return warped;
    }
    cpu::warp(&x, &flow, sampling)
        .or_else(|| cube::warp(&x, &flow, sampling))
        .unwrap_or_else(|| warp_reference(x, flow, sampling))
}

/// Checks where `forward` and `backward` agree: |f + b'|² < 0.01·(|f|² + |b'|²) + 0.5, with b' the
/// backward flow warped by the forward flow.
///
/// The flows are `[B, 2, H, W]`. Returns `[B, 1, H, W]`, 1 where they agree and 0 elsewhere.
pub fn consistency(forward: Tensor<4>, backward: Tensor<4>) -> Tensor<4> {
    cube::consistency(&forward, &backward)
        .unwrap_or_else(|| consistency_reference(forward, backward))
}

/// Computes the parts of the condition of an alignment that depend on the flow: `x` warped by the
/// flow, the flow, where the flow back agrees ([`consistency`]), and the masks.
///
/// - `x`: `[B, C, H, W]`
/// - `flow`, `back`: `[B, 2, H, W]`, in 32 bits
/// - `masks`: `[B, M, H, W]`
///
/// Returns tensors that have C + 3 + M channels together, in the data type of `x`: one on a GPU.
pub fn guided(x: &Tensor<4>, flows: [&Tensor<4>; 2], masks: &Tensor<4>) -> Vec<Tensor<4>> {
    match guided::guided(x, flows, masks) {
        Some(joined) => vec![joined],
        None => guided_reference(x, flows, masks),
    }
}

/// Computes [`guided`](guided()) by its parts.
pub fn guided_reference(
    x: &Tensor<4>,
    [flow, back]: [&Tensor<4>; 2],
    masks: &Tensor<4>,
) -> Vec<Tensor<4>> {
    let valid = consistency(flow.clone(), back.clone());
    let warped = warp(x.clone(), flow.clone(), Sampling::Bilinear);
    let parts = [&warped, flow, &valid, masks];
    parts.map(|part| part.clone().cast(x.dtype())).to_vec()
}

/// Computes [`consistency`] in tensor operations, with the warped flow in memory.
pub fn consistency_reference(forward: Tensor<4>, backward: Tensor<4>) -> Tensor<4> {
    let backward = upcast(backward);
    in_f32(forward, |forward| {
        let warped = warp(backward, forward.clone(), Sampling::Bilinear);
        let square = |t: Tensor<4>| t.clone().mul(t).sum_dim(1);
        let bound = (square(forward.clone()) + square(warped.clone())) * 0.01 + 0.5;
        square(forward + warped).lower(bound).float()
    })
}

/// Computes [`warp`] in tensor operations.
pub fn warp_reference(x: Tensor<4>, flow: Tensor<4>, sampling: Sampling) -> Tensor<4> {
    let flow = upcast(flow);
    in_f32(x, |x| warp_in_f32(x, flow, sampling))
}

fn warp_in_f32(x: Tensor<4>, flow: Tensor<4>, sampling: Sampling) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let [sx, sy] = [0, 1].map(|axis| position(&flow, axis, [height, width]));
    match sampling {
        Sampling::Nearest => corner(&x, sy.round(), sx.round()),
        Sampling::Bilinear => {
            let (top, left) = (sy.clone().floor(), sx.clone().floor());
            let (dy, dx) = (sy - top.clone(), sx - left.clone());
            let (uy, ux) = (-dy.clone() + 1.0, -dx.clone() + 1.0);
            let (bottom, right) = (top.clone() + 1.0, left.clone() + 1.0);
            corner(&x, top.clone(), left.clone()) * (uy.clone() * ux.clone())
                + corner(&x, top, right.clone()) * (uy * dx.clone())
                + corner(&x, bottom.clone(), left) * (dy.clone() * ux)
                + corner(&x, bottom, right) * (dy * dx)
        }
    }
}

/// Returns the columns (axis 0) or rows (axis 1) `[B, 1, H, W]` that `flow` leads to from each pixel.
fn position(flow: &Tensor<4>, axis: usize, [height, width]: [usize; 2]) -> Tensor<4> {
    let (size, shape) = match axis {
        0 => (width, [1, 1, 1, width]),
        _ => (height, [1, 1, height, 1]),
    };
    let pixels = Tensor::<1, Int>::arange(0..size as i64, &flow.device());
    let position = flow.clone().narrow(1, axis, 1) + pixels.float().reshape(shape);
    let normalised = position * 2.0 / (size.max(2) - 1) as f32 - 1.0;
    (normalised + 1.0) / 2.0 * (size - 1) as f32
}

/// Returns `x` at integer coordinates `[B, 1, H, W]`, 0 outside the image.
fn corner(x: &Tensor<4>, row: Tensor<4>, column: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let (last_row, last_column) = ((height - 1) as f32, (width - 1) as f32);
    let clamped_row = row.clone().clamp(0.0, last_row);
    let clamped_column = column.clone().clamp(0.0, last_column);
    let inside =
        row.equal(clamped_row.clone()).float() * column.equal(clamped_column.clone()).float();
    let index = (clamped_row * width as f32 + clamped_column).int();
    let samples = x
        .clone()
        .reshape([batch, channels, height * width])
        .gather(
            2,
            index
                .reshape([batch, 1, height * width])
                .expand([batch, channels, height * width]),
        )
        .reshape([batch, channels, height, width]);
    samples * inside
}
