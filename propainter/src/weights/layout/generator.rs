//! The generator's tensors (spec sections 5 and 6).

use super::{Builder, Role};

/// Rows and columns of an attention window.
const WINDOW: (usize, usize) = (5, 9);
/// Channels of a token and of the features it is cut from, and taps of the cut.
const TOKEN: usize = 512;
const FEATURES: usize = 128;
const TAPS: usize = 7 * 7;

pub(super) fn build(build: &mut Builder) {
    // [out, input per group]: the last four see the fourth's output again, in 2, 4, 8 and
    // 1 groups.
    let encoder = [
        (64, 5),
        (64, 64),
        (128, 64),
        (256, 128),
        (384, 256),
        (512, 640 / 2),
        (384, 768 / 4),
        (256, 640 / 8),
        (128, 512),
    ];
    for (index, (out, input)) in encoder.into_iter().enumerate() {
        build.layer(
            &format!("encoder.layers.{}", 2 * index),
            &[out, input, 3, 3],
        );
    }
    build.layer("decoder.0.conv", &[128, 128, 3, 3]);
    build.layer("decoder.2", &[64, 128, 3, 3]);
    build.layer("decoder.4.conv", &[64, 64, 3, 3]);
    build.layer("decoder.6", &[3, 64, 3, 3]);
    build.layer("ss.embedding", &[TOKEN, FEATURES * TAPS]);
    build.layer("sc.embedding", &[FEATURES * TAPS, TOKEN]);
    build.layer("sc.bias_conv", &[FEATURES, FEATURES, 3, 3]);
    propagation(build);
    for block in 0..8 {
        transformer_block(build, &format!("transformers.transformer.{block}"));
    }
}

fn propagation(build: &mut Builder) {
    // Feature, warped state, flow, validity, two masks; feature, state, two masks.
    let (condition, features) = (2 * FEATURES + 2 + 1 + 2, 2 * FEATURES + 2);
    let module = "feat_prop_module";
    let passes = ["backward_1", "forward_1"];
    for pass in passes {
        let prefix = format!("{module}.deform_align.{pass}");
        build.deformable(&prefix, FEATURES, condition);
    }
    let backbones = passes.map(|pass| format!("{module}.backbone.{pass}"));
    for prefix in backbones.into_iter().chain([format!("{module}.fuse")]) {
        build.layer(&format!("{prefix}.0"), &[FEATURES, features, 3, 3]);
        build.layer(&format!("{prefix}.2"), &[FEATURES, FEATURES, 3, 3]);
    }
}

fn transformer_block(build: &mut Builder, prefix: &str) {
    let attention = format!("{prefix}.attention");
    let rolled = rolled_indices();
    let key = format!("{attention}.valid_ind_rolled");
    build.slot(key, &[rolled.len()], Role::Buffer(rolled));
    for name in ["key", "query", "value", "proj"] {
        build.layer(&format!("{attention}.{name}"), &[TOKEN, TOKEN]);
    }
    build.layer(&format!("{attention}.pool_layer"), &[TOKEN, 1, 4, 4]);
    build.norm(&format!("{prefix}.norm1"), TOKEN);
    build.norm(&format!("{prefix}.norm2"), TOKEN);
    build.layer(&format!("{prefix}.mlp.fc1.0"), &[40 * TAPS, TOKEN]);
    build.layer(&format!("{prefix}.mlp.fc2.1"), &[TOKEN, 40 * TAPS]);
}

/// Returns the tokens of the four rolled windows, one window after the other and each row-major,
/// that are not the window's own: 148 of 180 (spec section 6).
fn rolled_indices() -> Vec<i64> {
    let (rows, columns) = WINDOW;
    let shift = (rows.div_ceil(2), columns.div_ceil(2));
    let mut indices = Vec::new();
    let mut index = 0;
    for (up, left) in [(true, true), (true, false), (false, true), (false, false)] {
        for token in 0..rows * columns {
            let (row, column) = (token / columns, token % columns);
            let new_row = match up {
                true => row >= rows - shift.0,
                false => row < shift.0,
            };
            let new_column = match left {
                true => column >= columns - shift.1,
                false => column < shift.1,
            };
            if new_row || new_column {
                indices.push(index);
            }
            index += 1;
        }
    }
    indices
}
