//! RAFT as torchvision publishes it (`raft_large`, BSD licence): the same network under other keys.

use std::path::Path;

use super::{Checkpoint, Network, WeightsError, formats::StateFile, layout::Layout};

/// The beginnings of torchvision's keys and of ours.
const PARTS: [(&str, &str); 9] = [
    ("feature_encoder.", "fnet."),
    ("context_encoder.", "cnet."),
    ("update_block.motion_encoder.", "update_block.encoder."),
    (
        "update_block.recurrent_block.convgru1.",
        "update_block.gru.1.",
    ),
    (
        "update_block.recurrent_block.convgru2.",
        "update_block.gru.2.",
    ),
    ("update_block.flow_head.", "update_block.flow_head."),
    ("mask_predictor.convrelu.0.", "update_block.mask.0."),
    ("mask_predictor.conv.", "update_block.mask.2."),
    ("module.", ""),
];

/// Names of layers within an encoder and within the motion encoder.
const ENCODER: [(&str, &str); 7] = [
    ("convnormrelu.0", "conv1"),
    ("convnormrelu.1", "norm1"),
    ("convnormrelu1.0", "conv1"),
    ("convnormrelu1.1", "norm1"),
    ("convnormrelu2.0", "conv2"),
    ("convnormrelu2.1", "norm2"),
    ("conv", "conv2"),
];
const MOTION: [(&str, &str); 5] = [
    ("convcorr1.0", "convc1"),
    ("convcorr2.0", "convc2"),
    ("convflow1.0", "convf1"),
    ("convflow2.0", "convf2"),
    ("conv.0", "conv"),
];

impl Checkpoint {
    /// Reads RAFT from a file of torchvision's `raft_large`, or under the official keys.
    ///
    /// # Errors
    /// As [`read`](Self::read), with the keys of the file where they are not torchvision's.
    pub fn read_torchvision_raft(path: &Path) -> Result<Self, WeightsError> {
        let file = StateFile::read(path, Layout::of(Network::Raft).max_file_bytes())?;
        Self::from_state_as(Network::Raft, path, &file, |key| {
            own_key(key).unwrap_or_else(|| key.to_owned())
        })
    }
}

/// Returns our key for one of torchvision's.
fn own_key(key: &str) -> Option<String> {
    let (part, own) = PARTS.iter().find(|(part, _)| key.starts_with(part))?;
    let rest = &key[part.len()..];
    match *own {
        "" => own_key(rest),
        "fnet." | "cnet." => {
            // `layer1.0.convnormrelu1.0.weight`: block, layer, name of the tensor.
            let block = rest
                .match_indices('.')
                .nth(1)
                .filter(|_| rest.starts_with("layer"));
            let (block, rest) = rest.split_at(block.map_or(0, |(at, _)| at + 1));
            let rest = match block.is_empty() || !rest.starts_with("downsample.") {
                true => renamed(rest, &ENCODER)?,
                false => rest.to_owned(),
            };
            Some(format!("{own}{block}{rest}"))
        }
        "update_block.encoder." => Some(format!("{own}{}", renamed(rest, &MOTION)?)),
        "update_block.gru.1." | "update_block.gru.2." => {
            // `convz.weight` of step 1 is `convz1.weight`.
            let (gate, name) = rest.split_once('.')?;
            let step = &own[own.len() - 2..own.len() - 1];
            Some(format!("update_block.gru.{gate}{step}.{name}"))
        }
        own => Some(format!("{own}{rest}")),
    }
}

/// Returns `LAYER.NAME` with the layer's other name.
fn renamed(key: &str, names: &[(&str, &str)]) -> Option<String> {
    let (layer, name) = key.rsplit_once('.')?;
    let (_, own) = names.iter().find(|(theirs, _)| *theirs == layer)?;
    Some(format!("{own}.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_other_names() {
        for (theirs, ours) in [
            ("feature_encoder.convnormrelu.0.weight", "fnet.conv1.weight"),
            (
                "context_encoder.convnormrelu.1.running_var",
                "cnet.norm1.running_var",
            ),
            (
                "context_encoder.layer2.0.convnormrelu1.1.bias",
                "cnet.layer2.0.norm1.bias",
            ),
            (
                "feature_encoder.layer1.1.convnormrelu2.0.bias",
                "fnet.layer1.1.conv2.bias",
            ),
            (
                "context_encoder.layer3.0.downsample.1.weight",
                "cnet.layer3.0.downsample.1.weight",
            ),
            ("feature_encoder.conv.bias", "fnet.conv2.bias"),
            (
                "update_block.motion_encoder.convcorr2.0.weight",
                "update_block.encoder.convc2.weight",
            ),
            (
                "update_block.motion_encoder.conv.0.bias",
                "update_block.encoder.conv.bias",
            ),
            (
                "module.update_block.recurrent_block.convgru2.convq.weight",
                "update_block.gru.convq2.weight",
            ),
            (
                "update_block.flow_head.conv1.bias",
                "update_block.flow_head.conv1.bias",
            ),
            (
                "mask_predictor.convrelu.0.weight",
                "update_block.mask.0.weight",
            ),
            ("mask_predictor.conv.bias", "update_block.mask.2.bias"),
        ] {
            assert_eq!(own_key(theirs).as_deref(), Some(ours), "{theirs}");
        }
        for other in [
            "fnet.conv1.weight",
            "feature_encoder.conv9.weight",
            "conv",
            "",
        ] {
            assert_eq!(own_key(other), None, "{other}");
        }
    }
}
