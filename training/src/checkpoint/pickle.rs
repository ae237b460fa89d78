//! Writes the pickles of PyTorch's files, protocol 2.

use std::borrow::Cow;

/// A value to be written.
#[derive(Clone, Debug)]
pub(super) enum Item<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Item<'a>>),
    Tuple(Vec<Item<'a>>),
    Dict(Vec<(Item<'a>, Item<'a>)>),
    OrderedDict(Vec<(Item<'a>, Item<'a>)>),
    /// Python's `collections.Counter`.
    Counter(Vec<(Item<'a>, Item<'a>)>),
    Tensor {
        shape: &'a [usize],
        data: Elements<'a>,
    },
}

/// The elements of a tensor; each tensor has a storage of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Elements<'a> {
    Floats(&'a [f32]),
    Integers(&'a [i64]),
}

impl Elements<'_> {
    pub fn len(&self) -> usize {
        match self {
            Self::Floats(floats) => floats.len(),
            Self::Integers(integers) => integers.len(),
        }
    }

    fn storage_class(&self) -> &'static str {
        match self {
            Self::Floats(_) => "FloatStorage",
            Self::Integers(_) => "LongStorage",
        }
    }
}

/// Returns a text as a value.
pub(super) fn text<'a>(text: impl Into<Cow<'a, str>>) -> Item<'a> {
    Item::Text(text.into())
}

/// Returns a dict of items under texts.
pub(super) fn dict<'a>(items: impl IntoIterator<Item = (&'a str, Item<'a>)>) -> Item<'a> {
    Item::Dict(
        items
            .into_iter()
            .map(|(key, item)| (text(key), item))
            .collect(),
    )
}

/// Returns the pickle of `item`, and the elements of its tensors, the first of which has the storage
/// key 0.
pub(super) fn pickle<'a>(item: &Item<'a>) -> (Vec<u8>, Vec<Elements<'a>>) {
    let mut pickler = Pickler {
        bytes: vec![0x80, 2],
        storages: Vec::new(),
    };
    pickler.item(item);
    pickler.bytes.push(b'.');
    (pickler.bytes, pickler.storages)
}

struct Pickler<'a> {
    bytes: Vec<u8>,
    storages: Vec<Elements<'a>>,
}

impl<'a> Pickler<'a> {
    fn item(&mut self, item: &Item<'a>) {
        match item {
            Item::None => self.bytes.push(b'N'),
            Item::Bool(truth) => self.bytes.push(if *truth { 0x88 } else { 0x89 }),
            Item::Int(int) => self.int(*int),
            Item::Float(float) => {
                self.bytes.push(b'G');
                self.bytes.extend(float.to_be_bytes());
            }
            Item::Text(text) => self.text(text),
            Item::List(items) => {
                self.bytes.extend(b"](");
                items.iter().for_each(|item| self.item(item));
                self.bytes.push(b'e');
            }
            Item::Tuple(items) => self.tuple(|this| items.iter().for_each(|item| this.item(item))),
            Item::Dict(items) => {
                self.bytes.push(b'}');
                self.items(items);
            }
            Item::OrderedDict(items) => {
                self.global("collections", "OrderedDict");
                self.bytes.extend(b")R");
                self.items(items);
            }
            Item::Counter(items) => {
                self.global("collections", "Counter");
                self.bytes.push(b'}');
                self.items(items);
                // A tuple of the dict is what the class is called with.
                self.bytes.extend([0x85, b'R']);
            }
            Item::Tensor { shape, data } => self.tensor(shape, *data),
        }
    }

    fn items(&mut self, items: &[(Item<'a>, Item<'a>)]) {
        self.bytes.push(b'(');
        for (key, item) in items {
            self.item(key);
            self.item(item);
        }
        self.bytes.push(b'u');
    }

    fn int(&mut self, int: i64) {
        match i32::try_from(int) {
            Ok(int) => {
                self.bytes.push(b'J');
                self.bytes.extend(int.to_le_bytes());
            }
            Err(_) => {
                self.bytes.extend([0x8a, 8]);
                self.bytes.extend(int.to_le_bytes());
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes.push(b'X');
        // Texts are keys and a few notes, far below 4 GiB.
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn tuple(&mut self, items: impl FnOnce(&mut Self)) {
        self.bytes.push(b'(');
        items(self);
        self.bytes.push(b't');
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    /// Writes a call of the function that PyTorch makes tensors with: storage, offset, shape,
    /// strides, whether gradients are wanted, hooks.
    fn tensor(&mut self, shape: &[usize], data: Elements<'a>) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.tuple(|this| {
            this.tuple(|this| {
                this.text("storage");
                this.global("torch", data.storage_class());
                this.text(&this.storages.len().to_string());
                this.text("cpu");
                this.int(data.len() as i64);
            });
            this.storages.push(data);
            this.bytes.push(b'Q');
            this.int(0);
            this.sizes(shape);
            this.sizes(&strides(shape));
            this.item(&Item::Bool(false));
            this.item(&Item::OrderedDict(Vec::new()));
        });
        self.bytes.push(b'R');
    }

    fn sizes(&mut self, sizes: &[usize]) {
        self.tuple(|this| sizes.iter().for_each(|&size| this.int(size as i64)));
    }
}

/// Returns the distances of neighbours along each axis of a tensor that is stored row by row.
fn strides(shape: &[usize]) -> Vec<usize> {
    let after = |axis: usize| shape[axis + 1..].iter().product();
    (0..shape.len()).map(after).collect()
}
