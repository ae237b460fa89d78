//! The values that a pickle consists of.

use super::elements::ElementType;

/// The index of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) u32);

#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Items in file order; keys may repeat.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(StorageRef<'a>),
    Tensor(TensorRef<'a>),
}

/// A function or class that a pickle may name. Every other one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Counter,
    RebuildTensor,
    RebuildParameter,
    Storage(ElementType),
}

/// A storage, with the key of its bytes in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StorageRef<'a> {
    pub kind: ElementType,
    pub key: &'a str,
    pub elements: usize,
}

/// A strided view of a storage, as the file claims it.
#[derive(Clone, Debug)]
pub(super) struct TensorRef<'a> {
    pub storage: StorageRef<'a>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// Returns a value. Ids are created only by pushing a value, so the value exists.
pub(super) fn value<'v, 'a>(values: &'v [Value<'a>], id: Id) -> &'v Value<'a> {
    &values[id.0 as usize]
}
