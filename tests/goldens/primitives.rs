//! Warp, consistency check, deformable convolution, mask dilation: relative error ≤ 1e-5.

use burn::tensor::Tensor;
use propainter::{
    Mask,
    internals::kernels::{
        deform_conv::{deform_conv, deform_conv_reference},
        warp::{Sampling, consistency, warp, warp_reference},
    },
};
use propainter_tests::golden::{Vectors, assert_close, device};

const TOLERANCE: f64 = 1e-5;

#[test]
fn warp_matches_in_both_forms() {
    let Some(vectors) = Vectors::open("warp") else {
        return;
    };
    let device = device();
    let get = |key: &str| vectors.tensor::<4>(key, &device);
    for (sampling, key) in [
        (Sampling::Bilinear, "bilinear"),
        (Sampling::Nearest, "nearest"),
    ] {
        assert_close(
            warp(get("x"), get("flow"), sampling),
            &vectors,
            key,
            TOLERANCE,
        );
        assert_close(
            warp_reference(get("x"), get("flow"), sampling),
            &vectors,
            key,
            TOLERANCE,
        );
    }
}

#[test]
fn consistency_check_matches() {
    let Some(vectors) = Vectors::open("warp") else {
        return;
    };
    let device = device();
    let valid = consistency(
        vectors.tensor("flow_fw", &device),
        vectors.tensor("flow_bw", &device),
    );
    assert_close(valid, &vectors, "fb_valid", TOLERANCE);
}

#[test]
fn deformable_convolution_matches_in_both_forms() {
    let Some(vectors) = Vectors::open("deform_conv") else {
        return;
    };
    let device = device();
    let get = |key: &str| vectors.tensor::<4>(key, &device);
    let bias: Tensor<1> = vectors.tensor("bias", &device);
    for form in [deform_conv, deform_conv_reference] {
        let out = form(
            get("x"),
            get("offset"),
            get("mask"),
            get("weight"),
            bias.clone(),
        );
        assert_close(out, &vectors, "out", TOLERANCE);
    }
}

#[test]
fn mask_dilation_matches() {
    let Some(vectors) = Vectors::open("mask_dilation") else {
        return;
    };
    let shape = vectors.shape("mask");
    let (height, width) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    for (iterations, key) in [(4, "it4"), (1, "it1")] {
        let masks = vectors.bytes("mask");
        let expected = vectors.bytes(key);
        assert_eq!(masks.len(), expected.len());
        for (mask, expected) in masks
            .chunks_exact(width * height)
            .zip(expected.chunks_exact(width * height))
        {
            let expected = Mask::from_luma(width, height, expected.to_vec());
            let dilated = Mask::from_luma(width, height, mask.to_vec()).dilated(iterations);
            assert_eq!(dilated, expected);
        }
    }
}
