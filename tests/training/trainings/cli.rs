//! `propainter train`, run as a user would.

use std::{ffi::OsString, fs, path::Path};

use propainter::weights::{
    Checkpoint, FilePrecision, Network, generated_tensors, write_safetensors,
};
use propainter_cli::{Console, weights::Environment};
use propainter_training::data::Size;
use serde_json::Value;

use crate::data::clips::write_images;

/// Runs `propainter train` and returns status, output and errors.
fn train(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let mut console = Console {
        input: &mut &b""[..],
        out: &mut out,
        errors: &mut errors,
        is_terminal: false,
    };
    let arguments = ["propainter", "train"].iter().chain(arguments);
    let arguments = arguments.map(OsString::from);
    let status = propainter_cli::run(arguments, &Environment::default(), &mut console);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status, text(out), text(errors))
}

/// Writes a data set and a checkpoint of RAFT, and returns the options that name them.
fn options(home: &Path) -> Vec<String> {
    for seed in 0..2 {
        write_images(
            &home.join(format!("data/{seed}")),
            Size::new(64, 64),
            seed,
            5,
        );
    }
    let raft = Checkpoint::from_tensors(Network::Raft, generated_tensors(Network::Raft)).unwrap();
    let file = home.join("weights/raft-things.safetensors");
    fs::create_dir_all(home.join("weights")).unwrap();
    write_safetensors(&raft, &file, FilePrecision::Full).unwrap();
    let path = |name: &str| home.join(name).display().to_string();
    let words = [
        "--data",
        &path("data"),
        "--weights",
        &path("weights"),
        "--cache",
        &path("cache"),
        "--size",
        "64x64",
        "--batch",
        "1",
        "--local",
        "3",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--log-every",
        "1",
        "--validation",
        "50%",
    ];
    words.map(str::to_owned).into()
}

#[test]
fn a_run_starts_ends_and_is_resumed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let run = home.join("run").display().to_string();
    let options = options(home);
    let with = |more: &[&str]| {
        let mut words: Vec<&str> = vec!["flow-completion"];
        words.extend(options.iter().map(String::as_str));
        words.extend(["--out", &run, "--steps", "2", "--sample-every", "2"]);
        words.extend(more);
        train(&words)
    };
    let (status, out, errors) = with(&["--json"]);
    assert_eq!((status, errors.as_str()), (0, ""));
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["type"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "notice",
            "progress",
            "progress",
            "validation",
            "checkpoint",
            "done"
        ],
        "{out}"
    );
    assert!(lines[1]["losses"]["total"].is_number() && lines[1]["waited"].is_number());
    assert!(lines[3]["measures"]["psnr"].is_number());
    for name in [
        "checkpoints/gen_000002.pth",
        "curves.png",
        "samples/step_000002.png",
    ] {
        assert!(home.join("run").join(name).exists(), "{name}");
    }

    let (status, _, errors) = with(&[]);
    assert!(
        status == 1 && errors.contains("has a run already"),
        "{errors}"
    );
    let (status, out, errors) = train(&["resume", &run]);
    assert_eq!((status, errors.contains("2 clips")), (0, true), "{errors}");
    assert!(out.contains("2 steps are done"), "{out}");
    let (status, out, errors) = train(&["resume", &run, "--quiet"]);
    assert_eq!((status, out.as_str(), errors.as_str()), (0, "", ""));
}

#[test]
fn wrong_use_and_missing_weights_are_named() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (status, _, errors) = train(&["resume", &path("none")]);
    assert!(status == 1 && errors.contains("has no run"), "{errors}");
    let (data, out, empty) = (path("data"), path("out"), path("weights"));
    let plain = [
        "generator",
        "--data",
        &data,
        "--out",
        &out,
        "--weights",
        &empty,
    ];
    let (status, _, errors) = train(&plain);
    assert!(status == 1 && errors.contains("raft-things"), "{errors}");
    for (option, value, says) in [
        ("--size", "430x240", "multiples of 8"),
        ("--masks", "holes", "there are no masks `holes`"),
        ("--learning-rate", "0", "above 0"),
        ("--batch", "0", "1.."),
    ] {
        let (status, _, errors) = train(&[&plain[..], &[option, value]].concat());
        assert!(status == 2 && errors.contains(says), "{option}: {errors}");
    }
}

