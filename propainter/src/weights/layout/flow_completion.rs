//! The flow completion's tensors (spec section 3).

use super::{Builder, Role};

pub(super) fn build(build: &mut Builder) {
    build.layer("downsample.0", &[32, 3, 1, 5, 5]);
    let mut input = 32;
    for (stage, channels) in [("encoder1", 64), ("encoder2", 128)] {
        for (index, out) in [(0, input), (2, channels)] {
            build.layer(&format!("{stage}.{index}.conv1.0"), &[out, input, 1, 3, 3]);
            build.layer(&format!("{stage}.{index}.conv2.0"), &[out, out, 3, 1, 1]);
        }
        input = channels;
    }
    for index in [0, 2, 4] {
        build.layer(&format!("mid_dilation.{index}"), &[128, 128, 1, 3, 3]);
    }
    propagation(build);
    for (stage, input, out) in [
        ("decoder2", 128, 64),
        ("decoder1", 64, 32),
        ("upsample", 32, 2),
    ] {
        build.layer(&format!("{stage}.0"), &[input, input, 3, 3]);
        build.layer(&format!("{stage}.2.conv"), &[out, input, 3, 3]);
    }
    let mut edges = |name: &str, weight: &[usize]| {
        build.layer_for(&format!("edgeDetector.{name}"), weight, Role::TrainingOnly);
    };
    edges("projection.0", &[16, 2, 3, 3]);
    edges("mid_layer_1.0", &[16, 16, 3, 3]);
    edges("mid_layer_2.0", &[16, 16, 3, 3]);
    edges("out_layer", &[1, 16, 1, 1]);
}

fn propagation(build: &mut Builder) {
    for pass in ["backward_", "forward_"] {
        build.deformable(&format!("feat_prop_module.deform_align.{pass}"), 256, 384);
    }
    // The forward pass also sees the backward pass's state.
    for (pass, features) in [("backward_", 256), ("forward_", 384)] {
        let backbone = format!("feat_prop_module.backbone.{pass}");
        build.layer(&format!("{backbone}.0"), &[128, features, 3, 3]);
        build.layer(&format!("{backbone}.2"), &[128, 128, 3, 3]);
    }
    build.layer("feat_prop_module.fusion", &[128, 256, 1, 1]);
}
