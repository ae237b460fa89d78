//! Recurrent flow completion: flows inside the holes from those around them (spec section 3).

mod decoder;
mod propagation;
mod video;

use std::{collections::VecDeque, ops::Range};

use burn::tensor::{Device, Tensor, ops::PadMode};

use super::{
    kept::{Kept, Place},
    layers::{Activation, Conv2d, Geometry},
};
use crate::{Area, Cancel, Error, weights::Checkpoint};
pub use decoder::Decoder;
use propagation::{Memory, Propagation};
use video::{Carry, P3d};

const LEAKY: Activation = Activation::Leaky(0.2);

/// How a video is worked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Flows encoded, and decoded, at once; at least 1.
    pub frames: usize,
    /// Where features wait between the passes.
    pub place: Place,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            frames: 16,
            place: Place::Device,
        }
    }
}

impl Pace {
    fn parts(self, count: usize) -> impl Iterator<Item = Range<usize>> {
        let starts = (0..count).step_by(self.frames);
        starts.map(move |start| start..count.min(start + self.frames))
    }
}

/// The network. Frames (here: flows) are the batch axis; the stages are methods in order.
#[derive(Debug)]
pub struct FlowCompletion {
    downsample: Conv2d,
    encoder1: [P3d; 2],
    encoder2: [P3d; 2],
    dilation: [Conv2d; 3],
    propagation: Propagation,
    pub decoder: Decoder,
}

/// What [`FlowCompletion::predict`] reads and gives.
pub struct Video<'a> {
    /// What [`known`] makes of the flows of a range, `[n, 3, H, W]`; called once for each, in
    /// order.
    pub input: &'a dyn Fn(Range<usize>) -> Result<Tensor<4>, Error>,
    /// The area of each flow that is wanted, empty where none is.
    pub wanted: &'a [Area],
    /// Takes those, `[1, 2, rows, columns]`, in order.
    pub output: &'a mut dyn FnMut(usize, Tensor<4>) -> Result<(), Error>,
}

