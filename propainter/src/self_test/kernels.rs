//! Every operation against its reference form, at sizes that fill no tile. The CPU computes the
//! reference form in 32 bits, from the values that the device is given.

use burn::tensor::{Int, Tensor, TensorData};

use super::{Bench, KernelTest, Pair, values};
use crate::{
    DType, Rect,
    kernels::{
        attention::{
            attention, attention_reference, windowed_attention,
            windows::{DeviceWindowLists, WindowLists},
        },
        conv::{Activation, ConvGeometry, conv2d_reference},
        convex_upsample::{convex_upsample, convex_upsample_reference},
        correlation::{Correlation, CorrelationForm},
        deform_conv::{
            PackedDeformConv, SamplingPoints, deform_conv_on_gpu, deform_conv_reference,
            pack_weight,
        },
        fold::{AREA, fold, fold_reference, patches, unfold, unfold_reference},
        gates,
        gelu::{gelu, gelu_reference},
        instance_norm::{instance_norm, instance_norm_reference},
        upsample::{upsample2x, upsample2x_reference},
        warp::{Sampling, consistency, consistency_reference, warp, warp_reference},
    },
    networks::layers::Conv2d,
};

/// The data types of RAFT and of image propagation.
const FULL: &[DType] = &[DType::F32];
/// The data types of RAFT's products.
const FULL_PRODUCTS: &[DType] = &[DType::F32, DType::Tf32];
/// The data types of flow completion and the generator.
const ALL: &[DType] = &[DType::F32, DType::F16, DType::Bf16];
/// The data types of their products.
const ALL_PRODUCTS: &[DType] = &[DType::F32, DType::Tf32, DType::F16, DType::Bf16];
/// The share of places that lie so near the middle of two pixels that either may be taken.
const TIES: f64 = 0.002;

const fn test(
    name: &'static str,
    dtypes: &'static [DType],
    run: fn(&Bench) -> Vec<Pair>,
) -> KernelTest {
    let ties = 0.0;
    KernelTest {
        name,
        dtypes,
        run,
        ties,
    }
}

const fn with_ties(test: KernelTest) -> KernelTest {
    KernelTest { ties: TIES, ..test }
}

/// Every operation, those of the first network first.
pub const KERNELS: &[KernelTest] = &[
    test("convolution 3x3", ALL_PRODUCTS, |bench| {
        convolve(bench, [3, 3], 1)
    }),
    test("convolution 7x7, stride 2", FULL_PRODUCTS, |bench| {
        convolve(bench, [7, 7], 2)
    }),
    test("convolution 1x5", FULL_PRODUCTS, |bench| {
        convolve(bench, [1, 5], 1)
    }),
    test("instance norm", FULL, normalise),
    test("correlation, volume", FULL, |bench| {
        correlate(bench, CorrelationForm::Volume)
    }),
    test("correlation, features", FULL, |bench| {
        correlate(bench, CorrelationForm::Features)
    }),
    test("gates", FULL, gate),
    test("convex upsampling", FULL, upsample_convexly),
    with_ties(test("warp, bilinear", ALL, |bench| {
        warped(bench, Sampling::Bilinear)
    })),
    with_ties(test("warp, nearest", ALL, |bench| {
        warped(bench, Sampling::Nearest)
    })),
    with_ties(test("forward-backward check", FULL, agree)),
    test("deformable convolution", ALL, deform),
    test("upsampling by 2", ALL, upsample),
    test("unfold", ALL, unfolded),
    test("fold", ALL, folded),
    test("attention in windows", ALL, attend),
    test("gelu", ALL, |bench| {
        let (there, here) = bench.both([3, 1237], 40, 6.0);
        vec![Pair::new(gelu(there), gelu_reference(here))]
    }),
];

fn convolve(bench: &Bench, kernel @ [rows, columns]: [usize; 2], stride: usize) -> Vec<Pair> {
    let geometry = ConvGeometry::padding(rows / 2, columns / 2).stride(stride);
    let products = (19 * rows * columns) as f32;
    let (x, seen) = bench.both([2, 19, 37, 45], 1, 1.0);
    let (weight, seen_weight) =
        bench.both([33, 19, kernel[0], kernel[1]], 2, products.sqrt().recip());
    let (bias, seen_bias) = bench.both([33], 3, 1.0);
    let layer = Conv2d::of(weight, bias, geometry).then(Activation::Relu);
    let layer = layer.computing_in(bench.numbers);
    let out = layer.forward(x);
    let expected = conv2d_reference(seen, seen_weight, seen_bias, geometry, Activation::Relu);
    vec![Pair::new(out, expected)]
}

