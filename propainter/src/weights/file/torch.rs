//! The few of PyTorch's functions that a state dict calls, and what they make.

use std::{collections::HashMap, ops::Range};

use super::{
    Parsed,
    elements::{Entry, Kind, MAX_RANK},
    pickle::{Id, Pickle, Value, value},
    problem,
};

/// What state dicts are wrapped in by training scripts, one level deep.
const WRAPPERS: [&str; 4] = ["state_dict", "model_state_dict", "model", "params"];

/// A function or class that a pickle may name; every other is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
}

/// A storage, by the key under which the file has its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StorageRef<'a> {
    pub kind: Kind,
    pub key: &'a str,
    pub elements: usize,
}

/// A strided view into a storage, as the file claims it.
#[derive(Clone, Debug)]
pub(super) struct TensorRef<'a> {
    storage: StorageRef<'a>,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

pub(super) fn global(module: &str, name: &str) -> Parsed<Global> {
    let kind = |name: &str| {
        Some(match name {
            "DoubleStorage" => Kind::F64,
            "FloatStorage" => Kind::F32,
            "HalfStorage" => Kind::F16,
            "BFloat16Storage" => Kind::BF16,
            "LongStorage" => Kind::I64,
            "IntStorage" => Kind::I32,
            "ShortStorage" => Kind::I16,
            "CharStorage" => Kind::I8,
            "ByteStorage" => Kind::U8,
            "BoolStorage" => Kind::Bool,
            _ => return None,
        })
    };
    match (module, name) {
        ("collections", "OrderedDict") => return Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => return Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => return Ok(Global::RebuildParameter),
        ("torch", name) => {
            if let Some(kind) = kind(name) {
                return Ok(Global::Storage(kind));
            }
        }
        _ => {}
    }
    let shown = |text: &str| text.chars().take(80).collect::<String>();
    problem(format!(
        "its pickle asks for `{}.{}`, which no state dict needs and which is not run",
        shown(module),
        shown(name)
    ))
}

/// Calls a function of the list.
pub(super) fn call<'a>(
    function: Global,
    values: &[Value<'a>],
    arguments: &[Id],
) -> Parsed<Value<'a>> {
    match (function, arguments) {
        (Global::OrderedDict, []) => Ok(Value::Dict(Vec::new())),
        // Then: requires_grad, backward_hooks, metadata.
        (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
            let Value::Storage(storage) = value(values, *storage) else {
                return problem("its pickle makes a tensor without a storage");
            };
            Ok(Value::Tensor(TensorRef {
                storage: *storage,
                offset: size(values, *offset)?,
                shape: sizes(values, *shape)?,
                strides: sizes(values, *strides)?,
            }))
        }
        // Then: requires_grad, backward_hooks.
        (Global::RebuildParameter, [data, ..]) => match value(values, *data) {
            Value::Tensor(tensor) => Ok(Value::Tensor(tensor.clone())),
            _ => problem("its pickle makes a parameter without a tensor"),
        },
        _ => problem(format!(
            "its pickle calls {function:?} with {} arguments",
            arguments.len()
        )),
    }
}

/// The storage that a persistent id names: ("storage", type, key, device, elements), and
/// in the older stream a view of another one, which PyTorch has long ceased to write.
pub(super) fn storage<'a>(values: &[Value<'a>], parts: &[Id]) -> Parsed<StorageRef<'a>> {
    let value = |index: usize| parts.get(index).map(|&id| value(values, id));
    let (
        Some(Value::Text("storage")),
        Some(Value::Global(Global::Storage(kind))),
        Some(Value::Text(key)),
        Some(_device),
        Some(_elements),
        None | Some(Value::None),
    ) = (value(0), value(1), value(2), value(3), value(4), value(5))
    else {
        return problem("its pickle names a storage in a way that is not known");
    };
    Ok(StorageRef {
        kind: *kind,
        key,
        elements: size(values, parts[4])?,
    })
}

fn size(values: &[Value<'_>], id: Id) -> Parsed<usize> {
    match value(values, id) {
        Value::Int(size) => match usize::try_from(*size) {
            Ok(size) => Ok(size),
            Err(_) => problem(format!("its pickle claims a size of {size}")),
        },
        _ => problem("its pickle has a size that is no number"),
    }
}

fn sizes(values: &[Value<'_>], id: Id) -> Parsed<Vec<usize>> {
    match value(values, id) {
        Value::Tuple(items) if items.len() <= MAX_RANK => {
            items.iter().map(|&id| size(values, id)).collect()
        }
        Value::Tuple(items) => problem(format!("a tensor claims {} dimensions", items.len())),
        _ => problem("its pickle has a shape that is no tuple"),
    }
}

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

    /// Every storage that the pickle names, by key.
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

    /// The tensors, each storage's bytes found by `locate`.
    pub fn entries(
        &self,
        locate: impl Fn(StorageRef<'a>) -> Parsed<Range<usize>>,
    ) -> Parsed<Vec<Entry>> {
        let entry = |(key, tensor): &(&str, &TensorRef<'a>)| {
            let storage = tensor.storage;
            let range = locate(storage)?;
            if storage.elements.checked_mul(storage.kind.size()) != Some(range.len()) {
                return problem(format!(
                    "its storage {} has {} bytes where {} elements are claimed",
                    storage.key,
                    range.len(),
                    storage.elements
                ));
            }
            Entry::new(
                (*key).to_owned(),
                storage.kind,
                tensor.shape.clone(),
                tensor.strides.clone(),
                tensor.offset,
                range,
            )
        };
        self.tensors.iter().map(entry).collect()
    }
}
