//! Reads PyTorch's older stream: pickles for magic number, version and machine, the object's
//! pickle, the list of storage keys, then each storage as its element count and raw bytes.

use std::{collections::HashMap, ops::Range};

use super::{
    Parsed,
    cursor::Cursor,
    elements::Entry,
    pickle::Pickle,
    problem,
    state_dict::StateDict,
    value::{StorageRef, Value},
};

const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const VERSION: i128 = 1001;

pub(super) fn entries(file: &[u8]) -> Parsed<Vec<Entry>> {
    let mut at = 0;
    let mut next = || -> Parsed<Pickle<'_>> {
        let (pickle, length) = Pickle::load(&file[at..])?;
        at += length;
        Ok(pickle)
    };
    let magic = next()?;
    if !matches!(magic.top(), Value::Int(MAGIC)) {
        return problem("it is a pickle, but none of PyTorch's");
    }
    let version = next()?;
    if !matches!(version.top(), Value::Int(VERSION)) {
        return problem("it is of a version of PyTorch's stream that is not known");
    }
    let machine = next()?;
    if let Some(Value::Bool(false)) = machine.item(machine.top(), "little_endian") {
        return problem("it was saved on a big-endian machine");
    }
    let object = next()?;
    let state_dict = StateDict::new(&object)?;
    let keys = next()?;
    let storages = storages(file, at, &keys, &state_dict.storages()?)?;
    state_dict.entries(|StorageRef { key, .. }| match storages.get(key) {
        Some(range) => Ok(range.clone()),
        None => problem(format!("its storage {key} is missing")),
    })
}

/// Returns the range of each storage's raw bytes, in the order of the list of keys.
fn storages<'a>(
    file: &'a [u8],
    start: usize,
    keys: &Pickle<'a>,
    known: &HashMap<&'a str, StorageRef<'a>>,
) -> Parsed<HashMap<&'a str, Range<usize>>> {
    let Value::List(list) = keys.top() else {
        return problem("its list of storages is missing");
    };
    let mut at = Cursor::new(file, start);
    let mut ranges = HashMap::new();
    for &id in list {
        let Value::Text(key) = keys.value(id) else {
            return problem("its list of storages is damaged");
        };
        // Without a tensor that uses it, the element type and so the length is unknown.
        let Some(storage) = known.get(key) else {
            return problem(format!("its storage {key} belongs to no tensor"));
        };
        let elements = at.size()?;
        if elements != storage.elements {
            return problem(format!(
                "its storage {key} has {elements} elements, {} are expected",
                storage.elements
            ));
        }
        let start = at.at();
        let Some(bytes) = elements.checked_mul(storage.kind.size()) else {
            return problem(format!("its storage {key} claims {elements} elements"));
        };
        at.take(bytes)?;
        ranges.insert(*key, start..start + bytes);
    }
    Ok(ranges)
}
