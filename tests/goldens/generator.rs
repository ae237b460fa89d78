//! The generator against the official one: primitives ≤ 1e-5, stages and output ≤ 1e-4.

use std::sync::LazyLock;

use burn::tensor::{DType, Tensor};
use propainter::{
    Cancel, Error, Rect,
    internals::{
        kernels::fold::patches,
        networks::{
            generator::{
                Generated, Generator, GeneratorInput, QuarterScaleInputs,
                attention::DeviceAttentionPlan,
                attention_plan::BlockScope,
                token_grid::{TokenGrid, mask_tokens},
            },
            strips::Strips,
        },
    },
    weights::Network,
};
use propainter_tests::golden::{Vectors, assert_close, checkpoint, device};

const PRIMITIVE: f64 = 1e-5;
const STAGE: f64 = 1e-4;

/// The generator for all tests. Reading it takes longer than most of them.
static GENERATOR: LazyLock<Option<Generator>> = LazyLock::new(|| {
    let checkpoint = checkpoint(Network::Generator)?;
    Some(Generator::init(&checkpoint, &device()))
});

/// Opens the vectors `name` and the generator; returns `None` if either is missing.
fn open(name: &str) -> Option<(Vectors, &'static Generator)> {
    Some((Vectors::open(name)?, GENERATOR.as_ref()?))
}

/// Returns the vectors' `key` up to frame `end`, without its leading axis of 1.
fn frames(vectors: &Vectors, key: &str, end: usize) -> Tensor<4> {
    let tensor: Tensor<5> = vectors.tensor(key, &device());
    tensor.squeeze_dim::<4>(0).narrow(0, 0, end)
}

/// What the vectors hold of a window.
pub(super) struct Window {
    pub length: usize,
    pub locals: usize,
    frames: Tensor<4>,
    pub masks: Tensor<4>,
    updated_masks: Tensor<4>,
    flows: (Tensor<4>, Tensor<4>),
    /// The data type in which the generator is given its frames.
    pub dtype: DType,
}

impl Window {
    pub fn read(vectors: &Vectors) -> Self {
        let length = vectors.shape("frames")[1];
        let locals = vectors.floats("num_local")[0] as usize;
        Self {
            length,
            locals,
            frames: frames(vectors, "frames", length),
            masks: frames(vectors, "masks", length),
            updated_masks: frames(vectors, "updated_masks", length),
            flows: (
                frames(vectors, "flow_forward", locals - 1),
                frames(vectors, "flow_backward", locals - 1),
            ),
            dtype: DType::F32,
        }
    }

    /// Features one frame at a time, as a stream makes them.
    pub fn encode(&self, generator: &Generator) -> Tensor<4> {
        let features = (0..self.length).map(|t| {
            let at = |all: &Tensor<4>| all.clone().narrow(0, t, 1).cast(self.dtype);
            generator.encode(
                at(&self.frames),
                at(&self.masks),
                at(&self.updated_masks),
                Strips::default(),
            )
        });
        Tensor::cat(features.collect(), 0)
    }

    pub fn quarter_scale(&self) -> QuarterScaleInputs {
        let local = |masks: &Tensor<4>| masks.clone().narrow(0, 0, self.locals);
        let masks = [&self.masks, &self.updated_masks].map(local);
        let [masks, updated_masks] = masks;
        QuarterScaleInputs::new(masks, updated_masks, Some(self.flows.clone())).expect("masks")
    }

    pub fn input(&self, generator: &Generator) -> GeneratorInput {
        let features = self.encode(generator);
        let [_, _, height, width] = features.dims();
        let references = self.length - self.locals;
        let references = features.clone().narrow(0, self.locals, references);
        GeneratorInput {
            features: features.narrow(0, 0, self.locals).split(1, 0),
            references: vec![generator.tokens(references)],
            quarter_scale: self.quarter_scale(),
            wanted: GeneratorInput::everything(self.locals, [height, width]),
        }
    }
}

/// Generates all local frames, `[L, 3, H, W]`.
pub(super) fn generate(
    generator: &Generator,
    input: GeneratorInput,
    cancel: &Cancel,
) -> Result<Tensor<4>, Error> {
    let mut frames = Vec::new();
    let mut count = 0;
    generator.forward(input, Strips::default(), cancel, &mut |part| {
        assert_eq!(part.frames.start, count);
        count = part.frames.end;
        frames.push(part.images);
        Ok(())
    })?;
    Ok(Tensor::cat(frames, 0))
}

#[test]
fn soft_split_and_composition_match() {
    let Some((vectors, generator)) = open("soft_split_comp") else {
        return;
    };
    let x = vectors.tensor("x", &device());
    let tokens = generator.split.forward(x).unsqueeze::<5>();
    assert_close(tokens, &vectors, "tokens", PRIMITIVE);
    let tokens: Tensor<5> = vectors.tensor("tokens_in", &device());
    let composed = generator
        .composition
        .forward(tokens.squeeze_dim(0), [30, 26]);
    assert_close(composed, &vectors, "composed", PRIMITIVE);
}

