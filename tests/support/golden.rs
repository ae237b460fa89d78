//! Golden vectors of the official networks, and the weights they were made with. All of them are
//! read from the shared folder; those that prove each stage travel with the repository, some of
//! them as parts of the whole (`tests/golden/make.py`).

use std::{
    borrow::Cow,
    collections::HashMap,
    fs,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use burn::tensor::{Device, Tensor, TensorData};
use flate2::read::GzDecoder;
use propainter::{
    DeviceChoice,
    weights::{self, Checkpoint, HostTensor, Network},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{shared, skip};

/// The folder of what travels with the repository.
pub fn travelling() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Returns the bytes of `name` in the shared folder, else in the repository, where it may be
/// compressed; `None` where it is in neither, and the test is skipped.
///
/// # Panics
/// As [`skip::without`].
pub fn read(name: &str) -> Option<Vec<u8>> {
    let places = [shared::folder().join("golden"), travelling()];
    let bytes = places.iter().find_map(|place| {
        let path = place.join(name);
        let packed = path.with_added_extension("gz");
        if path.exists() {
            Some(fs::read(path).expect("a readable file"))
        } else if packed.exists() {
            Some(unpacked(&packed))
        } else {
            None
        }
    });
    if bytes.is_none() {
        skip::without(name, &places);
    }
    bytes
}

fn unpacked(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).expect("a readable file");
    let mut bytes = Vec::new();
    GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .expect("a whole file");
    bytes
}

/// The CPU, unless `PROPAINTER_TEST_DEVICE` names another device.
pub fn device_choice() -> DeviceChoice {
    match std::env::var("PROPAINTER_TEST_DEVICE") {
        Ok(name) => name.parse().expect("a device's name"),
        Err(_) => DeviceChoice::Cpu,
    }
}

/// The device of [`device_choice`], or CubeCL's CPU runtime where `PROPAINTER_TEST_DEVICE` is
/// `rehearsal`: slow, and everything goes the way it goes on a GPU.
pub fn device() -> Device {
    match std::env::var("PROPAINTER_TEST_DEVICE") {
        Ok(name) if name == "rehearsal" => Device::cpu(),
        _ => device_choice().open().expect("the device opens"),
    }
}

/// One file of vectors.
pub struct Vectors {
    bytes: Vec<u8>,
    /// What the file says of its tensors, where it holds parts of the whole ones.
    notes: HashMap<String, String>,
}

impl Vectors {
    /// Opens `vectors/{name}.safetensors`; `None`, and the test is skipped, where it is absent.
    pub fn open(name: &str) -> Option<Self> {
        Self::read(&format!("vectors/{name}.safetensors"))
    }

    /// Opens a file by its path under the golden folder; `None` as above.
    pub fn read(name: &str) -> Option<Self> {
        Some(Self::of(read(name)?))
    }

    /// Reads a file that travels with the repository, by its path under the golden folder.
    pub fn travelling(name: &str) -> Self {
        let path = travelling().join(name).with_added_extension("gz");
        Self::of(unpacked(&path))
    }

    /// Reads the bytes of a file.
    pub fn of(bytes: Vec<u8>) -> Self {
        let (_, head) = SafeTensors::read_metadata(&bytes).expect("valid safetensors");
        let notes = head.metadata().clone().unwrap_or_default();
        Self { bytes, notes }
    }

    fn view(&self, key: &str) -> (Dtype, Vec<usize>, Cow<'_, [u8]>) {
        let file = SafeTensors::deserialize(&self.bytes).expect("valid safetensors");
        let view = file
            .tensor(key)
            .unwrap_or_else(|_| panic!("vectors hold {key}: {:?}", file.names()));
        let (dtype, shape) = (view.dtype(), view.shape().to_vec());
        let mut data = Cow::Borrowed(view.data());
        // What changed since another tensor compresses better.
        if let Some(other) = self.notes.get(&format!("xor.{key}")) {
            let other = self.view(other).2;
            let bytes = data.iter().zip(other.iter()).map(|(a, b)| a ^ b);
            data = bytes.collect::<Vec<u8>>().into();
        }
        (dtype, shape, data)
    }

    /// The keys of all tensors.
    pub fn keys(&self) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.bytes).expect("valid safetensors");
        file.names().into_iter().map(str::to_owned).collect()
    }

    /// The axis and the range of the whole tensor that the file holds; `None` where it is whole.
    fn part(&self, kind: &str, key: &str) -> Option<(usize, Range<usize>)> {
        let note = self.notes.get(&format!("{kind}.{key}"))?;
        let numbers: Vec<usize> = note.split(' ').filter_map(|n| n.parse().ok()).collect();
        let [axis, start, end] = numbers[..] else {
            panic!("{kind}.{key}: {note}");
        };
        Some((axis, start..end))
    }

    /// Cuts what a network gave to the part that the file holds of `key`.
    pub fn cut<const D: usize>(&self, out: Tensor<D>, key: &str) -> Tensor<D> {
        match self.part("cut", key) {
            Some((axis, range)) => out.narrow(axis, range.start, range.len()),
            None => out,
        }
    }

    /// Fails unless each tensor is the one of the `whole` file, or the part of it that it says.
    pub fn assert_part_of(&self, whole: &Self) {
        for key in self.keys() {
            let (dtype, shape, bytes) = self.view(&key);
            let (whole_dtype, mut sides, data) = whole.view(&key);
            assert_eq!(dtype, whole_dtype, "{key}");
            let mut data = data.into_owned();
            let parts = ["less", "cut"].map(|kind| self.part(kind, &key));
            for (axis, range) in parts.into_iter().flatten() {
                let inner = sides[axis + 1..].iter().product::<usize>() * dtype.bitsize() / 8;
                let rows = data.chunks_exact(sides[axis] * inner);
                let kept = rows.flat_map(|row| &row[range.start * inner..range.end * inner]);
                data = kept.copied().collect();
                sides[axis] = range.len();
            }
            assert_eq!(shape, sides, "{key}");
            assert!(*bytes == data[..], "{key} has other values");
        }
    }

    pub fn shape(&self, key: &str) -> Vec<usize> {
        self.view(key).1
    }

    /// The tensor as `f32`, whatever number type it has in the file.
    pub fn floats(&self, key: &str) -> Vec<f32> {
        let (dtype, _, bytes) = self.view(key);
        match dtype {
            Dtype::F32 => bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            Dtype::U8 => bytes.iter().map(|&b| f32::from(b)).collect(),
            Dtype::I64 => bytes
                .chunks_exact(8)
                .map(|b| i64::from_le_bytes(b.try_into().expect("eight bytes")) as f32)
                .collect(),
            Dtype::I32 => bytes
                .chunks_exact(4)
                .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32)
                .collect(),
            other => panic!("{key} has type {other:?}"),
        }
    }

    pub fn bytes(&self, key: &str) -> Vec<u8> {
        let (dtype, _, bytes) = self.view(key);
        assert_eq!(dtype, Dtype::U8, "{key}");
        bytes.into_owned()
    }

    /// The tensor `key` on `device`.
    pub fn tensor<const D: usize>(&self, key: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(self.floats(key), self.shape(key)), device)
    }
}

