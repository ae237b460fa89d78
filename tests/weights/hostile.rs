//! Files that are cut off, damaged, or made to do harm: an error that names the file, no
//! panic, and no more memory than a few times the file.

use std::{
    fs::{self, File},
    path::Path,
    sync::LazyLock,
};

use propainter::weights::{Checkpoint, Network, StateFile, WeightsError};
use propainter_tests::allocation::peak;
use proptest::prelude::*;

use super::{
    saved::{Pickle, Saved, Storage, stream_start, write, zip, zip_of},
    torch_files::fixture,
};

/// Room for tables and messages, whatever the file's size.
const SMALL: usize = 8 << 20;

/// Reads the file and all its tensors within the bounds on memory; whether it is whole.
fn reads(path: &Path) -> bool {
    let bytes = fs::metadata(path).expect("a file").len() as usize;
    let (result, most) = peak(|| {
        let file = StateFile::read(path, 1 << 20)?;
        for index in 0..file.len() {
            // One at a time, as a network's checkpoint would have them.
            let numbers = (file.floats(index), file.integers(index));
            assert!(numbers.0.is_some() != numbers.1.is_some());
        }
        Ok::<(), WeightsError>(())
    });
    assert!(
        most <= 16 * bytes + SMALL,
        "{most} bytes for a file of {bytes}"
    );
    if let Err(error) = &result {
        let text = error.to_string();
        assert!(text.contains(path.to_str().expect("UTF-8")), "{text}");
    }
    result.is_ok()
}

fn bytes_are_refused(bytes: &[u8], why: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(folder.path(), "hostile.pth", bytes);
    assert!(!reads(&path), "{why} was accepted");
    let error = StateFile::read(&path, 1 << 26)
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains(why), "`{why}` is not in: {error}");
}

fn safetensors() -> Vec<u8> {
    let header = br#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"n":{"dtype":"I64","shape":[],"data_offsets":[16,24]}}   "#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend([0; 24]);
    file
}

