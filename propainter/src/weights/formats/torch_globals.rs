//! The few PyTorch functions that a state dict calls, and their results.

use super::{
    Parsed,
    elements::{ElementType, MAX_RANK},
    problem,
    value::{Global, Id, StorageRef, TensorRef, Value, value},
};

pub(super) fn global(module: &str, name: &str) -> Parsed<Global> {
    let kind = |name: &str| {
        Some(match name {
            "DoubleStorage" => ElementType::F64,
            "FloatStorage" => ElementType::F32,
            "HalfStorage" => ElementType::F16,
            "BFloat16Storage" => ElementType::BF16,
            "LongStorage" => ElementType::I64,
            "IntStorage" => ElementType::I32,
            "ShortStorage" => ElementType::I16,
            "CharStorage" => ElementType::I8,
            "ByteStorage" => ElementType::U8,
            "BoolStorage" => ElementType::Bool,
            _ => return None,
        })
    };
    match (module, name) {
        ("collections", "OrderedDict") => return Ok(Global::OrderedDict),
        ("collections", "Counter") => return Ok(Global::Counter),
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

/// Calls a permitted function.
pub(super) fn call<'a>(
    function: Global,
    values: &[Value<'a>],
    arguments: &[Id],
) -> Parsed<Value<'a>> {
    match (function, arguments) {
        (Global::OrderedDict | Global::Counter, []) => Ok(Value::Dict(Vec::new())),
        (Global::Counter, [counts]) => match value(values, *counts) {
            Value::Dict(items) => Ok(Value::Dict(items.clone())),
            _ => problem("its pickle makes a counter without a dict"),
        },
        // The remaining arguments are requires_grad, backward_hooks and metadata.
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
        // The remaining arguments are requires_grad and backward_hooks.
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

/// Returns the storage that a persistent id names: ("storage", type, key, device, elements), and in
/// the older stream a view of another storage, which PyTorch no longer writes.
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