/// ‖out − reference‖ / ‖reference‖, in f64; shapes must agree.
pub fn relative_error<const D: usize>(out: Tensor<D>, reference: Tensor<D>) -> f64 {
    assert_eq!(out.dims(), reference.dims());
    let floats = |t: Tensor<D>| t.into_data().try_into_vec::<f32>().expect("f32 tensor");
    let (out, reference) = (floats(out), floats(reference));
    let (mut difference, mut norm) = (0.0, 0.0);
    for (a, b) in out.iter().zip(&reference) {
        difference += (f64::from(*a) - f64::from(*b)).powi(2);
        norm += f64::from(*b).powi(2);
    }
    (difference / norm).sqrt()
}

/// Fails unless `out` is within `tolerance` of the vectors' `key`, and says by how much.
pub fn assert_close<const D: usize>(out: Tensor<D>, vectors: &Vectors, key: &str, tolerance: f64) {
    let reference = vectors.tensor::<D>(key, &out.device());
    let error = relative_error(vectors.cut(out, key), reference);
    println!("{key}: relative error {error:.2e}");
    assert!(
        error <= tolerance,
        "{key}: relative error {error:.3e} > {tolerance:.0e}"
    );
}

/// The tensors of a network by the golden weights rule; `None` where its table is absent, which is
/// what says that the vectors were made with it.
pub fn generated_tensors(network: Network) -> Option<Vec<(String, HostTensor)>> {
    read("weights_check.json")?;
    Some(weights::generated_tensors(network))
}

/// A network's checkpoint by the golden weights rule.
pub fn checkpoint(network: Network) -> Option<Checkpoint> {
    let tensors = generated_tensors(network)?;
    Some(Checkpoint::from_tensors(network, tensors).expect("generated weights fit the layout"))
}

/// The settings `{name}` of an end-to-end clip was made with.
pub fn settings(name: &str) -> Option<impl Fn(&str) -> usize> {
    let text = read(&format!("e2e/{name}/settings.json"))?;
    let settings: serde_json::Value = serde_json::from_slice(&text).expect("valid settings");
    Some(move |key: &str| settings["settings"][key].as_u64().expect("a whole number") as usize)
}

/// Number of the rule of [`generated_tensors`]; another rule needs another number.
const RULE: u64 = 1;

/// Returns a folder under `target` with the three generated checkpoints as safetensors. The first
/// test on a machine that asks writes them; the folder's name changes with what is generated.
pub fn weights_folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let table = read("weights_check.json")?;
        let name = format!("generated-weights-{RULE}-{:08x}", crc32fast::hash(&table));
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp");
        let folder = target.join(name);
        fs::create_dir_all(&folder).expect("a writable target folder");
        for network in [Network::Raft, Network::FlowCompletion, Network::Generator] {
            write_checkpoint(network, &folder)?;
        }
        Some(folder)
    });
    folder.as_deref()
}

fn write_checkpoint(network: Network, folder: &Path) -> Option<()> {
    let path = folder
        .join(network.file_stem())
        .with_extension("safetensors");
    // Whole, as it got its name at the end.
    if path.exists() {
        return Some(());
    }
    let tensors: Vec<_> = generated_tensors(network)?
        .into_iter()
        .map(|(key, tensor)| {
            let bytes: Vec<u8> = tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect();
            (key, tensor.shape, bytes)
        })
        .collect();
    let views = tensors.iter().map(|(key, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        (key.as_str(), view.expect("bytes fit the shape"))
    });
    // Under its own name first: other test processes may be reading.
    let part = path.with_extension(format!("{}.part", std::process::id()));
    safetensors::serialize_to_file(views, None, &part).expect("a writable folder");
    fs::rename(&part, &path).expect("a writable folder");
    Some(())
}
