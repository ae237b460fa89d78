//! Recurrent flow completion: predicts the flows inside the masks from those outside (spec
//! section 3).

mod decoder;
pub mod propagation;
mod video;

use std::{collections::VecDeque, ops::Range};

use burn::tensor::{Device, Tensor};

use super::{
    layers::{Activation, Conv2d, ConvGeometry},
    parameters::ParameterSource,
    stored::{Placement, StoredTensor},
};
pub use crate::kernels::flow_input::combine;
use crate::{
    Cancel, Error, Rect,
    kernels::{concat::concat, flow_input::masked_flows_reference, replicate_pad::replicate_pad},
};
pub use decoder::Decoder;
use propagation::{PassState, Propagation};
use video::{P3d, TimeContext};

const LEAKY: Activation = Activation::Leaky(0.2);

/// The size of the chunks in which a video is processed. The result is the same for every size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize {
    /// Flows that are encoded, and decoded, at once; at least 1.
    pub frames: usize,
    /// The memory that features are stored in between the passes.
    pub placement: Placement,
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self {
            frames: 16,
            placement: Placement::Device,
        }
    }
}

impl ChunkSize {
    /// Returns the chunks of a video of `count` flows.
    fn chunks(self, count: usize) -> impl Iterator<Item = Range<usize>> {
        let starts = (0..count).step_by(self.frames);
        starts.map(move |start| start..count.min(start + self.frames))
    }
}

/// The network. The frames, here flows, are the batch axis. Its stages are methods, in order.
#[derive(Debug)]
pub struct FlowCompletion {
    downsample: Conv2d,
    encoder1: [P3d; 2],
    encoder2: [P3d; 2],
    dilation: [Conv2d; 3],
    propagation: Propagation,
    /// The last stage.
    pub decoder: Decoder,
}

/// The input and output of [`FlowCompletion::predict`].
pub struct Video<'a> {
    /// Returns the [`network_input`] of a range of flows, `[n, 3, H, W]`. It is called once for each
    /// flow, in order.
    pub input: &'a dyn Fn(Range<usize>) -> Result<Tensor<4>, Error>,
    /// The part of each flow to predict; empty if none.
    pub wanted: &'a [Rect],
    /// Receives the predicted parts, `[1, 2, rows, columns]`, in order.
    pub output: &'a mut dyn FnMut(usize, Tensor<4>) -> Result<(), Error>,
}

