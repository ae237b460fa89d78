//! A position in bytes that were read.

use super::{Parsed, problem};

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Returns the position of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Takes the next `count` bytes.
    pub fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let end = self.at.checked_add(count);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None => problem(format!(
                "it is cut off: {count} bytes are missing at {}",
                self.at
            )),
        }
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub fn u8(&mut self) -> Parsed<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Parsed<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Parsed<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn i32(&mut self) -> Parsed<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Parsed<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Reads a size, which must fit this machine's `usize`.
    pub fn size(&mut self) -> Parsed<usize> {
        let size = self.u64()?;
        match usize::try_from(size) {
            Ok(size) => Ok(size),
            Err(_) => problem(format!("it claims a size of {size} bytes")),
        }
    }

    /// Takes the bytes up to the end of the line, and skips the line break.
    pub fn line(&mut self) -> Parsed<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        match rest.iter().position(|&byte| byte == b'\n') {
            Some(length) => {
                self.at += length + 1;
                Ok(&rest[..length])
            }
            None => problem("it is cut off within a line"),
        }
    }
}
