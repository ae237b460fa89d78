//! The files of a training: what is written is read again, by PyTorch too where it is installed, and
//! what is not right is named.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use propainter::weights::{Checkpoint, FilePrecision, HostTensor, Layout, Network, Role};
use propainter_tests::{golden, skip};
use propainter_training::{
    checkpoint::{self, CheckpointError, Kind, OptimizerRecord, Progress, Saved, StateDict},
    discriminator::{self, Discriminator},
    optimizer::{AdamState, LossScaleState, MultiStep},
    random::random,
};
use tempfile::{TempDir, tempdir};

use crate::vectors::device;

fn network(network: Network, value: f32) -> StateDict {
    let slots = Layout::of(network).slots.into_iter();
    let slots = slots.filter(|slot| !matches!(slot.role, Role::Buffer(_)));
    let tensors = slots.zip(1..).map(|(slot, number)| {
        let data = vec![value * number as f32; slot.elements()];
        let shape = slot.shape;
        (slot.key, HostTensor { shape, data })
    });
    tensors.collect()
}

fn record<'a>(
    tensors: impl IntoIterator<Item = &'a (String, HostTensor)>,
    schedule: MultiStep,
    finished: u64,
) -> OptimizerRecord {
    let mean = |(key, tensor): &(String, HostTensor)| {
        let mean = tensor.data.iter().map(|value| value * value);
        (key.clone(), mean.collect())
    };
    OptimizerRecord {
        adam: AdamState {
            steps: finished,
            squares: tensors.into_iter().map(mean).collect(),
        },
        gradients: BTreeMap::new(),
        schedule,
        finished,
        scale: Some(LossScaleState {
            factor: 32768.0,
            clean_steps: 7,
            skipped_in_a_row: 1,
            skipped: 3,
        }),
    }
}

/// Flow completion after `step` steps.
fn flow_completion(step: u64) -> Saved {
    let network = network(Network::FlowCompletion, 0.001 * step as f32);
    let notes = [
        ("seed", "2023"),
        ("sampler", "epoch 3, clip 17 – und Grüße"),
    ];
    let notes = notes.map(|(name, note)| (name.to_owned(), note.to_owned()));
    Saved {
        progress: Progress {
            epoch: 3,
            iteration: step,
            network: record(&network, MultiStep::flow_completion(), step),
            discriminator: None,
            notes: notes.into(),
        },
        network,
        discriminator: None,
    }
}

/// The generator after `step` steps, with the optimiser's state of three parameters.
fn generator(step: u64) -> Saved {
    let network = network(Network::Generator, 0.0001);
    let tensors = Discriminator::init(&mut random(&[9]), &device()).state();
    let trained = tensors
        .iter()
        .filter(|(key, _)| !discriminator::is_buffer(key));
    Saved {
        progress: Progress {
            epoch: 0,
            iteration: step,
            network: record(&network[100..103], MultiStep::generator(), step),
            discriminator: Some(record(trained, MultiStep::generator(), step)),
            notes: BTreeMap::new(),
        },
        network,
        discriminator: Some(tensors),
    }
}

fn write(folder: &Path, kind: Network, saved: &Saved) {
    checkpoint::write(folder, kind, saved).expect("a written step");
}

fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).expect("a folder");
    let name = |file: fs::DirEntry| file.file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = files.map(|file| name(file.expect("a file"))).collect();
    names.sort();
    names
}

#[test]
fn parameters_are_numbered_in_the_official_order() {
    let Some(table) = golden::read("weights_check.json") else {
        return;
    };
    // The order of the text: a parsed table may be sorted.
    let text = String::from_utf8(table).expect("text");
    for network in [Network::FlowCompletion, Network::Generator] {
        let start = text
            .find(&format!("\"{}\":", network.name()))
            .expect("the table");
        let place =
            |key: &String| start + text[start..].find(&format!("\"{key}\":")).expect("a key");
        let places: Vec<_> = checkpoint::parameters(network).iter().map(place).collect();
        assert!(places.is_sorted(), "{network:?}");
        let count = if network == Network::Generator {
            208
        } else {
            74
        };
        assert_eq!(places.len(), count);
    }
}

