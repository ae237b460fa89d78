//! Checkpoints converted to safetensors.

use propainter::weights::{
    Checkpoint, FilePrecision, Form, Network, StateFile, TensorProblem, WeightsError,
    write_safetensors,
};
use propainter_tests::golden;

use super::saved::{Saved, Storage, write};

#[test]
fn a_converted_checkpoint_differs_by_fp16s_rounding_only() {
    let folder = tempfile::tempdir().expect("a folder");
    for network in [Network::Raft, Network::FlowCompletion] {
        let Some(tensors) = golden::generated_tensors(network) else {
            return;
        };
        let path = write(
            folder.path(),
            "official.pth",
            &Saved::network(network, &tensors).zip(),
        );
        let official = Checkpoint::read(network, &path).expect("a checkpoint");
        let path = folder.path().join("converted.safetensors");
        write_safetensors(&official, &path, FilePrecision::Half).expect("written");
        let file = StateFile::read(&path, 1 << 26).expect("a readable file");
        assert_eq!(file.form(), Form::Safetensors);
        let converted = Checkpoint::read(network, &path).expect("a converted checkpoint");
        for (key, tensor) in official.tensors() {
            let other = converted.get(key);
            assert_eq!(tensor.shape, other.shape, "{key}");
            for (a, b) in tensor.data.iter().zip(&other.data) {
                // Half a unit in the last of 11 bits; below 2^-14 the steps are 2^-24.
                let bound = (a.abs() / 2048.0).max(2f32.powi(-25));
                assert!((a - b).abs() <= bound, "{key}: {a} became {b}");
                assert!(
                    !key.contains(".running_") || a == b,
                    "{key}: {a} became {b}"
                );
            }
        }
    }
}

#[test]
fn a_value_too_large_for_fp16_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut saved = Saved::small(Network::FlowCompletion);
    saved.set("upsample.2.conv.bias", Storage::floats(&[0.0, 1e5]));
    let path = write(folder.path(), "large.pth", &saved.zip());
    let checkpoint = Checkpoint::read(Network::FlowCompletion, &path).expect("a checkpoint");
    let out = folder.path().join("out.safetensors");
    let error = write_safetensors(&checkpoint, &out, FilePrecision::Half).expect_err("too large");
    match error {
        WeightsError::Tensor {
            key,
            problem: TensorProblem::TooLargeForHalf { index: 1, .. },
            ..
        } => {
            assert_eq!(key, "upsample.2.conv.bias");
        }
        other => panic!("{other}"),
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("a folder").count(),
        1
    );
    write_safetensors(&checkpoint, &out, FilePrecision::Full).expect("fp32 has room");
}

#[test]
fn a_folder_that_is_not_there_is_an_error_that_names_the_file() {
    let path = std::path::Path::new("/nonexistent/out.safetensors");
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(
        folder.path(),
        "f.pth",
        &Saved::small(Network::FlowCompletion).zip(),
    );
    let checkpoint = Checkpoint::read(Network::FlowCompletion, &file).expect("a checkpoint");
    let error = write_safetensors(&checkpoint, path, FilePrecision::Half).expect_err("no folder");
    assert!(
        error.to_string().contains("/nonexistent/out.safetensors"),
        "{error}"
    );
}