impl FlowCompletion {
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        let conv = |key: &str, geometry| Conv2d::init(checkpoint, key, geometry, device);
        let encoder = |key: &str| {
            let part =
                |i: usize, stride| P3d::init(checkpoint, &format!("{key}.{i}"), stride, device);
            [part(0, 1), part(2, 2)]
        };
        Self {
            // Padding is replicated, so it is not the convolution's.
            downsample: conv("downsample.0", Geometry::padding(0, 0).stride(2)).then(LEAKY),
            encoder1: encoder("encoder1"),
            encoder2: encoder("encoder2"),
            dilation: [(0, 3), (2, 2), (4, 1)].map(|(i, reach)| {
                let geometry = Geometry::padding(reach, reach).dilation(reach);
                conv(&format!("mid_dilation.{i}"), geometry).then(LEAKY)
            }),
            propagation: Propagation::init(checkpoint, "feat_prop_module", device),
            decoder: Decoder::init(checkpoint, device),
        }
    }

    /// Completes flows both ways.
    ///
    /// - `forward`, `backward`: `[N, 2, H, W]` in pixels, sides multiples of 8; `forward` at t
    ///   leads from frame t to t + 1, `backward` at t from t + 1 to t
    /// - `masks`: `[N + 1, 1, H, W]`, 1 is the hole
    ///
    /// Returns both, as they came outside the holes of the frame they lead from, predicted
    /// inside.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn complete(
        &self,
        forward: Tensor<4>,
        backward: Tensor<4>,
        masks: Tensor<4>,
    ) -> Result<(Tensor<4>, Tensor<4>), Error> {
        let count = forward.dims()[0];
        let at = |start| masks.clone().narrow(0, start, count);
        let predicted = self.predict_whole(forward.clone(), at(0))?;
        let forward = combine(forward, predicted, at(0));
        // The network sees the backward direction reversed in time.
        let predicted = self.predict_whole(backward.clone().flip([0]), at(1).flip([0]))?;
        let backward = combine(backward, predicted.flip([0]), at(1));
        Ok((forward, backward))
    }

    /// [`Self::predict`] on whole tensors: flows `[N, 2, H, W]`, masks `[N, 1, H, W]`.
    pub fn predict_whole(&self, flows: Tensor<4>, masks: Tensor<4>) -> Result<Tensor<4>, Error> {
        let [count, _, height, width] = flows.dims();
        let input = |range: Range<usize>| {
            let part = |x: &Tensor<4>| x.clone().narrow(0, range.start, range.len());
            Ok(known(part(&flows), part(&masks)))
        };
        let mut predicted = Vec::with_capacity(count);
        let mut output = |_, flow| {
            predicted.push(flow);
            Ok(())
        };
        let video = Video {
            input: &input,
            wanted: &vec![Area::whole([height, width]); count],
            output: &mut output,
        };
        self.predict(video, Pace::default(), &Cancel::default())?;
        Ok(Tensor::cat(predicted, 0))
    }

    /// The network's flows in one direction, where they are wanted, part by part of a video; the
    /// result is the same at every pace.
    ///
    /// # Errors
    /// [`Error::Cancelled`], between frames and layers of a part; [`Error::Compute`] when the
    /// device fails; what `input` and `output` return.
    pub fn predict(&self, video: Video, pace: Pace, cancel: &Cancel) -> Result<(), Error> {
        let wanted = video.wanted;
        let Some(last) = wanted.iter().rposition(|area| !area.is_empty()) else {
            return Ok(());
        };
        let mut encoded = self.encode(wanted.len(), pace, cancel, video.input)?;
        let mut states = self.backward(&encoded.coarse, pace, cancel)?;
        let mut memory = Memory::default();
        // Nothing reads the forward pass behind the last flow that is wanted.
        for range in pace.parts(last + 1) {
            let mut fused = Vec::with_capacity(range.len());
            let mut fine = Vec::with_capacity(range.len());
            for _ in range.clone() {
                cancel.check()?;
                let (x, state) = encoded
                    .coarse
                    .pop_front()
                    .zip(states.pop_front())
                    .expect("one each");
                fused.push(self.forward_step(&x, &state, &mut memory));
                fine.extend(encoded.fine.pop_front().map(|x| x.get()));
            }
            // Those in the middle without a hole are few.
            let some = |t: &usize| !wanted[*t].is_empty();
            let (Some(first), Some(last)) = (range.clone().find(some), range.clone().rfind(some))
            else {
                continue;
            };
            let read = first - range.start..last + 1 - range.start;
            let areas = wanted[range.clone()].iter();
            let area = areas.fold(Area::default(), |all, area| all.union(area));
            let fused = Tensor::cat(fused.drain(read.clone()).collect(), 0);
            let fine = Tensor::cat(fine.drain(read).collect(), 0);
            let flows = self.decoder.part(fused, fine, &area, cancel)?;
            for t in (first..=last).filter(some) {
                let flow = flows.clone().narrow(0, t - first, 1);
                (video.output)(t, wanted[t].cut(flow, 2, &area))?;
            }
        }
        Ok(())
    }

    /// Everything before the propagation: features of each frame at two scales.
    fn encode(
        &self,
        count: usize,
        pace: Pace,
        cancel: &Cancel,
        input: &dyn Fn(Range<usize>) -> Result<Tensor<4>, Error>,
    ) -> Result<Encoded, Error> {
        let mut encoded = Encoded::default();
        let mut carries = [Carries::default(), Carries::default()];
        for range in pace.parts(count) {
            cancel.check()?;
            let last = range.end == count;
            let x = self.downsample(input(range)?);
            let Some(fine) = self.encode1(x, &mut carries[0], last) else {
                continue;
            };
            keep(&fine, pace, &mut encoded.fine)?;
            cancel.check()?;
            if let Some(coarse) = self.encode2(fine, &mut carries[1], last) {
                keep(&self.dilate(coarse), pace, &mut encoded.coarse)?;
            }
        }
        Ok(encoded)
    }

    /// The backward pass's states of the frames with features `coarse`.
    fn backward(
        &self,
        coarse: &VecDeque<Kept>,
        pace: Pace,
        cancel: &Cancel,
    ) -> Result<VecDeque<Kept>, Error> {
        let mut states = VecDeque::with_capacity(coarse.len());
        let mut memory = Memory::default();
        for x in coarse.iter().rev() {
            cancel.check()?;
            let pass = &self.propagation.backward;
            let state = pass.step(x.get(), &mut memory);
            states.push_front(Kept::put(state, pace.place)?);
        }
        Ok(states)
    }

    fn forward_step(&self, x: &Kept, backward: &Kept, memory: &mut Memory) -> Tensor<4> {
        let (x, backward) = (x.get(), backward.get());
        let known = Tensor::cat(vec![x.clone(), backward.clone()], 1);
        let forward = self.propagation.forward.step(known, memory);
        self.propagation.fuse(x, backward, forward)
    }

    /// `[T, 3, H, W]` → `[T, 32, H/2, W/2]`
    pub fn downsample(&self, x: Tensor<4>) -> Tensor<4> {
        self.downsample
            .forward(x.pad([(2, 2), (2, 2)], PadMode::Edge))
    }

    /// The next part, `[n, 32, H/2, W/2]` → `[m, 64, H/4, W/4]`, as [`P3d::forward`] takes it
    pub fn encode1(&self, x: Tensor<4>, carry: &mut Carries, last: bool) -> Option<Tensor<4>> {
        carry.through(&self.encoder1, x, last)
    }

    /// The next part, `[n, 64, H/4, W/4]` → `[m, 128, H/8, W/8]`, as [`P3d::forward`] takes it
    pub fn encode2(&self, x: Tensor<4>, carry: &mut Carries, last: bool) -> Option<Tensor<4>> {
        carry.through(&self.encoder2, x, last)
    }

    /// `[T, 128, H/8, W/8]`, the same shape
    pub fn dilate(&self, x: Tensor<4>) -> Tensor<4> {
        self.dilation.iter().fold(x, |x, conv| conv.forward(x))
    }

    /// `[T, 128, H/8, W/8]`, the same shape, a whole video
    ///
    /// # Errors
    /// [`Error::Compute`] when the device fails.
    pub fn propagate(&self, x: Tensor<4>) -> Result<Tensor<4>, Error> {
        let (pace, mut coarse) = (Pace::default(), VecDeque::new());
        keep(&x, pace, &mut coarse)?;
        let states = self.backward(&coarse, pace, &Cancel::default())?;
        let mut memory = Memory::default();
        let pairs = coarse.iter().zip(&states);
        let fused = pairs.map(|(x, state)| self.forward_step(x, state, &mut memory));
        Ok(Tensor::cat(fused.collect(), 0))
    }
}