fn normalise(bench: &Bench) -> Vec<Pair> {
    // Far from zero, so that the mean matters.
    let (x, seen) = bench.rounded(values([2, 5, 61, 67], 4) * 2.0 + 5.0);
    let both = [false, true].map(|rectify| {
        let out = instance_norm(x.clone(), rectify);
        Pair::new(out, instance_norm_reference(seen.clone(), rectify))
    });
    both.into()
}

fn correlate(bench: &Bench, form: CorrelationForm) -> Vec<Pair> {
    let shape = [2, 24, 17, 23];
    let [(first, seen_first), (second, seen_second)] =
        [5, 6].map(|seed| bench.both(shape, seed, 1.0));
    // Outside the map, too.
    let (at, seen_at) = bench.both_full([2, 2, 17, 23], 7, 20.0);
    let out = Correlation::new(first, second, form).lookup(at);
    let expected = Correlation::new(seen_first, seen_second, CorrelationForm::Volume);
    vec![Pair::new(out, expected.lookup_reference(seen_at))]
}

fn gate(bench: &Bench) -> Vec<Pair> {
    let wide = [2, 38, 13, 17];
    let narrow = [2, 19, 13, 17];
    let [gates, constant] = [8, 9].map(|seed| bench.both(wide, seed, 4.0));
    let [hidden, candidate, addend] = [10, 11, 12].map(|seed| bench.both(narrow, seed, 2.0));
    let (update, reset) = gates::open(gates.0, constant.0, hidden.0.clone());
    let (seen_update, seen_reset) = gates::open_reference(gates.1, constant.1, hidden.1.clone());
    let out = gates::close(hidden.0, update.clone(), candidate.0, addend.0);
    let expected = gates::close_reference(hidden.1, seen_update.clone(), candidate.1, addend.1);
    vec![
        Pair::new(update, seen_update),
        Pair::new(reset, seen_reset),
        Pair::new(out, expected),
    ]
}

fn upsample_convexly(bench: &Bench) -> Vec<Pair> {
    let (flow, seen_flow) = bench.both([2, 2, 9, 13], 13, 1.0);
    let (mask, seen_mask) = bench.both([2, 576, 9, 13], 14, 5.0);
    let expected = convex_upsample_reference(seen_flow, seen_mask);
    vec![Pair::new(convex_upsample(flow, mask), expected)]
}

fn warped(bench: &Bench, sampling: Sampling) -> Vec<Pair> {
    let (x, seen) = bench.both([2, 19, 45, 61], 15, 1.0);
    // Far outside, too.
    let (flow, seen_flow) = bench.both_full([2, 2, 45, 61], 16, 30.0);
    let out = warp(x, flow, sampling);
    vec![Pair::new(out, warp_reference(seen, seen_flow, sampling))]
}

fn agree(bench: &Bench) -> Vec<Pair> {
    let shape = [2, 2, 45, 61];
    let [(forward, seen_forward), (backward, seen_backward)] =
        [17, 18].map(|seed| bench.both(shape, seed, 1.5));
    let expected = consistency_reference(seen_forward, seen_backward);
    vec![Pair::new(consistency(forward, backward), expected)]
}

fn deform(bench: &Bench) -> Vec<Pair> {
    const GROUPS: usize = 16;
    let [height, width] = [11, 19];
    let (x, seen) = bench.both([1, 128, height, width], 19, 1.0);
    let (weight, seen_weight) = bench.both_full([32, 128, 3, 3], 20, 0.03);
    let (bias, seen_bias) = bench.both_full([32], 21, 1.0);
    let (raw, seen_raw) = bench.both_full([1, 27 * GROUPS, height, width], 22, 2.0);
    let (flow, seen_flow) = bench.both_full([1, 2, height, width], 23, 12.0);
    let learned = |raw, flow| SamplingPoints::Learned {
        raw,
        limit: 5.0,
        flow,
    };
    let out = |flow| {
        let points = learned(raw.clone(), flow);
        match PackedDeformConv::new(&weight, &bias, GROUPS) {
            Some(packed) => packed.apply(&x, &points),
            None => {
                let packed = pack_weight(weight.clone(), GROUPS);
                deform_conv_on_gpu(&x, &points, &packed, &bias, GROUPS)
            }
        }
    };
    let expected = |flow| {
        let (offset, modulation) = learned(seen_raw.clone(), flow).resolve();
        let (weight, bias) = (seen_weight.clone(), seen_bias.clone());
        deform_conv_reference(seen.clone(), offset, modulation, weight, bias)
    };
    vec![
        Pair::new(out(None), expected(None)),
        Pair::new(out(Some(flow)), expected(Some(seen_flow))),
    ]
}

