//! Reads safetensors files.

use safetensors::{Dtype, SafeTensors};

use super::{
    Parsed,
    cursor::Cursor,
    elements::{ElementType, Entry},
    problem,
};

/// Largest size of a header in bytes; the largest network's has 30,000.
const MAX_HEADER: usize = 1 << 20;

pub(super) fn entries(file: &[u8]) -> Parsed<Vec<Entry>> {
    let length = Cursor::new(file, 0).size()?;
    if length > MAX_HEADER {
        return problem(format!("its header claims {length} bytes"));
    }
    let (header, metadata) = match SafeTensors::read_metadata(file) {
        Ok(read) => read,
        Err(error) => return problem(error.to_string()),
    };
    let data = 8 + header;
    let mut entries = Vec::new();
    for key in metadata.offset_keys() {
        let Some(info) = metadata.info(&key) else {
            continue;
        };
        let kind = kind(info.dtype, &key)?;
        let (start, end) = info.data_offsets;
        // The crate has checked the offsets against the file's length.
        let storage = data + start..data + end;
        entries.push(Entry::contiguous(key, kind, info.shape.clone(), storage)?);
    }
    Ok(entries)
}

fn kind(dtype: Dtype, key: &str) -> Parsed<ElementType> {
    Ok(match dtype {
        Dtype::F64 => ElementType::F64,
        Dtype::F32 => ElementType::F32,
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::BF16,
        Dtype::I64 => ElementType::I64,
        Dtype::I32 => ElementType::I32,
        Dtype::I16 => ElementType::I16,
        Dtype::I8 => ElementType::I8,
        Dtype::U8 => ElementType::U8,
        Dtype::BOOL => ElementType::Bool,
        other => return problem(format!("tensor `{key}` holds {other:?} numbers")),
    })
}