/// What the network sees of flows `[n, 2, H, W]` and the masks `[n, 1, H, W]` of the frames they
/// lead from: `[n, 3, H, W]`.
pub fn known(flows: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
    let known = flows * (-masks.clone() + 1.0);
    Tensor::cat(vec![known, masks], 1)
}

/// `flows` `[1, 2, H, W]` outside the mask `[1, 1, H, W]`, `predicted` inside, of which there is
/// an area that holds the hole.
pub fn combine_area(
    flows: Tensor<4>,
    predicted: Tensor<4>,
    mask: Tensor<4>,
    area: &Area,
) -> Tensor<4> {
    let [_, _, height, width] = flows.dims();
    let whole = Area::whole([height, width]);
    let [own, mask] = [flows.clone(), mask].map(|x| area.cut(x, 2, &whole));
    let combined = combine(own, predicted, mask);
    flows.slice_assign(
        [0..1, 0..2, area.rows.clone(), area.columns.clone()],
        combined,
    )
}

/// `flows` outside the masks, `predicted` inside.
pub fn combine(flows: Tensor<4>, predicted: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
    flows * (-masks.clone() + 1.0) + predicted * masks
}

/// Features before the propagation, put away frame by frame.
#[derive(Default)]
struct Encoded {
    /// `[1, 64, H/4, W/4]`
    fine: VecDeque<Kept>,
    /// `[1, 128, H/8, W/8]`
    coarse: VecDeque<Kept>,
}

/// What an encoder of two parts carries from one part of a video to the next.
#[derive(Debug, Default)]
pub struct Carries([Carry; 2]);

impl Carries {
    fn through(&mut self, parts: &[P3d; 2], x: Tensor<4>, last: bool) -> Option<Tensor<4>> {
        let mut parts = parts.iter().zip(&mut self.0);
        parts.try_fold(x, |x, (part, carry)| part.forward(x, carry, last))
    }
}

fn keep(x: &Tensor<4>, pace: Pace, kept: &mut VecDeque<Kept>) -> Result<(), Error> {
    for t in 0..x.dims()[0] {
        kept.push_back(Kept::put(x.clone().narrow(0, t, 1), pace.place)?);
    }
    Ok(())
}
