//! Tensors as a file has them: strided views into storages of several number types.

use std::ops::Range;

use half::{bf16, f16};

use super::{Parsed, problem};

/// Most dimensions a tensor may have; the networks have five.
pub(super) const MAX_RANK: usize = 8;

/// A number type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Kind {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Kind::F64 | Kind::I64 => 8,
            Kind::F32 | Kind::I32 => 4,
            Kind::F16 | Kind::BF16 | Kind::I16 => 2,
            Kind::I8 | Kind::U8 | Kind::Bool => 1,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Kind::F64 | Kind::F32 | Kind::F16 | Kind::BF16)
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::F64 => "fp64",
            Kind::F32 => "fp32",
            Kind::F16 => "fp16",
            Kind::BF16 => "bf16",
            Kind::I64 => "int64",
            Kind::I32 => "int32",
            Kind::I16 => "int16",
            Kind::I8 => "int8",
            Kind::U8 => "uint8",
            Kind::Bool => "boolean",
        }
    }
}

/// One tensor: where its elements lie in the file.
///
/// Invariant, made by [`Entry::new`]: every element that shape, strides and offset can
/// address lies within `storage`, `storage` lies within the file, and the tensor has no
/// more elements than its storage.
#[derive(Debug)]
pub struct Entry {
    pub key: String,
    pub kind: Kind,
    pub shape: Vec<usize>,
    /// Elements from one index of a dimension to the next.
    strides: Vec<usize>,
    /// Elements before the first.
    offset: usize,
    /// Bytes of the file.
    storage: Range<usize>,
}

impl Entry {
    /// `storage` must lie within the file.
    pub fn new(
        key: String,
        kind: Kind,
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
        // The last element's position, where there are elements at all.
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

    /// A tensor that fills its storage row by row.
    pub fn contiguous(
        key: String,
        kind: Kind,
        shape: Vec<usize>,
        storage: Range<usize>,
    ) -> Parsed<Self> {
        match row_major(&shape) {
            Some(strides) => Self::new(key, kind, shape, strides, 0, storage),
            None => problem(format!("tensor `{key}` claims the shape {shape:?}")),
        }
    }

    /// As `f32`, row-major; `None` for integers.
    pub fn floats(&self, file: &[u8]) -> Option<Vec<f32>> {
        Some(match self.kind {
            Kind::F64 => self.gather(file, |b| f64::from_le_bytes(b) as f32),
            Kind::F32 => self.gather(file, f32::from_le_bytes),
            Kind::F16 => self.gather(file, |b| f16::from_le_bytes(b).to_f32()),
            Kind::BF16 => self.gather(file, |b| bf16::from_le_bytes(b).to_f32()),
            _ => return None,
        })
    }

    /// As `i64`, row-major; `None` for floats.
    pub fn integers(&self, file: &[u8]) -> Option<Vec<i64>> {
        Some(match self.kind {
            Kind::I64 => self.gather(file, i64::from_le_bytes),
            Kind::I32 => self.gather(file, |b| i32::from_le_bytes(b).into()),
            Kind::I16 => self.gather(file, |b| i16::from_le_bytes(b).into()),
            Kind::I8 => self.gather(file, |b| i8::from_le_bytes(b).into()),
            Kind::U8 | Kind::Bool => self.gather(file, |b: [u8; 1]| b[0].into()),
            _ => return None,
        })
    }

    /// The elements in row-major order; `N` is the kind's size.
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

/// Strides of a tensor without gaps; `None` when its elements cannot be counted.
fn row_major(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![1usize; shape.len()];
    for dimension in (1..shape.len()).rev() {
        strides[dimension - 1] = strides[dimension].checked_mul(shape[dimension])?;
    }
    Some(strides)
}