fn upsample(bench: &Bench) -> Vec<Pair> {
    let (held, area) = (Rect::new([1..16, 3..21]), Rect::new([3..30, 8..40]));
    let size = [19, 23];
    let [rows, columns] = held.size();
    let (x, seen) = bench.both([2, 19, rows, columns], 24, 1.0);
    let expected = upsample2x_reference(seen, &held, size, &area);
    vec![Pair::new(upsample2x(x, &held, size, &area), expected)]
}

fn unfolded(bench: &Bench) -> Vec<Pair> {
    let (x, seen) = bench.both([2, 19, 29, 43], 25, 1.0);
    vec![Pair::new(unfold(x), unfold_reference(seen))]
}

fn folded(bench: &Bench) -> Vec<Pair> {
    let size = [29, 43];
    let [rows, columns] = patches(size);
    let (x, seen) = bench.both([2, rows * columns, 19 * AREA], 26, 1.0);
    vec![Pair::new(fold(x, size), fold_reference(seen, size))]
}

/// Two windows of a transformer's block: as many queries and keys as fill no tile, in no order.
fn attend(bench: &Bench) -> Vec<Pair> {
    const HEADS: usize = 4;
    const SIZE: usize = 128;
    const SCALE: f64 = 0.3;
    let (rows, queries) = (500, 45);
    let (table, seen) = bench.both([rows, 3 * HEADS * SIZE], 27, 1.0);
    // The numbers of keys.
    let windows = [130, 31].map(|keys| {
        let list = |count: usize, step: usize| (0..count).map(move |i| (i * step + keys) % rows);
        [list(queries, 7), list(keys, 11)].map(Iterator::collect::<Vec<usize>>)
    });
    let heads = |windows: &[[Vec<usize>; 2]], attend: fn(Part, Part, Part, f64) -> Part| {
        let out = windows.iter().map(|[queries, keys]| {
            let pick = |rows: &[usize], part| heads_of(&seen, rows, part, HEADS);
            let out = attend(pick(queries, 0), pick(keys, 1), pick(keys, 2), SCALE);
            out.swap_dims(0, 1).reshape([queries.len(), HEADS * SIZE])
        });
        Tensor::cat(out.collect(), 0)
    };
    let expected: Tensor<2> = heads(&windows, attention_reference);
    let mut lists = WindowLists::default();
    for (window, [queries, keys]) in windows.iter().enumerate() {
        let results = window * queries.len()..;
        lists.add(queries.iter().copied().zip(results), keys.iter().copied());
    }
    let lists = DeviceWindowLists::new(&lists, &bench.device);
    let out = windowed_attention(&table, &lists, windows.len() * queries, HEADS, SCALE);
    // The CPU attends to one window at a time.
    let out = out.unwrap_or_else(|| heads(&windows, attention));
    vec![Pair::new(out, expected)]
}

/// `[heads, rows, D]`.
type Part = Tensor<3>;

/// Returns the queries (`part` 0), keys (1) or values (2) of some rows of a table.
fn heads_of(table: &Tensor<2>, rows: &[usize], part: usize, heads: usize) -> Part {
    let width = table.dims()[1] / 3;
    let indices = rows.iter().map(|&row| row as i32).collect();
    let indices = TensorData::new::<i32, _>(indices, [rows.len()]);
    let indices: Tensor<1, Int> = Tensor::from_data(indices, &table.device());
    let picked = table.clone().select(0, indices);
    let picked = picked.narrow(1, part * width, width);
    picked
        .reshape([rows.len(), heads, width / heads])
        .swap_dims(0, 1)
}
