//! Strips of the generator's encoder and decoder: what they take, and that it is what the model
//! says.

use burn::tensor::{DType as TensorDType, Tensor, TensorData};
use propainter::{
    DType,
    internals::{
        memory::{
            budget::{
                Plan,
                bytes::{ByteModel, Machine},
            },
            counting::{Counting, Watch},
        },
        networks::{generator::Generator, strips::Strips},
        schedule::WindowParams,
    },
    weights::Network,
};
use propainter_tests::golden::{checkpoint, device};

use super::turn;

/// Sizes of an image, width and height, and rows at 1/4 of its strips; 0 is all.
const CASES: [([usize; 2], usize); 4] = [
    ([128, 128], 0),
    ([128, 128], 4),
    ([256, 128], 7),
    ([320, 192], 12),
];

/// More of them.
const MORE_CASES: [([usize; 2], usize); 6] = [
    ([256, 128], 0),
    ([256, 256], 32),
    ([320, 192], 1),
    ([432, 240], 10),
    ([432, 240], 25),
    ([192, 512], 40),
];

fn image(channels: usize, [width, height]: [usize; 2], dtype: TensorDType) -> Tensor<4> {
    let shape = [1, channels, height, width];
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| (i % 997) as f32 / 500.0 - 1.0);
    Tensor::<4>::from_data(TensorData::new(values.collect(), shape), &device()).cast(dtype)
}

/// Bytes at most during `work`, beside those before: of some runs the least, in which no thread
/// takes more working memory to keep.
fn least(work: impl Fn() -> Tensor<4>) -> u64 {
    let run = || {
        let watch = Watch::new();
        let before = Counting::live();
        work();
        watch.peak() - before
    };
    run().min(run()).min(run())
}

#[test]
fn strips_take_what_the_model_says() {
    assert_near(&CASES);
}

#[test]
#[ignore = "long: make soak"]
fn strips_of_larger_images_take_what_the_model_says() {
    assert_near(&MORE_CASES);
}

fn assert_near(cases: &[([usize; 2], usize)]) {
    let _turn = turn();
    let Some(checkpoint) = checkpoint(Network::Generator) else {
        return;
    };
    let cut = WindowParams {
        subvideo_length: 20,
        neighbor_length: 10,
        ref_stride: 10,
        lookahead: None,
    };
    let mut failed = Vec::new();
    for numbers in [DType::F32, DType::F16] {
        let generator = Generator::init(&checkpoint.clone().at(numbers), &device());
        let dtype = numbers.tensor_dtype();
        // Leaves most of the working memory that threads keep.
        for _ in 0..3 {
            generator.decoder.forward(image(128, [128, 64], dtype), 0);
            let [image, mask, missing] = [3, 1, 1].map(|c| image(c, [512, 256], dtype));
            generator.encode(image, mask, missing, Strips::default());
        }
        for &(size, rows) in cases {
            let scene = ByteModel::new(Machine::this_cpu(), size, cut, None);
            let plan = Plan {
                encoder_rows: rows,
                decoder_rows: rows,
                ..Plan::LARGEST
            };
            let strips = Strips {
                encoder_rows: rows,
                decoder_rows: rows,
            };
            let encode = || {
                let [image, mask, missing] = [3, 1, 1].map(|c| image(c, size, dtype));
                generator.encode(image, mask, missing, strips)
            };
            let decode = || {
                let features = image(128, size.map(|side| side / 4), dtype);
                generator.decoder.forward(features, rows)
            };
            let (encoded, decoded) = (least(encode), least(decode));
            let px = (size[0] * size[1]) as u64;
            let stages = [
                ("encoder", encoded, scene.encoding(&plan, numbers)),
                ("decoder", decoded, scene.decoding(&plan, numbers)),
            ];
            for (stage, peak, planned) in stages {
                let over = planned as f64 / peak as f64 - 1.0;
                let line = format!(
                    "{numbers:?} {stage} {size:?} rows {rows}: {} B/px, planned {}: {:+.1} %",
                    peak / px,
                    planned / px,
                    over * 100.0
                );
                println!("{line}");
                if !(0.0..=0.15).contains(&over) {
                    failed.push(line);
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
