//! RAFT's tensors (spec section 2).

use super::Builder;

pub(super) fn build(build: &mut Builder) {
    encoder(build, "fnet", false);
    encoder(build, "cnet", true);
    let mut update = |name: &str, weight: &[usize]| {
        build.layer(&format!("update_block.{name}"), weight);
    };
    update("encoder.convc1", &[256, 4 * 81, 1, 1]);
    update("encoder.convc2", &[192, 256, 3, 3]);
    update("encoder.convf1", &[128, 2, 7, 7]);
    update("encoder.convf2", &[64, 128, 3, 3]);
    update("encoder.conv", &[126, 192 + 64, 3, 3]);
    for (step, kernel) in [(1, [1, 5]), (2, [5, 1])] {
        for gate in ["z", "r", "q"] {
            // Hidden state 128, context 128, motion 128.
            let weight = [128, 3 * 128, kernel[0], kernel[1]];
            update(&format!("gru.conv{gate}{step}"), &weight);
        }
    }
    update("flow_head.conv1", &[256, 128, 3, 3]);
    update("flow_head.conv2", &[2, 256, 3, 3]);
    update("mask.0", &[256, 128, 3, 3]);
    update("mask.2", &[9 * 64, 256, 1, 1]);
}

/// The feature encoder's norms have no parameters; the context encoder's are batch norms.
fn encoder(build: &mut Builder, net: &str, normed: bool) {
    build.layer(&format!("{net}.conv1"), &[64, 3, 7, 7]);
    if normed {
        build.batch_norm(&format!("{net}.norm1"), 64);
    }
    let mut input = 64;
    for (layer, channels) in [(1, 64), (2, 96), (3, 128)] {
        for block in 0..2 {
            let prefix = format!("{net}.layer{layer}.{block}");
            build.layer(&format!("{prefix}.conv1"), &[channels, input, 3, 3]);
            build.layer(&format!("{prefix}.conv2"), &[channels, channels, 3, 3]);
            if normed {
                build.batch_norm(&format!("{prefix}.norm1"), channels);
                build.batch_norm(&format!("{prefix}.norm2"), channels);
            }
            if input != channels {
                let down = format!("{prefix}.downsample");
                build.layer(&format!("{down}.0"), &[channels, input, 1, 1]);
                if normed {
                    let norm = format!("{down}.1");
                    build.batch_norm(&norm, channels);
                    build.batch_norm_alias(&format!("{prefix}.norm3"), &norm, channels);
                }
            }
            input = channels;
        }
    }
    build.layer(&format!("{net}.conv2"), &[256, 128, 1, 1]);
}
