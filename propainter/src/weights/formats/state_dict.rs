//! The state dict that a pickle holds.

use std::{collections::HashMap, ops::Range};

use super::{
    Parsed,
    elements::Entry,
    pickle::Pickle,
    problem,
    value::{StorageRef, TensorRef, Value},
};

/// Keys under which training scripts wrap a state dict, one level deep.
const WRAPPERS: [&str; 4] = ["state_dict", "model_state_dict", "model", "params"];

/// The tensors of a state dict, in file order.
pub(super) struct StateDict<'p, 'a> {
    pickle: &'p Pickle<'a>,
    tensors: Vec<(&'a str, &'p TensorRef<'a>)>,
}

impl<'p, 'a> StateDict<'p, 'a> {
    pub fn new(pickle: &'p Pickle<'a>) -> Parsed<Self> {
        let wrapped = WRAPPERS.iter().find_map(|name| {
            let inner = pickle.item(pickle.top(), name);
            inner.filter(|value| matches!(value, Value::Dict(_)))
        });
        let Value::Dict(items) = wrapped.unwrap_or(pickle.top()) else {
            return problem("it holds no state dict");
        };
        let mut tensors = Vec::with_capacity(items.len());
        for &(key, item) in items {
            match (pickle.value(key), pickle.value(item)) {
                (Value::Text(key), Value::Tensor(tensor)) => tensors.push((*key, tensor)),
                (Value::Text(key), _) => return problem(format!("its entry `{key}` is no tensor")),
                _ => return problem("its state dict has a key that is no text"),
            }
        }
        Ok(Self { pickle, tensors })
    }

    /// Returns every storage that the pickle names, by key.
    pub fn storages(&self) -> Parsed<HashMap<&'a str, StorageRef<'a>>> {
        let mut storages = HashMap::new();
        for value in self.pickle.values() {
            let Value::Storage(storage) = value else {
                continue;
            };
            let known = storages.insert(storage.key, *storage);
            if known.is_some_and(|known| known != *storage) {
                return problem(format!("its storage {} is of two kinds", storage.key));
            }
        }
        Ok(storages)
    }

    /// Returns the tensors; `locate` finds the bytes of each storage.
    pub fn entries(
        &self,
        locate: impl Fn(StorageRef<'a>) -> Parsed<Range<usize>>,
    ) -> Parsed<Vec<Entry>> {
        let entry = |(key, tensor): &(&str, &TensorRef<'a>)| {
            self::entry((*key).to_owned(), tensor, locate(tensor.storage)?)
        };
        self.tensors.iter().map(entry).collect()
    }
}

/// Returns a tensor under `key`, whose storage has the bytes `range`.
pub(super) fn entry(key: String, tensor: &TensorRef<'_>, range: Range<usize>) -> Parsed<Entry> {
    let storage = tensor.storage;
    if storage.elements.checked_mul(storage.kind.size()) != Some(range.len()) {
        return problem(format!(
            "its storage {} has {} bytes where {} elements are claimed",
            storage.key,
            range.len(),
            storage.elements
        ));
    }
    Entry::new(
        key,
        storage.kind,
        tensor.shape.clone(),
        tensor.strides.clone(),
        tensor.offset,
        range,
    )
}