#[test]
fn a_step_is_read_as_it_was_written() {
    let folder = tempdir().expect("a folder");
    assert_eq!(checkpoint::latest(folder.path()).expect("no error"), None);
    let none = checkpoint::read_latest(folder.path(), Network::FlowCompletion);
    assert_eq!(none.expect("no error"), None);
    let mut saved = flow_completion(5000);
    write(folder.path(), Network::FlowCompletion, &flow_completion(20));
    write(folder.path(), Network::FlowCompletion, &saved);
    assert_eq!(
        names(folder.path()),
        [
            "gen_000020.pth",
            "gen_005000.pth",
            "latest.ckpt",
            "opt_000020.pth",
            "opt_005000.pth",
        ]
    );
    let read = checkpoint::read_latest(folder.path(), Network::FlowCompletion);
    assert!(read.expect("no error").as_ref() == Some(&saved));
    // The element reads it, too.
    let file = checkpoint::path(folder.path(), Kind::Network, 5000);
    Checkpoint::read(Network::FlowCompletion, &file).expect("a checkpoint");

    // Gradients are for PyTorch alone; the steps of an official file have no scale.
    saved.progress.network.gradients = saved.progress.network.adam.squares.clone();
    saved.progress.network.scale = None;
    write(folder.path(), Network::FlowCompletion, &saved);
    saved.progress.network.gradients.clear();
    let read = checkpoint::read(folder.path(), Network::FlowCompletion, 5000);
    assert!(read.expect("no error") == saved);
    let earlier = checkpoint::read(folder.path(), Network::FlowCompletion, 20);
    assert!(earlier.expect("no error") == flow_completion(20));
}

#[test]
fn a_step_of_the_generator_has_its_discriminator() {
    let folder = tempdir().expect("a folder");
    let saved = generator(1_234_567);
    write(folder.path(), Network::Generator, &saved);
    let files = [
        "dis_1234567.pth",
        "gen_1234567.pth",
        "latest.ckpt",
        "opt_1234567.pth",
    ];
    assert_eq!(names(folder.path()), files);
    let read = checkpoint::read_latest(folder.path(), Network::Generator);
    assert!(read.expect("no error").as_ref() == Some(&saved));
    let file = checkpoint::path(folder.path(), Kind::Network, 1_234_567);
    Checkpoint::read(Network::Generator, &file).expect("a checkpoint");
    let safetensors = folder.path().join("ProPainter.safetensors");
    let full = FilePrecision::Full;
    checkpoint::write_safetensors(
        &safetensors,
        Network::Generator,
        saved.network.clone(),
        full,
    )
    .expect("a written file");
    let again = checkpoint::read_network(&safetensors, Network::Generator);
    // Without the buffers of integers, which the element computes itself.
    let error = again.expect_err("no training goes on from it").to_string();
    assert!(error.contains("valid_ind_rolled` is missing"), "{error}");
    Checkpoint::read(Network::Generator, &safetensors).expect("a checkpoint");
}

#[test]
fn the_last_line_of_the_list_counts() {
    let folder = tempdir().expect("a folder");
    let list = folder.path().join("latest.ckpt");
    let latest = |text: &str| {
        fs::write(&list, text).expect("a written list");
        checkpoint::latest(folder.path())
    };
    assert_eq!(latest("000010\n000020\n").expect("a step"), Some(20));
    assert_eq!(latest("700001").expect("a step"), Some(700_001));
    for text in ["", "10\ngen_000020\n"] {
        let error = latest(text).expect_err("no step").to_string();
        assert!(error.contains("latest.ckpt"), "{error}");
    }
}

/// A folder with a step of flow completion, and the error when it is read after `change`.
fn error(change: impl FnOnce(&TempDir)) -> CheckpointError {
    let folder = tempdir().expect("a folder");
    write(folder.path(), Network::FlowCompletion, &flow_completion(20));
    change(&folder);
    checkpoint::read_latest(folder.path(), Network::FlowCompletion).expect_err("an error")
}

