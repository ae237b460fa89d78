//! Writes PyTorch's zip files.

use std::{
    io::{self, Seek, Write},
    path::Path,
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    CheckpointError, files,
    pickle::{Elements, Item, pickle},
};

/// What the names of all members begin with.
const PREFIX: &str = "archive";
/// Storages begin at multiples of this, so that they can be mapped.
const ALIGNMENT: u16 = 64;
/// Elements that are converted to bytes at once.
const PART: usize = 1 << 16;

/// Writes `item` to `path`, whole or not at all.
pub(super) fn write(path: &Path, item: &Item<'_>) -> Result<(), CheckpointError> {
    files::replace(path, |file| {
        let mut zip = ZipWriter::new(file);
        write_members(&mut zip, item)?;
        zip.finish()?;
        Ok(())
    })
}

fn write_members<W: Write + Seek>(zip: &mut ZipWriter<W>, item: &Item<'_>) -> io::Result<()> {
    let (pickle, storages) = pickle(item);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .with_alignment(ALIGNMENT);
    let mut member = |name: &str, content: &dyn Fn(&mut ZipWriter<W>) -> io::Result<()>| {
        zip.start_file(format!("{PREFIX}/{name}"), options)?;
        content(zip)
    };
    member("data.pkl", &|zip| zip.write_all(&pickle))?;
    member("byteorder", &|zip| zip.write_all(b"little"))?;
    for (key, elements) in storages.iter().enumerate() {
        member(&format!("data/{key}"), &|zip| match elements {
            Elements::Floats(floats) => write_elements(zip, floats, |float| float.to_le_bytes()),
            Elements::Integers(all) => write_elements(zip, all, |integer| integer.to_le_bytes()),
        })?;
    }
    member("version", &|zip| zip.write_all(b"3\n"))
}

fn write_elements<T: Copy, const N: usize>(
    writer: &mut impl Write,
    elements: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    for part in elements.chunks(PART) {
        let bytes: Vec<u8> = part.iter().flat_map(|&element| bytes(element)).collect();
        writer.write_all(&bytes)?;
    }
    Ok(())
}
