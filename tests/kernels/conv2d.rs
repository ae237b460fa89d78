use propainter::internals::isa::Isa;
use propainter::internals::kernels::conv::{
    Activation, ConvAlgorithm, ConvGeometry, PackedConv, conv2d_reference,
};
use proptest::prelude::*;

use super::{assert_matches_reference, from_slice, numbers, tensor};

fn geometries() -> impl Strategy<Value = ConvGeometry> {
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    (pair(1..4), pair(0..5), pair(1..4), 1usize..4).prop_map(
        |(stride, padding, dilation, groups)| ConvGeometry {
            stride,
            padding,
            dilation,
            groups,
        },
    )
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::None),
        Just(Activation::Relu),
        Just(Activation::Leaky(0.1)),
    ]
}

proptest! {
    #[test]
    fn every_instruction_set_convolves_like_the_reference(
        geometry in geometries(),
        activation in activations(),
        kernel in [1usize..6, 1usize..6],
        room in [0usize..30, 0usize..70],
        channels in [1usize..6, 1usize..20],
        batch in 1usize..3,
        seed: u64,
    ) {
        let size = [0, 1].map(|axis| {
            (geometry.dilation[axis] * (kernel[axis] - 1) + 1 + room[axis])
                .saturating_sub(2 * geometry.padding[axis])
                .max(1)
        });
        let groups = geometry.groups;
        let x = tensor([batch, groups * channels[0], size[0], size[1]], seed, 1.0);
        let shape = [groups * channels[1], channels[0], kernel[0], kernel[1]];
        let weight = numbers(shape.iter().product(), seed + 1, 1.0);
        let bias = numbers(shape[0], seed + 2, 1.0);
        let reference = conv2d_reference(
            x.clone(),
            from_slice(&weight, shape),
            from_slice(&bias, [shape[0]]),
            geometry,
            activation,
        );
        for isa in Isa::all() {
            let packed = PackedConv::pack(&weight, shape, &bias, geometry, ConvAlgorithm::Direct, isa);
            let fast = packed.apply(&x, activation);
            assert_matches_reference(fast, reference.clone(), &format!("{isa:?}"));
        }
    }

    #[test]
    fn winograd_convolves_like_the_reference(
        kernel in prop_oneof![
            Just([3usize, 3usize]), Just([1, 5]), Just([5, 1]), Just([3, 1]), Just([1, 3]),
            Just([5, 5]), Just([3, 5]), Just([5, 3]),
        ],
        padding in [0usize..4, 0usize..4],
        room in [0usize..30, 0usize..90],
        groups in 1usize..3,
        channels in [1usize..40, 1usize..20],
        activation in activations(),
        batch in 1usize..3,
        seed: u64,
    ) {
        let geometry = ConvGeometry { padding, groups, ..ConvGeometry::default() };
        let [height, width] =
            [0, 1].map(|axis| (kernel[axis] + room[axis]).saturating_sub(2 * padding[axis]).max(1));
        let x = tensor([batch, groups * channels[0], height, width], seed, 1.0);
        let shape = [groups * channels[1], channels[0], kernel[0], kernel[1]];
        let weight = numbers(shape.iter().product(), seed + 1, 1.0);
        let bias = numbers(shape[0], seed + 2, 1.0);
        let reference = conv2d_reference(
            x.clone(),
            from_slice(&weight, shape),
            from_slice(&bias, [shape[0]]),
            geometry,
            activation,
        );
        for isa in Isa::all() {
            let packed = PackedConv::pack(&weight, shape, &bias, geometry, ConvAlgorithm::Winograd, isa);
            let fast = packed.apply(&x, activation);
            assert_matches_reference(fast, reference.clone(), &format!("{isa:?}"));
        }
    }
}

#[test]
fn wide_images_are_cut_without_a_seam() {
    let geometry = ConvGeometry::default();
    let x = tensor([1, 3, 5, 1921], 1, 1.0);
    let shape = [5, 3, 3, 3];
    let weight = numbers(shape.iter().product(), 2, 1.0);
    let bias = numbers(5, 3, 1.0);
    let reference = conv2d_reference(
        x.clone(),
        from_slice(&weight, shape),
        from_slice(&bias, [5]),
        geometry,
        Activation::None,
    );
    for algorithm in [ConvAlgorithm::Direct, ConvAlgorithm::Winograd] {
        let packed = PackedConv::pack(&weight, shape, &bias, geometry, algorithm, Isa::best());
        let fast = packed.apply(&x, Activation::None);
        assert_matches_reference(fast, reference.clone(), &format!("{algorithm:?}"));
    }
}

#[test]
fn the_layers_of_the_networks_match() {
    let default = ConvGeometry::default();
    for (inputs, outputs, kernel, geometry) in [
        (3, 64, [7, 7], ConvGeometry::padding(3, 3).stride(2)),
        (324, 256, [1, 1], ConvGeometry::padding(0, 0)),
        (384, 128, [1, 5], ConvGeometry::padding(0, 2)),
        (384, 128, [5, 1], ConvGeometry::padding(2, 0)),
        (640, 256, [3, 3], default.groups(8)),
        (128, 128, [3, 3], ConvGeometry::padding(3, 3).dilation(3)),
        (64, 3, [3, 3], default),
        (256, 126, [3, 3], default),
        (64, 96, [1, 1], ConvGeometry::padding(0, 0).stride(2)),
    ] {
        let x = tensor([2, inputs, 21, 27], 1, 1.0);
        let shape = [outputs, inputs / geometry.groups, kernel[0], kernel[1]];
        let weight = tensor(shape, 2, 1.0);
        let bias = tensor([outputs], 3, 1.0);
        let packed = PackedConv::new(&weight, &bias, geometry).expect("tensors of the CPU");
        let fast = packed.apply(&x, Activation::Leaky(0.2));
        let reference = conv2d_reference(x, weight, bias, geometry, Activation::Leaky(0.2));
        assert_matches_reference(fast, reference, &format!("{inputs} to {outputs}"));
    }
}