/// Whole files of each form.
static ORIGINALS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let names = [
        "zip.pth",
        "stream.pth",
        "stream_protocol4.pth",
        "wrapped.pth",
    ];
    let mut files = names
        .map(|name| fs::read(fixture(name)).expect("a fixture"))
        .to_vec();
    files.push(safetensors());
    files
});

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for original in ORIGINALS.iter() {
        let path = write(folder.path(), "cut.pth", original);
        assert!(reads(&path));
        let file = File::options().write(true).open(&path).expect("the file");
        for length in (0..original.len()).rev() {
            file.set_len(length as u64).expect("cut");
            assert!(!reads(&path), "{length} of {} bytes", original.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_never_panic_or_take_memory(
        which in 0usize..5,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bytes = ORIGINALS[which].clone();
        for (index, value) in flips {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        reads(&write(folder.path(), "damaged.pth", &bytes));
    }

    #[test]
    fn any_instructions_never_panic_or_take_memory(
        middle in prop::collection::vec(
            prop::sample::select(b"()tRQ}us]aebNqrhjKMJGcX\x80\x85\x86\x87\x88\x89\x8a\x8c\x93\x94\x95.\x00\x01\x02\n".to_vec()),
            0..400,
        ),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut pickle = b"\x80\x02".to_vec();
        pickle.extend(middle);
        let archive = zip(&pickle, &[("data/0".to_owned(), vec![0; 64])]);
        reads(&write(folder.path(), "instructions.pth", &archive));
        let mut stream = stream_start();
        stream.extend(&pickle);
        reads(&write(folder.path(), "instructions.pth", &stream));
    }

    #[test]
    fn any_view_is_read_within_its_storage_or_refused(
        elements in 0usize..40,
        offset in prop_oneof![-2i64..50, any::<i64>()],
        dimensions in prop::collection::vec(
            (prop_oneof![0i64..6, any::<i64>()], prop_oneof![0i64..12, any::<i64>()]),
            0..10,
        ),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let values: Vec<f32> = (0..elements).map(|i| i as f32).collect();
        let mut saved = Saved::default();
        saved.push("x", &[1], Storage::floats(&values));
        let view = saved.at("x");
        view.offset = offset;
        (view.shape, view.strides) = dimensions.into_iter().unzip();
        for bytes in [saved.zip(), saved.stream()] {
            reads(&write(folder.path(), "view.pth", &bytes));
        }
    }
}

#[test]
fn what_is_no_checkpoint_at_all_says_so() {
    bytes_are_refused(b"", "empty");
    bytes_are_refused(b"<!DOCTYPE html><html>", "web page");
    bytes_are_refused(b"Not Found", "neither PyTorch");
    bytes_are_refused(b"\x80\x02K\x01.", "none of PyTorch's");
    bytes_are_refused(&[0; 4096], "neither PyTorch");
    let folder = tempfile::tempdir().expect("a folder");
    let error = StateFile::read(folder.path(), 1 << 20)
        .err()
        .expect("a folder is no file");
    assert!(error.to_string().contains("regular file"), "{error}");
    let missing = folder.path().join("raft-things.pth");
    let error = Checkpoint::read(Network::Raft, &missing).expect_err("not there");
    assert!(error.to_string().contains("raft-things.pth"), "{error}");
}

#[test]
fn a_huge_file_is_refused_by_its_size_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("huge.pth");
    let sparse = File::create(&path).expect("a file");
    sparse.set_len(1 << 40).expect("a sparse file");
    for network in Network::ALL {
        let (result, most) = peak(|| Checkpoint::read(network, &path));
        let error = result.expect_err("refused");
        assert!(matches!(error, WeightsError::TooLarge { .. }), "{error}");
        assert!(most < SMALL, "{most}");
    }
}

#[test]
fn code_in_a_pickle_is_named_and_not_run() {
    let mut pickle = Pickle::new();
    pickle.op(b"cposix\nsystem\n(");
    pickle.text("touch /tmp/propainter-was-here");
    bytes_are_refused(&zip(&pickle.end(b"tR."), &[]), "posix.system");
    // The same by protocol 4's way.
    bytes_are_refused(
        &zip(b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", &[]),
        "posix.system",
    );
    bytes_are_refused(&zip(b"\x80\x02ctorch\nload\n.", &[]), "torch.load");
}

#[test]
fn pickles_that_grow_are_stopped() {
    let deep = [b"\x80\x02".as_slice(), &b"(".repeat(900_000)].concat();
    bytes_are_refused(&zip(&deep, &[]), "longer");
    let long = [b"\x80\x02".as_slice(), &b"N".repeat(900_000)].concat();
    bytes_are_refused(&zip(&long, &[]), "longer");
    let nested = [b"\x80\x02]".as_slice(), &b"\x85".repeat(50_000), b"."].concat();
    bytes_are_refused(&zip(&nested, &[]), "no state dict");
    // A long tuple as a tensor's shape.
    let mut shape = Pickle::new();
    shape.op(b"(");
    shape.op(&b"K\x01".repeat(50_000));
    shape.op(b"tq\x00ctorch._utils\n_rebuild_tensor_v2\n((");
    shape.text("storage");
    shape.op(b"ctorch\nFloatStorage\n");
    shape.text("0");
    shape.text("cpu");
    bytes_are_refused(
        &zip(&shape.end(b"K\x01tQK\x00h\x00h\x00tR."), &[]),
        "50000 dimensions",
    );
    // A dict in itself.
    bytes_are_refused(
        &zip(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.", &[]),
        "`a` is no tensor",
    );
}

#[test]
fn claimed_sizes_are_not_believed() {
    let text = b"\x80\x02X\xff\xff\xff\xff";
    bytes_are_refused(&zip(text, &[]), "cut off");
    let text = b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff";
    bytes_are_refused(&zip(text, &[]), "cut off");
    bytes_are_refused(&zip(b"\x80\x02\x8a\xff", &[]), "cut off");

    let mut saved = Saved::default();
    saved.push("x", &[4], Storage::floats(&[0.0; 4]));
    let mut far = saved.clone();
    far.at("x").shape = vec![1 << 40];
    bytes_are_refused(&far.zip(), "beyond its storage");
    // A view that repeats one element is more than its storage holds.
    let mut expanded = saved.clone();
    expanded.at("x").shape = vec![1 << 40];
    expanded.at("x").strides = vec![0];
    bytes_are_refused(&expanded.stream(), "beyond its storage");
    let mut negative = saved.clone();
    negative.at("x").strides = vec![-1];
    bytes_are_refused(&negative.zip(), "-1");
    let mut deep = saved.clone();
    deep.at("x").shape = vec![1; 100];
    deep.at("x").strides = vec![1; 100];
    bytes_are_refused(&deep.zip(), "100 dimensions");

    // The stream's count of elements against the pickle's.
    let mut stream = saved.stream();
    let at = stream.len() - 24;
    stream[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    bytes_are_refused(&stream, "4 are expected");
    // A zip member shorter than the pickle says.
    let short = [("data/0".to_owned(), vec![0; 12])];
    bytes_are_refused(
        &zip(&saved.pickle(false), &short),
        "12 bytes where 4 elements",
    );
}

#[test]
fn zip_directories_are_not_believed() {
    let mut saved = Saved::default();
    saved.push("x", &[4], Storage::floats(&[0.25; 4]));
    let good = saved.zip();
    let end = good.len() - 22;
    let changed = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    bytes_are_refused(&changed(end + 8, &[0xff; 4]), "65535 members");
    bytes_are_refused(&changed(end + 8, &[0xff, 0x0f, 0xff, 0x0f]), "directory");
    bytes_are_refused(&changed(end + 16, &[0xff; 4]), "cut off");
    bytes_are_refused(&changed(end + 16, &[0; 4]), "directory is damaged");
    let directory = u32::from_le_bytes(good[end + 16..end + 20].try_into().expect("four")) as usize;
    bytes_are_refused(&changed(directory + 10, &[8]), "compressed");
    bytes_are_refused(&changed(directory + 8, &[1]), "encrypted");
    bytes_are_refused(&changed(directory + 42, &[0xff; 4]), "cut off");
    bytes_are_refused(&changed(directory + 20, &[0xff; 8]), "cut off");
    bytes_are_refused(&changed(directory + 16, &[0x12]), "checksum");
    let value = good
        .windows(4)
        .position(|w| w == 0.25f32.to_le_bytes())
        .expect("the value");
    bytes_are_refused(&changed(value, &[1]), "checksum");
    bytes_are_refused(&zip(b"", &[]), "cut off");
    let members = ["data/a", "data/b"].map(|name| (name.to_owned(), vec![]));
    let twice = replaced(zip(b"\x80\x02}.", &members), b"data/b", b"data/a");
    bytes_are_refused(&twice, "data/a is there twice");
}

/// The bytes with every `old` changed to `new`.
fn replaced<const N: usize>(mut bytes: Vec<u8>, old: &[u8; N], new: &[u8; N]) -> Vec<u8> {
    while let Some(at) = bytes.windows(N).position(|window| window == old) {
        bytes[at..at + N].copy_from_slice(new);
    }
    bytes
}

#[test]
fn a_storage_that_is_not_there_is_named() {
    let mut saved = Saved::default();
    saved.push("x", &[1], Storage::floats(&[0.0]));
    let archive = replaced(saved.zip(), b"data/0", b"data/7");
    bytes_are_refused(&archive, "storage 0 is missing");
}

#[test]
fn other_machines_and_archives_are_refused_by_name() {
    let big = zip_of(b"\x80\x02}.", "big", &[]);
    bytes_are_refused(&big, "big-endian");
    let other = replaced(zip(b"\x80\x02}.", &[]), b"data.pkl", b"data.bin");
    bytes_are_refused(&other, "without PyTorch's data.pkl");
    let mut stream = stream_start();
    let at = stream.len() - 3;
    stream[at] = 0x89;
    bytes_are_refused(&stream, "big-endian");
}

#[test]
fn safetensors_headers_are_not_believed() {
    let with_header = |header: &str| {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend([0; 16]);
        file
    };
    let mut long = safetensors();
    long[..8].copy_from_slice(&(1u64 << 20).to_le_bytes());
    bytes_are_refused(&long, "header");
    long[..8].copy_from_slice(&(u64::MAX - 7).to_le_bytes());
    bytes_are_refused(&long, "header claims");
    let nested = format!("{{\"a\":{}", "[".repeat(100_000));
    bytes_are_refused(&with_header(&nested), "JSON");
    for header in [
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,18446744073709551615]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[4,20]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}}"#,
        r#"{"a":{"dtype":"F32","shape":[0,18446744073709551615,18446744073709551615],"data_offsets":[0,0]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
        r#"{"a":{"dtype":"C64","shape":[2],"data_offsets":[0,16]}}"#,
    ] {
        bytes_are_refused(&with_header(header), "hostile.pth");
    }
}

#[test]
fn the_peak_is_what_was_allocated_at_once() {
    let ((), bytes) = peak(|| {
        drop(std::hint::black_box(vec![0u8; 1 << 20]));
        drop(std::hint::black_box(vec![1u8; 3 << 20]));
    });
    assert!((3 << 20..4 << 20).contains(&bytes), "{bytes}");
}