#[test]
fn wrong_files_are_named_with_the_key() {
    let file = |folder: &TempDir, kind| checkpoint::path(folder.path(), kind, 20);
    for kind in [Kind::Network, Kind::Optimizer] {
        let cut = error(|folder| {
            let bytes = fs::read(file(folder, kind)).expect("a file");
            fs::write(file(folder, kind), &bytes[..bytes.len() / 2]).expect("a written file");
        });
        let text = cut.to_string();
        let name = file(&tempdir().expect("a folder"), kind);
        let name = name
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(
            matches!(cut, CheckpointError::Damaged { .. }) && text.contains(&name),
            "{text}"
        );
        let gone = error(|folder| fs::remove_file(file(folder, kind)).expect("a file"));
        assert!(gone.to_string().contains(&name), "{gone}");
        let flipped = error(|folder| {
            let mut bytes = fs::read(file(folder, kind)).expect("a file");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file(folder, kind), bytes).expect("a written file");
        });
        assert!(flipped.to_string().contains("checksum"), "{flipped}");
    }

    let moved = error(|folder| {
        for kind in [Kind::Network, Kind::Optimizer] {
            let to = checkpoint::path(folder.path(), kind, 40);
            fs::rename(file(folder, kind), to).expect("a renamed file");
        }
        fs::write(folder.path().join("latest.ckpt"), "000040\n").expect("a list");
    });
    let CheckpointError::Step { named, held, .. } = &moved else {
        panic!("{moved}");
    };
    assert_eq!((*named, *held), (40, 20));
    assert!(moved.to_string().contains("opt_000040.pth"), "{moved}");

    let other = error(|folder| {
        let saved = generator(20);
        let discriminator = saved.discriminator.clone();
        let elsewhere = tempdir().expect("a folder");
        write(
            elsewhere.path(),
            Network::Generator,
            &Saved {
                discriminator,
                ..saved
            },
        );
        let from = checkpoint::path(elsewhere.path(), Kind::Discriminator, 20);
        fs::copy(from, file(folder, Kind::Network)).expect("a copied file");
    });
    let text = other.to_string();
    assert!(
        text.contains("gen_000020.pth") && text.contains("`conv.0.weight_orig`"),
        "{text}"
    );
    let swapped = error(|folder| {
        fs::copy(file(folder, Kind::Network), file(folder, Kind::Optimizer))
            .expect("a copied file");
    });
    let text = swapped.to_string();
    assert!(
        text.contains("opt_000020.pth") && text.contains("is missing"),
        "{text}"
    );

    let nan = error(|folder| {
        let mut saved = flow_completion(20);
        saved.network[3].1.data[5] = f32::NAN;
        write(folder.path(), Network::FlowCompletion, &saved);
    });
    assert!(
        nan.to_string()
            .contains("`encoder1.0.conv1.0.bias` holds NaN"),
        "{nan}"
    );
    let misshapen = error(|folder| {
        let mut saved = flow_completion(20);
        let means = &mut saved.progress.network.adam.squares;
        means.get_mut("upsample.2.conv.bias").expect("a mean")[0] = f32::NAN;
        write(folder.path(), Network::FlowCompletion, &saved);
    });
    assert!(
        misshapen.to_string().contains("upsample.2.conv.bias"),
        "{misshapen}"
    );
}

/// A file of PyTorch's whose object is what the pickle makes.
fn pickled(path: &Path, pickle: &[u8]) {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).expect("a file"));
    let stored = zip::write::SimpleFileOptions::default();
    let stored = stored.compression_method(zip::CompressionMethod::Stored);
    zip.start_file("archive/data.pkl", stored)
        .expect("a member");
    zip.write_all(pickle).expect("a written pickle");
    zip.finish().expect("a whole archive");
}

