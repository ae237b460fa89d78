//! What fuzzing does with an input: one function a target. An input does harm where it makes
//! one panic, hang, or take more memory than its size allows.

mod caps;
mod properties;

use std::path::Path;

use propainter::weights::{Checkpoint, Network, StateFile};
use propainter_elements::fuzz;

use crate::allocation::peak;

/// What one input is given to.
pub type Target = fn(&[u8]);

/// Every target by its name, which is its corpus's folder too.
pub const TARGETS: [(&str, Target); 4] = [
    ("checkpoint", checkpoint),
    ("mask_image", mask_image),
    ("caps", caps::caps),
    ("properties", properties::properties),
];

pub fn target(name: &str) -> Option<Target> {
    let found = TARGETS.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, target)| target)
}

/// Room for tables and messages, whatever the input's size.
const SMALL: usize = 8 << 20;

/// A checkpoint file's bytes, as they are and, so that a change is not always refused for its
/// checksum, with the archive's checksums put right.
fn checkpoint(bytes: &[u8]) {
    read_checkpoint(bytes);
    if let Some(right) = with_checksums(bytes) {
        read_checkpoint(&right);
    }
}

fn read_checkpoint(bytes: &[u8]) {
    let path = Path::new("fuzzed.pth");
    let ((), most) = peak(|| {
        let Ok(file) = StateFile::parse(path, bytes.to_vec()) else {
            return;
        };
        for index in 0..file.len() {
            let numbers = (file.floats(index), file.integers(index));
            assert!(numbers.0.is_some() != numbers.1.is_some());
            let count = file.shape(index).iter().product();
            let len = (numbers.0.map(|n| n.len())).or(numbers.1.map(|n| n.len()));
            assert_eq!(len, Some(count));
        }
        for network in Network::ALL {
            // Which tensors a network needs is not for a few bytes to fulfil.
            assert!(Checkpoint::from_state(network, path, &file).is_err());
        }
    });
    let bytes = bytes.len();
    assert!(
        most <= 16 * bytes + SMALL,
        "{most} bytes for a file of {bytes}"
    );
}

/// The bytes with the checksum that each entry of a zip directory ought to have; `None` where
/// there is none to change.
fn with_checksums(bytes: &[u8]) -> Option<Vec<u8>> {
    let half = |at: usize| {
        let bytes = bytes.get(at..at + 2)?;
        Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
    };
    let word = |at: usize| Some(half(at + 2)? << 16 | half(at)?);
    let mut right = bytes.to_vec();
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(b"PK\x01\x02")
            && let (Some(size), Some(local)) = (word(at + 24), word(at + 42))
            && let (Some(name), Some(extra)) = (half(local + 26), half(local + 28))
            && let Some(data) = bytes.get(local + 30 + name + extra..)
            && let Some(data) = data.get(..size)
        {
            right[at + 16..at + 20].copy_from_slice(&crc32fast::hash(data).to_le_bytes());
        }
    }
    (right != bytes).then_some(right)
}

/// The most that an image may take: `image`'s own limit on what it decodes, and copies of it
/// in other formats.
const IMAGE: usize = 1 << 30;

/// An image file's bytes after two that say how it is cut.
fn mask_image(bytes: &[u8]) {
    let [threshold, invert, file @ ..] = bytes else {
        return;
    };
    let (mask, most) = peak(|| fuzz::mask_image(file, *threshold, invert & 1 == 1));
    assert!(most <= IMAGE, "{most} bytes for an image of {}", file.len());
    if let Some(mask) = mask {
        assert_eq!(mask.hole().len(), mask.width() * mask.height());
    }
}