/// Returns torchvision's key of a tensor of RAFT.
fn torchvision_key(key: &str) -> String {
    let mut key = key
        .replace("fnet.", "feature_encoder.")
        .replace("cnet.", "context_encoder.");
    let in_block = key.contains(".layer");
    for (ours, theirs) in [
        (
            ".conv1.",
            if in_block {
                ".convnormrelu1.0."
            } else {
                ".convnormrelu.0."
            },
        ),
        (
            ".norm1.",
            if in_block {
                ".convnormrelu1.1."
            } else {
                ".convnormrelu.1."
            },
        ),
        (
            ".conv2.",
            if in_block {
                ".convnormrelu2.0."
            } else {
                ".conv."
            },
        ),
        (".norm2.", ".convnormrelu2.1."),
    ] {
        if key.contains("_encoder.") {
            key = key.replacen(ours, theirs, 1);
        }
    }
    for (ours, theirs) in [
        (
            "update_block.encoder.convc1.",
            "update_block.motion_encoder.convcorr1.0.",
        ),
        (
            "update_block.encoder.convc2.",
            "update_block.motion_encoder.convcorr2.0.",
        ),
        (
            "update_block.encoder.convf1.",
            "update_block.motion_encoder.convflow1.0.",
        ),
        (
            "update_block.encoder.convf2.",
            "update_block.motion_encoder.convflow2.0.",
        ),
        (
            "update_block.encoder.conv.",
            "update_block.motion_encoder.conv.0.",
        ),
        ("update_block.mask.0.", "mask_predictor.convrelu.0."),
        ("update_block.mask.2.", "mask_predictor.conv."),
    ] {
        key = key.replacen(ours, theirs, 1);
    }
    for gate in ["z", "r", "q"] {
        for step in ["1", "2"] {
            let ours = format!("update_block.gru.conv{gate}{step}.");
            let theirs = format!("update_block.recurrent_block.convgru{step}.conv{gate}.");
            key = key.replacen(&ours, &theirs, 1);
        }
    }
    key
}

#[test]
fn raft_of_torchvision_is_imported_with_the_same_values() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let official =
        Checkpoint::from_tensors(Network::Raft, generated_tensors(Network::Raft)).unwrap();
    // Torchvision has each tensor under one key, and counters of batches beside the statistics.
    let mut stored: Vec<(String, Vec<usize>, safetensors::Dtype, Vec<u8>)> = Vec::new();
    for (key, tensor) in official.tensors() {
        let bytes = tensor
            .data
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let key = torchvision_key(key);
        if let Some(norm) = key.strip_suffix("running_var") {
            let counter = format!("{norm}num_batches_tracked");
            stored.push((counter, Vec::new(), safetensors::Dtype::I64, vec![0; 8]));
        }
        stored.push((key, tensor.shape.clone(), safetensors::Dtype::F32, bytes));
    }
    let theirs = stored
        .iter()
        .filter(|(key, ..)| key.starts_with("update_block.gru") || key.contains("net."));
    assert_eq!(theirs.count(), 0, "all keys are torchvision's");
    let views = stored.iter().map(|(key, shape, kind, bytes)| {
        let view = safetensors::tensor::TensorView::new(*kind, shape.clone(), bytes).unwrap();
        (key.clone(), view)
    });
    let file = home.join("raft_large.safetensors");
    fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();

    let to = home.join("weights");
    let import = |force: bool| {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let mut console = Console {
            input: &mut &b""[..],
            out: &mut out,
            errors: &mut errors,
            is_terminal: false,
        };
        let mut words = vec!["propainter".into(), "weights".into(), "import".into()];
        words.extend([
            file.clone().into_os_string(),
            "--to".into(),
            to.clone().into_os_string(),
        ]);
        words.extend(force.then(|| OsString::from("--force")));
        let status = propainter_cli::run(words, &Environment::default(), &mut console);
        (status, String::from_utf8(errors).unwrap())
    };
    assert_eq!(import(false), (0, String::new()));
    let imported = Checkpoint::read(Network::Raft, &to.join("raft-things.safetensors")).unwrap();
    assert_eq!(imported.tensors(), official.tensors());
    let (status, errors) = import(false);
    assert!(
        status == 1 && errors.contains("raft-things.safetensors"),
        "{errors}"
    );
    assert_eq!(import(true).0, 0);
    fs::write(&file, "no checkpoint").unwrap();
    let (status, errors) = import(true);
    assert!(
        status == 1 && errors.contains("raft_large.safetensors"),
        "{errors}"
    );
}
