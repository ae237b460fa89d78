//! The generator on whole clips, in training mode (training section 6).

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor};
use propainter::{
    Cancel, Error,
    internals::networks::generator::{
        Decoder, Encoder, QuarterScaleInputs, SoftComposition, SoftSplit, TransformerBlock,
        attention::DeviceAttentionPlan,
        feature_propagation::{From, Fusion, Pass, both_passes},
        token_grid::{TokenGrid, mask_tokens},
        transformer::block_scopes,
    },
};

use super::computing::{Computing, Runner, frames};
use crate::parameters::Recorded;

/// Blocks of the transformer.
const BLOCKS: usize = 8;

/// The network of one step.
pub struct GeneratorNet(Runner);

/// The input of one clip: local frames, then reference frames, T in all. No gradient reaches it.
#[derive(Clone, Debug)]
pub struct GeneratorClip {
    /// The frames after image propagation, `[T, 3, H, W]` in [−1, 1], with sides that are multiples of 8.
    pub updated: Tensor<4>,
    /// `[T, 1, H, W]`, 1 inside the hole.
    pub masks: Tensor<4>,
    /// The masks after image propagation, `[T, 1, H, W]`.
    pub updated_masks: Tensor<4>,
    /// The completed flows between local frames forward and backward, `[L − 1, 2, H, W]` in pixels. They
    /// tell the number L of local frames.
    pub flows: [Tensor<4>; 2],
}

impl GeneratorNet {
    /// Builds the network on recorded parameters, which are on `device`.
    pub fn new(parameters: &Recorded, device: &Device, computing: Computing) -> Self {
        Self(Runner::new(parameters, device, computing))
    }

    /// Generates all frames of a clip, `[T, 3, H, W]` in [−1, 1] and in 32 bits. A window counts as
    /// masked if any frame has a hole in it.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails before the masks are read from it.
    pub fn forward(&self, clip: GeneratorClip) -> Result<Tensor<4>, Error> {
        let GeneratorClip {
            updated,
            masks,
            updated_masks,
            flows: [forward, backward],
        } = clip;
        let [_, _, height, width] = updated.dims();
        let size = [height / 4, width / 4];
        let locals = forward.dims()[0] + 1;
        let guides = QuarterScaleInputs::new(
            masks.clone(),
            updated_masks.clone(),
            Some((forward, backward)),
        )?;
        let masked = mask_tokens(&guides.mask_pixels, size);
        let input = Tensor::cat(vec![updated, masks, updated_masks], 1);
        let mut features = self.encode(&self.0.input(input));
        let references = features.split_off(locals);
        let mut features = self.propagate(&features, &guides)?;
        features.extend(references);
        let tokens = self.transform(&features, size, &masked);
        let all = frames(&tokens).into_iter().zip(features);
        let images = all.map(|(tokens, features)| self.decode(tokens, features, size));
        Ok(Tensor::cat(images.collect(), 0).cast(DType::F32))
    }

    /// Encodes frames `[T, 5, H, W]`, frame by frame.
    fn encode(&self, input: &Tensor<4>) -> Vec<Tensor<4>> {
        let encode = |frame| {
            let device = self.0.device.clone();
            let again = self.0.computing.segments.encoder;
            self.0.run(
                again,
                ("encoder", 0),
                vec![frame],
                move |source| Encoder::init(source, &device),
                |encoder, mut inputs| encoder.forward(inputs.remove(0), 0),
            )
        };
        frames(input).into_iter().map(encode).collect()
    }

    /// Propagates the features of the local frames.
    fn propagate(
        &self,
        features: &[Tensor<4>],
        guides: &QuarterScaleInputs,
    ) -> Result<Vec<Tensor<4>>, Error> {
        let again = self.0.computing.segments.propagation;
        let step = |pass: usize, current: &Tensor<4>, from: From<'_>, masks: &Tensor<4>| {
            let (device, masks) = (self.0.device.clone(), masks.clone());
            let flows = from.map(|(_, flows)| flows.map(Tensor::clone));
            let inputs = [Some(current), from.map(|(state, _)| state)];
            let inputs = inputs.into_iter().flatten().cloned().collect();
            self.0.run(
                again,
                ("pass", pass),
                inputs,
                move |source| Pass::init(source, ["backward_1", "forward_1"][pass], &device),
                move |pass, inputs| {
                    let from = inputs
                        .get(1)
                        .zip(flows.as_ref().map(|flows| flows.each_ref()));
                    pass.step(&inputs[0], from, &masks)
                },
            )
        };
        let passes = both_passes(features, guides, &Cancel::default(), &step)?;
        let states = passes.backward.into_iter().zip(passes.forward);
        let frames = features.iter().cloned().zip(passes.masks);
        let fused = states
            .zip(frames)
            .map(|((backward, forward), (frame, masks))| {
                let device = self.0.device.clone();
                self.0.run(
                    again,
                    ("fusion", 0),
                    vec![backward, forward, frame],
                    move |source| Fusion::init(source, &device),
                    move |fusion, inputs| {
                        fusion.forward([&inputs[0], &inputs[1]], &masks, &inputs[2])
                    },
                )
            });
        Ok(fused.collect())
    }

    /// Splits features of `size` into tokens and transforms them: `[T, rows, columns, 512]`.
    fn transform(&self, features: &[Tensor<4>], size: [usize; 2], masked: &[bool]) -> Tensor<4> {
        let again = self.0.computing.segments.transformer;
        let device = &self.0.device;
        let tokens = features.iter().map(|frame| {
            let device = device.clone();
            self.0.run(
                again,
                ("split", 0),
                vec![frame.clone()],
                move |source| SoftSplit::init(source, &device),
                |split, mut inputs| split.forward(inputs.remove(0)),
            )
        });
        let tokens = Tensor::cat(tokens.collect(), 0);
        let grid = TokenGrid::over(size);
        let all: Vec<_> = (0..features.len()).collect();
        let scopes = block_scopes(grid, features.len(), (&all, &grid.whole()), BLOCKS);
        let plan = |scope| Arc::new(DeviceAttentionPlan::new(grid, scope, masked, device));
        let mut plans: Vec<Arc<DeviceAttentionPlan>> = Vec::new();
        scopes.iter().enumerate().fold(tokens, |x, (block, scope)| {
            let known = plans.iter().find(|plan| plan.scope() == scope).cloned();
            let plan = known.unwrap_or_else(|| {
                plans.push(plan(scope));
                plans[plans.len() - 1].clone()
            });
            let device = device.clone();
            self.0.run(
                again,
                ("block", block),
                vec![x],
                move |source| TransformerBlock::init(source, block, &device),
                move |block, mut inputs| block.forward(inputs.remove(0), size, &plan),
            )
        })
    }

    /// Composes the tokens of a frame, adds its features and decodes the sum.
    fn decode(&self, tokens: Tensor<4>, features: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        let device = self.0.device.clone();
        let again = self.0.computing.segments.decoder;
        self.0.run(
            again,
            ("decoder", 0),
            vec![tokens, features],
            move |source| {
                let composition = SoftComposition::init(source, &device);
                (composition, Decoder::init(source, &device))
            },
            move |(composition, decoder), inputs| {
                let [tokens, features] = inputs.try_into().expect("two inputs");
                decoder.forward(features + composition.forward(tokens, size), 0)
            },
        )
    }
}
