//! What a file holds that is more than a state dict: dicts of numbers, texts and tensors.

use std::ops::Range;

use super::{
    Parsed,
    pickle::Pickle,
    problem,
    state_dict::entry,
    value::{StorageRef, Value},
};

/// How deep values may be nested; the state of an optimiser has five levels.
const MAX_DEPTH: usize = 16;

/// Bytes by which values may exceed the file, because they share texts.
const SHARED: usize = 1 << 20;

/// A value of a file of PyTorch's.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// Python's `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list or a tuple.
    List(Vec<Object>),
    /// A dict; keys may repeat, and the last one counts.
    Dict(Vec<(Object, Object)>),
    /// A tensor of floating-point numbers.
    Tensor {
        /// The shape; empty for a scalar.
        shape: Vec<usize>,
        /// The elements in row-major order.
        data: Vec<f32>,
    },
}

impl Object {
    /// Returns the item of a dict under a text; `None` where there is none, or where this is no dict.
    pub fn item(&self, name: &str) -> Option<&Object> {
        let Object::Dict(items) = self else {
            return None;
        };
        let named = |(key, _): &&(Object, Object)| matches!(key, Object::Text(t) if t == name);
        items.iter().rfind(named).map(|(_, item)| item)
    }
}

/// Builds the object of a pickle; `locate` finds the bytes of each storage in `file`. Values may share
/// others, which become copies here; all together they are hardly larger than the file.
pub(super) fn build(
    pickle: &Pickle<'_>,
    file: &[u8],
    locate: impl Fn(StorageRef<'_>) -> Parsed<Range<usize>>,
) -> Parsed<Object> {
    let mut builder = Builder {
        pickle,
        file,
        locate,
        room: file.len() + SHARED,
    };
    builder.object(pickle.top(), 0)
}

struct Builder<'p, 'a, L> {
    pickle: &'p Pickle<'a>,
    file: &'p [u8],
    locate: L,
    /// Bytes that values may still take.
    room: usize,
}

impl<L: Fn(StorageRef<'_>) -> Parsed<Range<usize>>> Builder<'_, '_, L> {
    fn object(&mut self, value: &Value<'_>, depth: usize) -> Parsed<Object> {
        if depth > MAX_DEPTH {
            return problem("its values are nested too deeply");
        }
        self.take(match value {
            Value::Text(text) => text.len().max(1),
            Value::Tensor(tensor) => {
                let elements = tensor
                    .shape
                    .iter()
                    .fold(1, |n: usize, &m| n.saturating_mul(m));
                elements.saturating_mul(tensor.storage.kind.size()).max(1)
            }
            _ => 1,
        })?;
        Ok(match value {
            Value::None => Object::None,
            Value::Bool(truth) => Object::Bool(*truth),
            Value::Int(int) => Object::Int(*int),
            Value::Float(float) => Object::Float(*float),
            Value::Text(text) => Object::Text((*text).to_owned()),
            Value::Tuple(items) | Value::List(items) => {
                let pickle = self.pickle;
                let items = items
                    .iter()
                    .map(|&id| self.object(pickle.value(id), depth + 1));
                Object::List(items.collect::<Parsed<_>>()?)
            }
            Value::Dict(items) => {
                let pickle = self.pickle;
                let items = items.iter().map(|&(key, item)| {
                    let key = self.object(pickle.value(key), depth + 1)?;
                    Ok((key, self.object(pickle.value(item), depth + 1)?))
                });
                Object::Dict(items.collect::<Parsed<_>>()?)
            }
            Value::Tensor(tensor) => {
                let range = (self.locate)(tensor.storage)?;
                let entry = entry("in the file".to_owned(), tensor, range)?;
                let Some(data) = entry.floats(self.file) else {
                    return problem("it has a tensor of integers where none is known");
                };
                let shape = entry.shape;
                Object::Tensor { shape, data }
            }
            Value::Global(_) | Value::Storage(_) => {
                return problem("it has a function or a storage as a value");
            }
        })
    }

    fn take(&mut self, bytes: usize) -> Parsed<()> {
        match self.room.checked_sub(bytes) {
            Some(room) => {
                self.room = room;
                Ok(())
            }
            None => problem("its values are larger than the file"),
        }
    }
}
