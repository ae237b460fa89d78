//! Samples as tensors.

use burn::tensor::{Device, Tensor, TensorData};
use propainter::{Frame, Mask};

use crate::{
    data::{Flow, Sample},
    networks::Frozen,
    parameters::host_values,
};

/// Clips on a device that does not record, B of them with T frames of which L are local.
#[derive(Clone, Debug)]
pub struct Clips {
    /// `[B, T, 3, H, W]`, in [−1, 1].
    pub frames: Tensor<5>,
    /// `[B, T, 1, H, W]`, 0 or 1.
    pub holes: Tensor<5>,
    /// The true flows between local frames forward and backward, `[B, L − 1, 2, H, W]` in pixels.
    pub flows: [Tensor<5>; 2],
}

impl Clips {
    /// Copies samples of one size to the device. Flows that were not computed before are computed by
    /// RAFT on the frames without holes.
    ///
    /// # Panics
    /// If there are no samples, or flows are needed and there is no RAFT.
    pub fn new(samples: &[Sample], raft: Option<&Frozen>, device: &Device) -> Self {
        let clips: Vec<_> = samples
            .iter()
            .map(|sample| clip(sample, raft, device))
            .collect();
        let stack = |tensor: fn(&Clip) -> &Tensor<4>| {
            Tensor::stack(clips.iter().map(|clip| tensor(clip).clone()).collect(), 0)
        };
        Self {
            frames: stack(|clip| &clip.frames),
            holes: stack(|clip| &clip.holes),
            flows: [stack(|clip| &clip.flows[0]), stack(|clip| &clip.flows[1])],
        }
    }

    /// Returns the number of local frames.
    pub fn local(&self) -> usize {
        self.flows[0].dims()[1] + 1
    }

    /// Returns frames, holes and flows of clip `number`, without the first dimension.
    pub fn clip(&self, number: usize) -> Clip {
        let of = |tensor: &Tensor<5>| tensor.clone().narrow(0, number, 1).squeeze_dim::<4>(0);
        Clip {
            frames: of(&self.frames),
            holes: of(&self.holes),
            flows: [of(&self.flows[0]), of(&self.flows[1])],
        }
    }
}

/// One clip; see [`Clips`].
#[derive(Clone, Debug)]
pub struct Clip {
    /// `[T, 3, H, W]`.
    pub frames: Tensor<4>,
    /// `[T, 1, H, W]`.
    pub holes: Tensor<4>,
    /// `[L − 1, 2, H, W]` each.
    pub flows: [Tensor<4>; 2],
}

fn clip(sample: &Sample, raft: Option<&Frozen>, device: &Device) -> Clip {
    let (width, height) = (sample.frames[0].width(), sample.frames[0].height());
    let tensor = |data: Vec<f32>, channels: usize| -> Tensor<4> {
        let count = data.len() / (channels * width * height);
        Tensor::from_data(
            TensorData::new(data, [count, channels, height, width]),
            device,
        )
    };
    let planes = |frame: &Frame| {
        let rgb = frame.rgb();
        let value = |i: usize| f32::from(rgb[i]) / 255.0 * 2.0 - 1.0;
        let channel = |c: usize| (c..rgb.len()).step_by(3).map(value);
        (0..3).flat_map(channel).collect::<Vec<_>>()
    };
    let hole = |mask: &Mask| {
        mask.hole()
            .iter()
            .map(|&hole| f32::from(hole))
            .collect::<Vec<_>>()
    };
    let flow = |flow: &Flow| {
        let axis = |axis: usize| flow.vectors().iter().map(move |vector| vector[axis]);
        (0..2).flat_map(axis).collect::<Vec<_>>()
    };
    let frames = tensor(sample.frames.iter().flat_map(planes).collect(), 3);
    let flows = match &sample.flows {
        Some(flows) => [&flows.forward, &flows.backward]
            .map(|flows| tensor(flows.iter().flat_map(flow).collect(), 2)),
        None => {
            let raft = raft.expect("RAFT, where flows are not computed before");
            raft.flows(&frames.clone().narrow(0, 0, sample.local))
        }
    };
    Clip {
        holes: tensor(sample.holes.iter().flat_map(hole).collect(), 1),
        frames,
        flows,
    }
}

/// Returns frames from `[T, 3, H, W]` in [−1, 1], inside the holes of a sample; outside they are its own.
///
/// # Panics
/// If the device fails.
pub fn filled(sample: &Sample, values: &Tensor<4>) -> Vec<Frame> {
    let [count, _, height, width] = values.dims();
    let values = host_values(&values.clone().flatten(0, 3));
    let clips = values.chunks_exact(3 * height * width).take(count);
    let fill = |((frame, hole), values): ((&Frame, &Mask), &[f32])| {
        let mut frame = frame.clone();
        for (i, pixel) in frame.rgb_mut().chunks_exact_mut(3).enumerate() {
            if hole.hole()[i] == 1 {
                for (channel, byte) in pixel.iter_mut().enumerate() {
                    let value = values[channel * height * width + i];
                    *byte = ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
                }
            }
        }
        frame
    };
    sample
        .frames
        .iter()
        .zip(&sample.holes)
        .zip(clips)
        .map(fill)
        .collect()
}
