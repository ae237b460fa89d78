//! The texts of tags in Matroska and WebM files, which GStreamer's muxer writes with quotation marks
//! and backslashes where they hold more than letters and digits.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use gst::{glib, prelude::*};

/// Identifiers of elements (RFC 9559).
const SEGMENT: u32 = 0x1853_8067;
const TAGS: u32 = 0x1254_C367;
const TAG: u32 = 0x7373;
const SIMPLE_TAG: u32 = 0x67C8;
const TAG_STRING: u32 = 0x4487;

/// Most bytes of tags that are read.
const MAX_BYTES: u64 = 64 << 20;

/// Writes the texts of all tags of a complete file as they were meant. A shorter text is padded with
/// zeros, as the format allows.
///
/// # Errors
/// The file cannot be read or written.
pub fn repair(file: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(file)?;
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    while at < end {
        let Some((id, start, size)) = element_at(&mut file, at)? else {
            return Ok(());
        };
        match (id, size) {
            // Its elements follow.
            (SEGMENT, _) => at = start,
            (TAGS, Some(size)) if size <= MAX_BYTES.min(end - start) => {
                let mut tags = vec![0; size as usize];
                file.seek(SeekFrom::Start(start))?;
                file.read_exact(&mut tags)?;
                repair_texts(&mut tags);
                file.seek(SeekFrom::Start(start))?;
                file.write_all(&tags)?;
                at = start + size;
            }
            (_, Some(size)) => at = start.saturating_add(size),
            // The muxer has not told the size, so what follows cannot be found.
            (_, None) => return Ok(()),
        }
    }
    Ok(())
}

/// Returns the identifier of the element at `at`, where its content starts, and its size where it is
/// known; `None` where there is no element.
fn element_at(file: &mut File, at: u64) -> io::Result<Option<(u32, u64, Option<u64>)>> {
    file.seek(SeekFrom::Start(at))?;
    let mut head = Vec::new();
    file.take(12).read_to_end(&mut head)?;
    Ok(header(&head).map(|(id, size, length)| (id, at + length as u64, size)))
}

/// Parses the head of an element: identifier, size where it is known, and bytes of the head.
fn header(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let (id_bytes, size_bytes) = {
        let id = bytes.first()?.leading_zeros() as usize + 1;
        (id, bytes.get(id)?.leading_zeros() as usize + 1)
    };
    if id_bytes > 4 || size_bytes > 8 {
        return None;
    }
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
    };
    let length = id_bytes + size_bytes;
    let id = number(bytes.get(..id_bytes)?);
    let size = number(bytes.get(id_bytes..length)?);
    let most = (1u64 << (7 * size_bytes)) - 1;
    let size = size & most;
    Some((
        u32::try_from(id).ok()?,
        (size != most).then_some(size),
        length,
    ))
}

/// Repairs the texts in the content of a master element.
fn repair_texts(content: &mut [u8]) {
    let mut rest = content;
    while let Some((id, Some(size), length)) = header(rest) {
        let Some(after) = usize::try_from(size)
            .ok()
            .and_then(|size| length.checked_add(size))
        else {
            return;
        };
        let Some((element, next)) = rest.split_at_mut_checked(after) else {
            return;
        };
        let inner = &mut element[length..];
        match id {
            TAG | SIMPLE_TAG => repair_texts(inner),
            TAG_STRING => repair_text(inner),
            _ => {}
        }
        rest = next;
    }
}

/// Repairs a text that GStreamer has serialised.
fn repair_text(text: &mut [u8]) {
    let meant = std::str::from_utf8(text)
        .ok()
        .map(|text| text.trim_end_matches('\0'))
        .filter(|text| text.len() > 1 && text.starts_with('"') && text.ends_with('"'))
        .and_then(|text| glib::Value::deserialize(text, glib::Type::STRING).ok())
        .and_then(|value| value.get::<String>().ok());
    if let Some(meant) = meant.filter(|meant| meant.len() <= text.len()) {
        let (begin, padding) = text.split_at_mut(meant.len());
        begin.copy_from_slice(meant.as_bytes());
        padding.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        [id, &[0x80 | content.len() as u8], content].concat()
    }

    #[test]
    fn texts_are_unquoted_in_place() {
        gst::init().unwrap();
        let tag = |text: &str| {
            let simple = element(&[0x67, 0xC8], &element(&[0x44, 0x87], text.as_bytes()));
            element(&[0x73, 0x73], &simple)
        };
        let quoted = "M\u{fc} \"f\" \\".to_value().serialize().unwrap();
        assert!(quoted.starts_with('"'), "{quoted}");
        // The muxer ends texts with a zero.
        let written = format!("{quoted}\0");
        let mut tags = [tag("plain\0"), tag(&written), tag("\"half")].concat();
        repair_texts(&mut tags);
        let padding = "\0".repeat(written.len() - "M\u{fc} \"f\" \\".len());
        let meant = format!("M\u{fc} \"f\" \\{padding}");
        assert_eq!(tags, [tag("plain\0"), tag(&meant), tag("\"half")].concat());
    }

    #[test]
    fn truncated_elements_are_left_alone() {
        gst::init().unwrap();
        let whole = element(&[0x73, 0x73], &element(&[0x67, 0xC8], b"\x44\x87\x83\"a\""));
        for length in 0..whole.len() {
            let mut cut = whole[..length].to_vec();
            repair_texts(&mut cut);
            assert_eq!(cut, whole[..length]);
        }
    }
}