#[test]
fn hostile_optimiser_files_are_refused() {
    let error = |pickle: &[u8]| {
        let error = error(|folder| pickled(&folder.path().join("opt_000020.pth"), pickle));
        error.to_string()
    };
    // A list that holds itself.
    let own = error(b"\x80\x02]q\x00h\x00a.");
    assert!(
        own.contains("opt_000020.pth: its values are nested"),
        "{own}"
    );
    // Lists of two of the one before: 2 to the power of 14 times a text of 1 KiB.
    let mut doubled = [b"\x80\x02X\x00\x04\x00\x00".as_slice(), &[b'x'; 1024]].concat();
    for level in 0..14 {
        doubled.extend([b'q', level, b']', b'(', b'h', level, b'h', level, b'e']);
    }
    doubled.push(b'.');
    let doubled = error(&doubled);
    assert!(doubled.contains("larger than the file"), "{doubled}");
    let called = error(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.");
    assert!(
        called.contains("`os.system`") && called.contains("not run"),
        "{called}"
    );
    let number = error(b"\x80\x02K\x07.");
    assert!(number.contains("is missing"), "{number}");
}

/// Names the folder to the process whose files may not grow.
const FOLDER: &str = "PROPAINTER_TEST_FULL";

#[test]
fn a_full_disk_leaves_the_last_step_whole() {
    if let Some(folder) = env::var_os(FOLDER) {
        let error = checkpoint::write(
            Path::new(&folder),
            Network::FlowCompletion,
            &flow_completion(10),
        );
        let error = error.expect_err("no room");
        assert!(matches!(error, CheckpointError::Write { .. }), "{error}");
        assert!(error.to_string().contains("opt_000010.pth"), "{error}");
        return;
    }
    let folder = tempdir().expect("a folder");
    write(folder.path(), Network::FlowCompletion, &flow_completion(5));
    // The network's file has 20 MB and fits, the optimiser's has 40.
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 30000; exec \"$@\"", "bash"])
        .arg(env::current_exe().expect("a running test"))
        .args([
            "--exact",
            "checkpoint::a_full_disk_leaves_the_last_step_whole",
        ])
        .env(FOLDER, folder.path())
        .output()
        .expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    let read = checkpoint::read_latest(folder.path(), Network::FlowCompletion);
    assert!(read.expect("no error").as_ref() == Some(&flow_completion(5)));
    assert!(
        names(folder.path())
            .iter()
            .all(|name| !name.ends_with(".part"))
    );
}

/// Python with PyTorch in it; where there is none, what it would test is skipped.
const PYTHON: &str = "PROPAINTER_PYTORCH";

/// PyTorch reads our files, goes on from them, and writes its own, which are read here.
#[test]
fn pytorch_goes_on_from_our_files_and_we_from_its() {
    let Some(python) = env::var_os(PYTHON) else {
        skip::optional(&format!("{PYTHON} names no Python with PyTorch"));
        return;
    };
    let folder = tempdir().expect("a folder");
    let saved = generator(20);
    write(folder.path(), Network::Generator, &saved);
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("training/pytorch.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output();
    let output = output.expect("Python runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");

    let theirs = checkpoint::read(folder.path(), Network::Generator, 21).expect("a step");
    let discriminator = theirs.progress.discriminator.expect("its optimiser");
    assert_eq!((discriminator.adam.steps, discriminator.finished), (21, 21));
    assert_eq!(discriminator.schedule, MultiStep::generator());
    assert_eq!(discriminator.scale, None);
    let ours = saved.progress.discriminator.expect("our optimiser");
    for (key, mean) in &discriminator.adam.squares {
        // Its gradients were all 1.
        let went_on = ours.adam.squares[key].iter().map(|mean| mean * 0.99 + 0.01);
        let far = mean
            .iter()
            .zip(went_on)
            .find(|(a, b)| (**a - b).abs() > 1e-6);
        assert_eq!(far, None, "{key}");
    }
    assert_eq!(theirs.progress.network.adam.squares.len(), 3);
    assert!(theirs.network == saved.network);
}
