//! Image propagation: at most 0.5 % of pixels differ by more than 1e-3.

use burn::tensor::{Tensor, TensorData};
use propainter::{
    Cancel,
    internals::networks::{image_propagation::propagate, stored::Placement},
};
use propainter_tests::golden::{Vectors, device};

#[test]
fn propagated_frames_and_masks_match() {
    let Some(vectors) = Vectors::open("image_propagation") else {
        return;
    };
    let device = device();
    let [length, height, width] = [0, 1, 2].map(|axis| vectors.shape("frames")[axis]);
    let frames: Tensor<4> = vectors.tensor("frames", &device);
    let frames = frames.permute([0, 3, 1, 2]) / 255.0 * 2.0 - 1.0;
    let masks: Tensor<4> = Tensor::from_data(
        TensorData::new(vectors.floats("masks"), [length, 1, height, width]),
        &device,
    );
    let flow = |key: &str| -> Tensor<4> { vectors.tensor::<5>(key, &device).squeeze_dim(0) };
    let (forward, backward) = (flow("flow_forward"), flow("flow_backward"));
    let at = |x: &Tensor<4>, t: usize| x.clone().narrow(0, t, 1);
    let (mut updated, mut missing) = (Vec::new(), Vec::new());
    propagate(
        length,
        Placement::Device,
        &Cancel::default(),
        &|t| {
            let mask = at(&masks, t);
            (at(&frames, t) * (-mask.clone() + 1.0), mask)
        },
        &|t| (at(&forward, t), at(&backward, t)),
        &mut |_, frame, mask| {
            updated.push(frame);
            missing.push(mask);
            Ok(())
        },
    )
    .expect("nobody cancels");
    let (updated, missing) = (Tensor::cat(updated, 0), Tensor::cat(missing, 0));

    // The vectors hold the propagation's own images: compare inside the masks.
    let golden: Tensor<4> = vectors.tensor::<5>("propagated", &device).squeeze_dim(0);
    let expected = frames * (-masks.clone() + 1.0) + golden * masks;
    let far = |a: Tensor<4>, b: Tensor<4>| {
        let pixels = (length * height * width) as f32;
        let far = (a - b).abs().max_dim(1).greater_elem(1e-3).float().sum();
        far.into_scalar::<f32>() / pixels
    };
    let images = far(updated, expected);
    let golden: Tensor<4> = vectors.tensor::<5>("updated_masks", &device).squeeze_dim(0);
    let masks = far(missing, golden);
    println!("share of pixels that differ: images {images:.2e}, masks {masks:.2e}");
    assert!(images <= 0.005, "images differ in {images} of the pixels");
    assert!(masks <= 0.005, "masks differ in {masks} of the pixels");
}