#[test]
fn parts_of_a_composition_are_those_of_the_whole() {
    let Some((vectors, generator)) = open("soft_split_comp") else {
        return;
    };
    let tokens: Tensor<5> = vectors.tensor("tokens_in", &device());
    let tokens: Tensor<4> = tokens.squeeze_dim(0);
    let size = [30, 26];
    let whole = generator.composition.forward(tokens.clone(), size);
    let held = Rect::whole(patches(size));
    for rows in [0..30, 0..1, 0..7, 5..6, 9..22, 13..30, 29..30] {
        for columns in [0..26, 0..1, 4..9, 13..26] {
            let area = Rect::new([rows.clone(), columns]);
            let composition = &generator.composition;
            let part = composition.part(tokens.clone(), &held, size, &area);
            let expected = area.crop(whole.clone(), 2, &Rect::whole(size));
            let most = (part - expected).abs().max().into_scalar::<f32>();
            assert!(most < 1e-5, "{area:?}: {most}");
        }
    }
}

#[test]
fn wanted_parts_are_those_of_the_whole_frames() {
    let Some((vectors, generator)) = open("generator_exact") else {
        return;
    };
    let window = Window::read(&vectors);
    let whole = generate(generator, window.input(generator), &Cancel::default()).unwrap();
    let [_, _, height, width] = whole.dims();
    let empty = Rect::default();
    let corner = Rect::new([3..11, 0..5]);
    let middle = Rect::new([height / 2..height / 2 + 9, width / 2 - 7..width / 2 + 6]);
    let edge = Rect::new([height - 2..height, 0..width]);
    let all = Rect::whole([height, width]);
    // Alone and far apart: the transformer's last block answers for what holds them.
    for wanted in [
        vec![&empty, &corner],
        vec![&middle],
        vec![&middle, &edge, &empty],
        vec![&empty, &corner, &edge, &all],
        vec![&empty],
    ] {
        let mut input = window.input(generator);
        for (area, &wanted) in input.wanted.iter_mut().zip(wanted.iter().cycle()) {
            *area = wanted.clone();
        }
        let wanted = input.wanted.clone();
        let mut seen = vec![];
        let mut output = |part: Generated| {
            for (i, t) in part.frames.enumerate() {
                let frame = whole.clone().narrow(0, t, 1);
                let expected = wanted[t].crop(frame, 2, &all);
                let image = part.images.clone().narrow(0, i, 1);
                let out = wanted[t].crop(image, 2, &part.area);
                let most = (out - expected).abs().max().into_scalar::<f32>();
                println!("frame {t}, {:?}: {most:.1e}", wanted[t]);
                assert!(most < 1e-5, "frame {t}, {:?}: {most}", wanted[t]);
                seen.push(t);
            }
            Ok(())
        };
        generator
            .forward(input, Strips::default(), &Cancel::default(), &mut output)
            .unwrap();
        let expected = (0..wanted.len()).filter(|&t| !wanted[t].is_empty());
        assert_eq!(seen, expected.collect::<Vec<_>>());
    }
}

#[test]
fn feed_forward_matches() {
    let Some((vectors, generator)) = open("feed_forward") else {
        return;
    };
    let x: Tensor<3> = vectors.tensor("x", &device());
    let block = &generator.transformer.blocks[0];
    let out = block
        .feed_forward
        .forward(x.reshape([2, 10, 9, 512]), None, [30, 26]);
    assert_close(out.reshape([1, 180, 512]), &vectors, "out", PRIMITIVE);
}

#[test]
fn window_attention_matches_with_and_without_padding() {
    for name in ["attention_padded", "attention_exact"] {
        let Some((vectors, generator)) = open(name) else {
            continue;
        };
        let shape = vectors.shape("x");
        let (grid, length) = (
            TokenGrid {
                rows: shape[2],
                columns: shape[3],
            },
            shape[1],
        );
        let masks = vectors.floats("mask");
        let masked: Vec<_> = (0..grid.tokens())
            .map(|token| {
                masks[token..]
                    .iter()
                    .step_by(grid.tokens())
                    .any(|&m| m > 0.0)
            })
            .collect();
        let keys = vectors.floats("t_ind");
        let keys: Vec<_> = keys.into_iter().map(|frame| frame as usize).collect();
        // For all frames at once, and for some of them.
        for queries in [(0..length).collect::<Vec<_>>(), vec![0, 3]] {
            let select = |x: Tensor<5>| {
                let frames = queries.iter().map(|&frame| x.clone().narrow(1, frame, 1));
                Tensor::cat(frames.collect(), 1)
            };
            let scope = BlockScope {
                frames: length,
                queries: queries.clone(),
                tokens: grid.whole(),
                keys: keys.clone(),
            };
            let plan = DeviceAttentionPlan::new(grid, &scope, &masked, &device());
            let x = frames(&vectors, "x", length);
            let spare = Tensor::zeros([plan.spare_rows(), 512], &device());
            let normed = Tensor::cat(vec![x.clone().flatten(0, 2), spare], 0);
            let attention = &generator.transformer.blocks[0].attention;
            let out = attention.forward_added(normed, x.zeros_like(), &plan);
            let out = vectors.cut(out.unsqueeze::<5>(), "out");
            let expected = select(vectors.tensor("out", &device()));
            let error = propainter_tests::golden::relative_error(out, expected);
            println!("{name}, queries {queries:?}: relative error {error:.2e}");
            assert!(error <= PRIMITIVE, "{name}: relative error {error:.3e}");
        }
    }
}