impl FlowCompletion {
    /// Reads the network from its parameters.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        let conv = |key: &str, geometry| Conv2d::init(source, key, geometry, device);
        let encoder = |key: &str| {
            let part = |i: usize, stride| P3d::init(source, &format!("{key}.{i}"), stride, device);
            [part(0, 1), part(2, 2)]
        };
        Self {
            // The padding replicates the edge, so the convolution does not pad.
            downsample: conv("downsample.0", ConvGeometry::padding(0, 0).stride(2)).then(LEAKY),
            encoder1: encoder("encoder1"),
            encoder2: encoder("encoder2"),
            dilation: [(0, 3), (2, 2), (4, 1)].map(|(i, reach)| {
                let geometry = ConvGeometry::padding(reach, reach).dilation(reach);
                conv(&format!("mid_dilation.{i}"), geometry).then(LEAKY)
            }),
            propagation: Propagation::init(source, "feat_prop_module", device),
            decoder: Decoder::init(source, device),
        }
    }

    /// Completes the flows of both directions.
    ///
    /// - `forward`, `backward`: `[N, 2, H, W]`, in pixels, with sides that are multiples of 8.
    ///   `forward` at t leads from frame t to t + 1, `backward` at t from t + 1 to t
    /// - `masks`: `[N + 1, 1, H, W]`, 1 inside the mask
    ///
    /// Returns both flows: unchanged outside the mask of the frame that they lead from, predicted
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
        // The network reads the backward direction reversed in time.
        let predicted = self.predict_whole(backward.clone().flip([0]), at(1).flip([0]))?;
        let backward = combine(backward, predicted.flip([0]), at(1));
        Ok((forward, backward))
    }

    /// Predicts the flows of whole tensors, as [`Self::predict`]: flows `[N, 2, H, W]`, masks
    /// `[N, 1, H, W]`.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn predict_whole(&self, flows: Tensor<4>, masks: Tensor<4>) -> Result<Tensor<4>, Error> {
        let [count, _, height, width] = flows.dims();
        let input = |range: Range<usize>| {
            let part = |x: &Tensor<4>| x.clone().narrow(0, range.start, range.len());
            Ok(network_input(part(&flows), part(&masks)))
        };
        let mut predicted = Vec::with_capacity(count);
        let mut output = |_, flow| {
            predicted.push(flow);
            Ok(())
        };
        let video = Video {
            input: &input,
            wanted: &vec![Rect::whole([height, width]); count],
            output: &mut output,
        };
        self.predict(video, ChunkSize::default(), &Cancel::default())?;
        Ok(Tensor::cat(predicted, 0))
    }

    /// Predicts the flows of one direction, chunk by chunk.
    ///
    /// # Errors
    /// [`Error::Cancelled`] between the frames and the layers of a chunk; [`Error::Compute`] if the
    /// device fails; any error that `input` and `output` return.
    pub fn predict(
        &self,
        video: Video,
        chunk_size: ChunkSize,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        self.predict_all(&mut [video], chunk_size, cancel)
    }

    /// Predicts the flows of videos of the same length and size, such as both directions, as
    /// [`Self::predict`] does. Their propagation is one batch.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn predict_all(
        &self,
        videos: &mut [Video],
        chunk_size: ChunkSize,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let last = |video: &Video| video.wanted.iter().rposition(|area| !area.is_empty());
        let Some(last) = videos.iter().filter_map(last).max() else {
            return Ok(());
        };
        let encode =
            |video: &Video| self.encode(video.wanted.len(), chunk_size, cancel, video.input);
        let encoded: Result<Vec<_>, Error> = videos.iter().map(encode).collect();
        let mut encoded = encoded?;
        let mut backward = self.backward(&encoded, chunk_size.placement, cancel)?;
        let mut forward = PassState::default();
        // The forward pass ends with the last flow that is wanted.
        for range in chunk_size.chunks(last + 1) {
            let mut fused = Vec::with_capacity(range.len());
            let mut fine = vec![Vec::with_capacity(range.len()); videos.len()];
            for _ in range.clone() {
                cancel.check()?;
                let coarse = encoded.iter_mut();
                let coarse: Vec<_> = coarse
                    .filter_map(|video| video.coarse.pop_front())
                    .collect();
                let x = concat(coarse.iter().map(StoredTensor::get).collect());
                let state = backward.pop_front().expect("one each");
                fused.push(self.forward_step(&x, &state.get(), &mut forward));
                for (fine, video) in fine.iter_mut().zip(&mut encoded) {
                    fine.extend(video.fine.pop_front().map(|x| x.get()));
                }
            }
            for (index, (video, fine)) in videos.iter_mut().zip(fine).enumerate() {
                let own = |x: &Tensor<4>| x.clone().narrow(0, index, 1);
                let fused = match encoded.len() {
                    1 => std::mem::take(&mut fused),
                    _ => fused.iter().map(own).collect(),
                };
                self.decode(video, &range, fused, fine, cancel)?;
            }
        }
        Ok(())
    }

    /// Decodes the wanted flows of the chunk `range` of a video.
    fn decode(
        &self,
        video: &mut Video,
        range: &Range<usize>,
        mut fused: Vec<Tensor<4>>,
        mut fine: Vec<Tensor<4>>,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let wanted = video.wanted;
        // The chunk is decoded from its first to its last wanted flow. Few between them are unwanted.
        let some = |t: &usize| !wanted[*t].is_empty();
        let (Some(first), Some(last)) = (range.clone().find(some), range.clone().rfind(some))
        else {
            return Ok(());
        };
        let read = first - range.start..last + 1 - range.start;
        let areas = wanted[range.clone()].iter();
        let area = areas.fold(Rect::default(), |all, area| all.union(area));
        let fused = concat(fused.drain(read.clone()).collect());
        let fine = concat(fine.drain(read).collect());
        let flows = self.decoder.part(fused, fine, &area, cancel)?;
        for t in (first..=last).filter(some) {
            let flow = flows.clone().narrow(0, t - first, 1);
            (video.output)(t, wanted[t].crop(flow, 2, &area))?;
        }
        Ok(())
    }

    /// Does everything before the propagation: computes features of each frame at two scales.
    fn encode(
        &self,
        count: usize,
        chunk_size: ChunkSize,
        cancel: &Cancel,
        input: &dyn Fn(Range<usize>) -> Result<Tensor<4>, Error>,
    ) -> Result<Encoded, Error> {
        let placement = chunk_size.placement;
        let mut encoded = Encoded::default();
        let mut contexts = [EncoderContext::default(), EncoderContext::default()];
        for range in chunk_size.chunks(count) {
            cancel.check()?;
            let last = range.end == count;
            let x = self.downsample(input(range)?);
            let Some(fine) = self.encode1(x, &mut contexts[0], last) else {
                continue;
            };
            store_frames(&fine, placement, &mut encoded.fine)?;
            cancel.check()?;
            if let Some(coarse) = self.encode2(fine, &mut contexts[1], last) {
                store_frames(&self.dilate(coarse), placement, &mut encoded.coarse)?;
            }
        }
        Ok(encoded)
    }

    /// Returns the states of the backward pass of the frames of `videos`, which are a batch.
    fn backward(
        &self,
        videos: &[Encoded],
        placement: Placement,
        cancel: &Cancel,
    ) -> Result<VecDeque<StoredTensor>, Error> {
        let count = videos[0].coarse.len();
        let mut states = VecDeque::with_capacity(count);
        let mut last = PassState::default();
        for t in (0..count).rev() {
            cancel.check()?;
            let pass = &self.propagation.backward;
            let x = concat(videos.iter().map(|video| video.coarse[t].get()).collect());
            let state = pass.step(&[&x], &mut last);
            states.push_front(StoredTensor::put(state, placement)?);
        }
        Ok(states)
    }

    /// Does a step of the forward pass and fuses the states of both passes.
    fn forward_step(
        &self,
        x: &Tensor<4>,
        backward: &Tensor<4>,
        states: &mut PassState,
    ) -> Tensor<4> {
        let forward = self.propagation.forward.step(&[x, backward], states);
        self.propagation.fuse(x, backward, &forward)
    }

    /// Does the first stage: `[T, 3, H, W]` → `[T, 32, H/2, W/2]`.
    pub fn downsample(&self, x: Tensor<4>) -> Tensor<4> {
        self.downsample.forward(replicate_pad(x, 2))
    }

    /// Does the second stage for the next part of a video, `[n, 32, H/2, W/2]` →
    /// `[m, 64, H/4, W/4]`, under the rules of [`P3d::forward`].
    pub fn encode1(
        &self,
        x: Tensor<4>,
        context: &mut EncoderContext,
        last: bool,
    ) -> Option<Tensor<4>> {
        context.encode(&self.encoder1, x, last)
    }

    /// Does the third stage for the next part of a video, `[n, 64, H/4, W/4]` →
    /// `[m, 128, H/8, W/8]`, under the rules of [`P3d::forward`].
    pub fn encode2(
        &self,
        x: Tensor<4>,
        context: &mut EncoderContext,
        last: bool,
    ) -> Option<Tensor<4>> {
        context.encode(&self.encoder2, x, last)
    }

    /// Does the fourth stage, the dilated convolutions; `[T, 128, H/8, W/8]`, the same shape.
    pub fn dilate(&self, x: Tensor<4>) -> Tensor<4> {
        self.dilation.iter().fold(x, |x, conv| conv.forward(x))
    }

    /// Does the fifth stage, the propagation, for a whole video; `[T, 128, H/8, W/8]`, the same shape.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn propagate(&self, x: Tensor<4>) -> Result<Tensor<4>, Error> {
        let (placement, mut encoded) = (Placement::Device, Encoded::default());
        store_frames(&x, placement, &mut encoded.coarse)?;
        let encoded = [encoded];
        let backward = self.backward(&encoded, placement, &Cancel::default())?;
        let mut states = PassState::default();
        let pairs = encoded[0].coarse.iter().zip(&backward);
        let fused = pairs.map(|(x, state)| self.forward_step(&x.get(), &state.get(), &mut states));
        Ok(Tensor::cat(fused.collect(), 0))
    }
}

