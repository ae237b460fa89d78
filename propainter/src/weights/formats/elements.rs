//! Tensors as a file stores them: strided views into storages of several element types.

use std::ops::Range;

use half::{bf16, f16};

use super::{Parsed, problem};

/// Largest number of dimensions of a tensor; the networks have five.
pub(super) const MAX_RANK: usize = 8;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE 754 double precision.
    F64,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// bfloat16: the upper 16 bits of single precision.
    BF16,
    /// Signed 64-bit integers.
    I64,
    /// Signed 32-bit integers.
    I32,
    /// Signed 16-bit integers.
    I16,
    /// Signed 8-bit integers.
    I8,
    /// Unsigned 8-bit integers.
    U8,
    /// Truth values, one byte each.
    Bool,
}

impl ElementType {
    /// Returns the bytes of one element.
    pub fn size(self) -> usize {
        match self {
            ElementType::F64 | ElementType::I64 => 8,
            ElementType::F32 | ElementType::I32 => 4,
            ElementType::F16 | ElementType::BF16 | ElementType::I16 => 2,
            ElementType::I8 | ElementType::U8 | ElementType::Bool => 1,
        }
    }

    /// Returns whether the type is a floating-point one.
    pub fn is_float(self) -> bool {
        matches!(
            self,
            ElementType::F64 | ElementType::F32 | ElementType::F16 | ElementType::BF16
        )
    }

    /// Returns the type's name in messages.
    pub fn name(self) -> &'static str {
        match self {
            ElementType::F64 => "fp64",
            ElementType::F32 => "fp32",
            ElementType::F16 => "fp16",
            ElementType::BF16 => "bf16",
            ElementType::I64 => "int64",
            ElementType::I32 => "int32",
            ElementType::I16 => "int16",
            ElementType::I8 => "int8",
            ElementType::U8 => "uint8",
            ElementType::Bool => "boolean",
        }
    }
}

/// One tensor, as a view of the file's bytes.
///
/// Invariant, established by [`Entry::new`]: every element that shape, strides and offset can
/// address lies within `storage`, `storage` lies within the file, and the tensor has no more
/// elements than its storage.
#[derive(Debug)]
pub struct Entry {
    pub key: String,
    pub kind: ElementType,
    pub shape: Vec<usize>,
    /// Elements between successive indices of a dimension.
    strides: Vec<usize>,
    /// Elements before the first one.
    offset: usize,
    /// Range of the file's bytes.
    storage: Range<usize>,
}

impl Entry {
    /// Creates a tensor; `storage` must lie within the file.
    pub fn new(
        key: String,
        kind: ElementType,
        shape: Vec<usize>,
        strides: Vec<usize>,
        offset: usize,
        storage: Range<usize>,
    ) -> Parsed<Self> {
        if shape.len() > MAX_RANK || strides.len() != shape.len() {
            return problem(format!(
                "tensor `{key}` has {} dimensions and {} strides",
                shape.len(),
                strides.len()
            ));
        }
        let room = storage.len() / kind.size();
        let elements = shape
            .iter()
            .try_fold(1usize, |n, &side| n.checked_mul(side));
        // The position of the last element, if there are any.
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |last, (&side, stride)| {
                side.saturating_sub(1)
                    .checked_mul(*stride)
                    .and_then(|reach| last.checked_add(reach))
            });
        let fits = match (elements, last) {
            (Some(0), _) => true,
            (Some(elements), Some(last)) => elements <= room && last < room,
            _ => false,
        };
        if !fits {
            return problem(format!(
                "tensor `{key}` of shape {shape:?} reaches beyond its storage of {room} elements"
            ));
        }
        Ok(Self {
            key,
            kind,
            shape,
            strides,
            offset,
            storage,
        })
    }

    /// Creates a tensor that fills its storage row by row.
    pub fn contiguous(
        key: String,
        kind: ElementType,
        shape: Vec<usize>,
        storage: Range<usize>,
    ) -> Parsed<Self> {
        match row_major(&shape) {
            Some(strides) => Self::new(key, kind, shape, strides, 0, storage),
            None => problem(format!("tensor `{key}` claims the shape {shape:?}")),
        }
    }

    /// Returns the elements as `f32`, row-major; `None` for integers.
    pub fn floats(&self, file: &[u8]) -> Option<Vec<f32>> {
        Some(match self.kind {
            ElementType::F64 => self.gather(file, |b| f64::from_le_bytes(b) as f32),
            ElementType::F32 => self.gather(file, f32::from_le_bytes),
            ElementType::F16 => self.gather(file, |b| f16::from_le_bytes(b).to_f32()),
            ElementType::BF16 => self.gather(file, |b| bf16::from_le_bytes(b).to_f32()),
            _ => return None,
        })
    }

    /// Returns the elements as `i64`, row-major; `None` for floats.
    pub fn integers(&self, file: &[u8]) -> Option<Vec<i64>> {
        Some(match self.kind {
            ElementType::I64 => self.gather(file, i64::from_le_bytes),
            ElementType::I32 => self.gather(file, |b| i32::from_le_bytes(b).into()),
            ElementType::I16 => self.gather(file, |b| i16::from_le_bytes(b).into()),
            ElementType::I8 => self.gather(file, |b| i8::from_le_bytes(b).into()),
            ElementType::U8 | ElementType::Bool => self.gather(file, |b: [u8; 1]| b[0].into()),
            _ => return None,
        })
    }

    /// Returns the elements in row-major order; `N` is the size of the type.
    fn gather<const N: usize, T>(&self, file: &[u8], decode: impl Fn([u8; N]) -> T) -> Vec<T> {
        let (storage, _) = file[self.storage.clone()].as_chunks::<N>();
        let count = self.shape.iter().product();
        if row_major(&self.shape).as_ref() == Some(&self.strides) {
            let elements = storage.iter().skip(self.offset).take(count);
            return elements.map(|&bytes| decode(bytes)).collect();
        }
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(decode(storage[at]));
            for dimension in (0..index.len()).rev() {
                index[dimension] += 1;
                at += self.strides[dimension];
                if index[dimension] < self.shape[dimension] {
                    break;
                }
                at -= self.shape[dimension] * self.strides[dimension];
                index[dimension] = 0;
            }
        }
        elements
    }
}

/// Returns the strides of a contiguous tensor; `None` if its elements cannot be counted.
fn row_major(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![1usize; shape.len()];
    for dimension in (1..shape.len()).rev() {
        strides[dimension - 1] = strides[dimension].checked_mul(shape[dimension])?;
    }
    Some(strides)
}