#[test]
fn every_stage_matches() {
    let (Some((vectors, generator)), Some(inputs)) =
        (open("generator_stages"), Vectors::open("generator"))
    else {
        return;
    };
    let window = Window::read(&inputs);
    let pick = |x: &Tensor<4>, picked: [usize; 2]| {
        let frames = picked.map(|frame| x.clone().narrow(0, frame, 1));
        Tensor::cat(frames.to_vec(), 0)
    };
    let check = |x: &Tensor<4>, picked: [usize; 2], key: &str| {
        assert_close(pick(x, picked), &vectors, key, STAGE);
    };

    let features = window.encode(generator);
    check(&features, [0, 6], "encoder_f06");
    let [_, _, height, width] = features.dims();
    let size = [height, width];
    let quarter_scale = window.quarter_scale();
    let local = features.clone().narrow(0, 0, window.locals).split(1, 0);
    let local = generator
        .propagation
        .forward(local, &quarter_scale, &Cancel::default());
    let local = local.unwrap();
    check(&local, [0, 3], "feat_prop_local_f03");
    let references = window.length - window.locals;
    let references = features.narrow(0, window.locals, references);
    let mut tokens = generator
        .split
        .forward(Tensor::cat(vec![local, references], 0));
    check(&tokens, [0, 6], "tokens_f06");

    // All frames through all blocks: the vectors hold a reference after the last one.
    let masked = mask_tokens(&quarter_scale.mask_pixels, size);
    let length = window.length;
    for (i, block) in generator.transformer.blocks.iter().enumerate() {
        let grid = TokenGrid::over(size);
        let scope = BlockScope {
            frames: length,
            queries: (0..length).collect(),
            tokens: grid.whole(),
            keys: (i % 2..length).step_by(2).collect(),
        };
        let plan = DeviceAttentionPlan::new(grid, &scope, &masked, &device());
        tokens = block.forward(tokens, size, &plan);
        if [0, 1, 7].contains(&i) {
            check(&tokens, [0, 6], &format!("block{i}_f06"));
        }
    }
    let composed = generator.composition.forward(tokens, size);
    check(&composed, [0, 6], "composed_f06");
}

#[test]
fn local_frames_match() {
    for name in ["generator", "generator_exact"] {
        let Some((vectors, generator)) = open(name) else {
            continue;
        };
        let input = Window::read(&vectors).input(generator);
        let out = generate(generator, input, &Cancel::default()).unwrap();
        assert_close(out.unsqueeze::<5>(), &vectors, "out", STAGE);
    }
}

#[test]
fn a_single_frame_has_neither_flows_nor_references() {
    let Some(generator) = GENERATOR.as_ref() else {
        return;
    };
    for inside in [0.0, 1.0] {
        let mask = Tensor::full([1, 1, 8, 16], inside, &device());
        let frame = Tensor::zeros([1, 3, 8, 16], &device());
        let input = GeneratorInput {
            features: vec![generator.encode(frame, mask.clone(), mask.clone(), Strips::default())],
            references: vec![],
            quarter_scale: QuarterScaleInputs::new(mask.clone(), mask, None).expect("masks"),
            wanted: GeneratorInput::everything(1, [2, 4]),
        };
        let out = generate(generator, input, &Cancel::default()).unwrap();
        assert_eq!(out.dims(), [1, 3, 8, 16]);
        let out: Vec<f32> = out.into_data().try_into_vec().unwrap();
        assert!(out.iter().all(|value| value.abs() <= 1.0));
    }
}

#[test]
fn a_cancelled_generator_gives_no_frames() {
    let Some((vectors, generator)) = open("generator_exact") else {
        return;
    };
    let input = Window::read(&vectors).input(generator);
    let cancel = Cancel::default();
    cancel.cancel();
    let out = generate(generator, input, &cancel);
    assert!(matches!(out, Err(Error::Cancelled)));
}
