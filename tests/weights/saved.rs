//! Writes checkpoint files as PyTorch does, so that a test can make any, right or wrong.

use std::{
    io::{Cursor, Write},
    path::Path,
};

use propainter::weights::{HostTensor, Layout, Network, Role};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A storage: PyTorch's class, and the elements' little-endian bytes.
#[derive(Clone)]
pub struct Storage {
    pub class: &'static str,
    pub element_bytes: usize,
    pub bytes: Vec<u8>,
}

impl Storage {
    pub fn floats(values: &[f32]) -> Self {
        Self {
            class: "FloatStorage",
            element_bytes: 4,
            bytes: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    pub fn longs(values: &[i64]) -> Self {
        Self {
            class: "LongStorage",
            element_bytes: 8,
            bytes: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    fn elements(&self) -> usize {
        self.bytes.len() / self.element_bytes
    }
}

/// A strided view into the storage of that index.
#[derive(Clone)]
pub struct View {
    pub key: String,
    pub storage: usize,
    pub offset: i64,
    pub shape: Vec<i64>,
    pub strides: Vec<i64>,
}

/// A state dict to save.
#[derive(Clone, Default)]
pub struct Saved {
    pub storages: Vec<Storage>,
    pub views: Vec<View>,
}

impl Saved {
    /// Adds a tensor with a storage of its own.
    pub fn push(&mut self, key: &str, shape: &[usize], storage: Storage) {
        self.storages.push(storage);
        self.view(key, shape, self.storages.len() - 1);
    }

    /// Adds a tensor at the start of a storage.
    pub fn view(&mut self, key: &str, shape: &[usize], storage: usize) {
        let shape: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        let strides = (0..shape.len()).map(|d| shape[d + 1..].iter().product());
        self.views.push(View {
            key: key.to_owned(),
            storage,
            offset: 0,
            strides: strides.collect(),
            shape,
        });
    }

    /// A network's checkpoint with these tensors, and the integer buffers of its layout.
    pub fn network(network: Network, tensors: &[(String, HostTensor)]) -> Self {
        let mut saved = Self::default();
        for (key, tensor) in tensors {
            saved.push(
                &official_key(network, key),
                &tensor.shape,
                Storage::floats(&tensor.data),
            );
        }
        saved.push_buffers(network);
        saved
    }

    /// A network's checkpoint in little room: every tensor is a view of one storage.
    pub fn small(network: Network) -> Self {
        let layout = Layout::of(network);
        let largest = layout.slots.iter().map(|slot| slot.elements()).max();
        let mut saved = Self::default();
        saved
            .storages
            .push(Storage::floats(&vec![0.5; largest.unwrap_or(0)]));
        for slot in &layout.slots {
            if !matches!(slot.role, Role::Counter | Role::Buffer(_)) {
                saved.view(&official_key(network, &slot.key), &slot.shape, 0);
            }
        }
        saved.push_buffers(network);
        saved
    }

    fn push_buffers(&mut self, network: Network) {
        for slot in Layout::of(network).slots {
            let values = match slot.role {
                Role::Counter => vec![100_000],
                Role::Buffer(values) => values,
                _ => continue,
            };
            let key = official_key(network, &slot.key);
            self.push(&key, &slot.shape, Storage::longs(&values));
        }
    }

    /// Gives the tensor under a key a storage of its own.
    pub fn set(&mut self, key: &str, storage: Storage) {
        let index = self.storages.len();
        self.storages.push(storage);
        self.at(key).storage = index;
    }

    /// The view under a key.
    pub fn at(&mut self, key: &str) -> &mut View {
        let mut views = self.views.iter_mut();
        views.find(|view| view.key == key).expect("such a key")
    }

    /// PyTorch's zip archive.
    pub fn zip(&self) -> Vec<u8> {
        let members: Vec<(String, Vec<u8>)> = self
            .used()
            .map(|(index, storage)| (format!("data/{index}"), storage.bytes.clone()))
            .collect();
        zip(&self.pickle(false), &members)
    }

    /// PyTorch's older stream.
    pub fn stream(&self) -> Vec<u8> {
        let mut file = stream_start();
        file.extend(self.pickle(true));
        let mut keys = Pickle::new();
        keys.op(b"](");
        for (index, _) in self.used() {
            keys.text(&index.to_string());
        }
        file.extend(keys.end(b"e."));
        for (_, storage) in self.used() {
            file.extend((storage.elements() as u64).to_le_bytes());
            file.extend(&storage.bytes);
        }
        file
    }

    /// The storages that a view uses: PyTorch comes across no other.
    fn used(&self) -> impl Iterator<Item = (usize, &Storage)> {
        let used = |index| self.views.iter().any(|view| view.storage == index);
        let storages = self.storages.iter().enumerate();
        storages.filter(move |(index, _)| used(*index))
    }

    /// The state dict's pickle, for the stream or the archive.
    pub fn pickle(&self, stream: bool) -> Vec<u8> {
        let mut pickle = Pickle::new();
        pickle.op(b"ccollections\nOrderedDict\n)Rq\x00(");
        for view in &self.views {
            let storage = &self.storages[view.storage];
            pickle.text(&view.key);
            pickle.op(b"ctorch._utils\n_rebuild_tensor_v2\n((");
            pickle.text("storage");
            pickle.op(format!("ctorch\n{}\n", storage.class).as_bytes());
            pickle.text(&view.storage.to_string());
            pickle.text("cpu");
            pickle.int(storage.elements() as i64);
            pickle.op(if stream { b"NtQ" } else { b"tQ" });
            pickle.int(view.offset);
            pickle.ints(&view.shape);
            pickle.ints(&view.strides);
            pickle.op(b"\x89ccollections\nOrderedDict\n)RtR");
        }
        pickle.end(b"u.")
    }
}

/// The key as the official file has it.
pub fn official_key(network: Network, key: &str) -> String {
    match network {
        Network::Raft => format!("module.{key}"),
        _ => key.to_owned(),
    }
}

/// An archive with this pickle and further members.
pub fn zip(pickle: &[u8], members: &[(String, Vec<u8>)]) -> Vec<u8> {
    zip_of(pickle, "little", members)
}

/// As [`zip`], from a machine of this byte order.
pub fn zip_of(pickle: &[u8], byte_order: &str, members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("archive/{name}"), stored)
            .expect("a member");
        zip.write_all(bytes).expect("a member's bytes");
    };
    add("data.pkl", pickle);
    add("byteorder", byte_order.as_bytes());
    for (name, bytes) in members {
        add(name, bytes);
    }
    add("version", b"3\n");
    zip.finish().expect("an archive").into_inner()
}

/// The stream's first three pickles.
pub fn stream_start() -> Vec<u8> {
    let mut start = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    start.extend(b"\x80\x02M\xe9\x03.");
    let mut machine = Pickle::new();
    machine.op(b"}(");
    machine.text("little_endian");
    start.extend(machine.end(b"\x88u."));
    start
}

/// A pickle of protocol 2 being written.
pub struct Pickle(Vec<u8>);

impl Pickle {
    pub fn new() -> Self {
        Self(b"\x80\x02".to_vec())
    }

    pub fn op(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    pub fn int(&mut self, value: i64) {
        self.0.extend(b"\x8a\x08");
        self.0.extend(value.to_le_bytes());
    }

    pub fn ints(&mut self, values: &[i64]) {
        self.0.push(b'(');
        for &value in values {
            self.int(value);
        }
        self.0.push(b't');
    }

    pub fn end(mut self, last: &[u8]) -> Vec<u8> {
        self.0.extend(last);
        self.0
    }
}

/// Writes a file for a test.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a test file");
    path
}
