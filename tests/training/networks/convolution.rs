//! The backward passes of convolution and of upsampling, against those of the tensor library.

use burn::tensor::{Distribution, Tensor, activation, module, ops::ConvOptions};
use propainter::{
    Rect,
    internals::kernels::{
        conv::{Activation, ConvGeometry, conv2d_reference},
        upsample::{upsample2x, upsample2x_reference},
    },
};

use super::{backward, device, distance, values};

fn random(shape: [usize; 4]) -> Tensor<4> {
    let values = Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &device());
    values.autodiff().require_grad()
}

fn assert_same<const D: usize>(ours: Option<Tensor<D>>, theirs: Option<Tensor<D>>, what: &str) {
    let [ours, theirs] = [ours, theirs].map(|x| values(x.expect("a gradient")));
    let error = distance(&ours, &theirs);
    assert!(error <= 1e-5, "{what}: {error:.2e}");
}

#[test]
fn convolutions_have_the_gradients_of_the_tensor_library() {
    let same = ConvGeometry::default();
    let cases = [
        // Winograd, with several bands of rows in the weight's gradient.
        ([2, 32, 130, 131], [32, 32, 3, 3], same),
        ([1, 3, 12, 9], [16, 3, 3, 3], same),
        // Steps that leave the last row and column out.
        (
            [2, 5, 12, 15],
            [24, 5, 5, 5],
            ConvGeometry::padding(0, 0).stride(2),
        ),
        ([1, 16, 9, 12], [32, 16, 3, 3], same.stride(2)),
        (
            [1, 16, 12, 13],
            [16, 16, 3, 3],
            ConvGeometry::padding(3, 3).dilation(3),
        ),
        ([1, 32, 6, 7], [48, 8, 3, 3], same.groups(4)),
        (
            [2, 24, 9, 9],
            [24, 1, 4, 4],
            ConvGeometry::padding(0, 0).stride(4).groups(24),
        ),
        ([1, 20, 5, 6], [7, 20, 1, 1], ConvGeometry::padding(0, 0)),
    ];
    for (number, (shape, kernel, geometry)) in cases.into_iter().enumerate() {
        // Of so many outputs some are too near to 0 for two algorithms to agree on their slope.
        let many = shape[2] > 100;
        for slope in [None, Some(0.2)].into_iter().take(if many { 1 } else { 2 }) {
            let [x, weight] = [random(shape), random(kernel)];
            let bias = random([1, 1, 1, kernel[0]]);
            // Each backward pass consumes its own record.
            let row = || bias.clone().reshape([kernel[0]]);
            let activation = slope.map_or(Activation::None, Activation::Leaky);
            let (image, filter) = (x.clone(), weight.clone());
            let ours = conv2d_reference(image.clone(), filter.clone(), row(), geometry, activation);
            let upstream = random(ours.dims()).detach();
            let ours_found = backward(ours.clone(), upstream.clone());
            let options = ConvOptions::new(
                geometry.stride,
                geometry.padding,
                geometry.dilation,
                geometry.groups,
            );
            let theirs = module::conv2d(image, filter, Some(row()), options);
            let theirs = slope.map_or(theirs.clone(), |slope| {
                activation::leaky_relu(theirs, slope)
            });
            let error = distance(&values(ours.inner()), &values(theirs.clone().inner()));
            assert!(error <= 1e-5, "case {number}: {error:.2e}");
            let found = backward(theirs, upstream);
            for (leaf, name) in [(&x, "input"), (&weight, "weight"), (&bias, "bias")] {
                let what = format!("{name} of case {number}");
                assert_same(leaf.grad(&ours_found), leaf.grad(&found), &what);
            }
        }
    }
}

#[test]
fn upsampling_has_the_gradient_of_the_tensor_library() {
    for [height, width] in [[1, 1], [2, 3], [7, 10]] {
        let held = Rect::new([0..height, 0..width]);
        let area = Rect::new([0..2 * height, 0..2 * width]);
        let part = Rect::new([height - 1..2 * height, 0..2 * width]);
        for area in [area, part] {
            let x = random([2, 3, height, width]);
            let ours = upsample2x(x.clone(), &held, [height, width], &area);
            let upstream = random(ours.dims()).detach();
            let theirs = upsample2x_reference(x.clone(), &held, [height, width], &area);
            let found = [ours, theirs].map(|out| x.grad(&backward(out, upstream.clone())));
            let [ours, theirs] = found;
            assert_same(ours, theirs, &format!("{height}x{width}"));
        }
    }
}