/// Returns the network's input for flows `[n, 2, H, W]` and the masks `[n, 1, H, W]` of the frames
/// that they lead from: `[n, 3, H, W]`, the flows outside the masks, and the masks.
pub fn network_input(flows: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
    let dtype = flows.dtype();
    masked_flows_reference(&[flows], &[masks.into()], dtype)
}

/// The features before the propagation, stored frame by frame.
#[derive(Default)]
struct Encoded {
    /// `[1, 64, H/4, W/4]`
    fine: VecDeque<StoredTensor>,
    /// `[1, 128, H/8, W/8]`
    coarse: VecDeque<StoredTensor>,
}

/// The context in time that an encoder keeps from one part of a video to the next.
#[derive(Debug, Default)]
pub struct EncoderContext([TimeContext; 2]);

impl EncoderContext {
    fn encode(&mut self, parts: &[P3d; 2], x: Tensor<4>, last: bool) -> Option<Tensor<4>> {
        let mut parts = parts.iter().zip(&mut self.0);
        parts.try_fold(x, |x, (part, context)| part.forward(x, context, last))
    }
}

/// Appends the frames of `x` to `stored`.
fn store_frames(
    x: &Tensor<4>,
    placement: Placement,
    stored: &mut VecDeque<StoredTensor>,
) -> Result<(), Error> {
    for t in 0..x.dims()[0] {
        stored.push_back(StoredTensor::put_part(
            x.clone().narrow(0, t, 1),
            placement,
        )?);
    }
    Ok(())
}
