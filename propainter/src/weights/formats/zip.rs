//! Reads PyTorch's zip archives: `NAME/data.pkl` and one stored member `NAME/data/KEY` for each
//! storage.
//!
//! This is a reader of its own, because it only has to find stored members within bytes in memory:
//! member counts and sizes are checked against the file before any allocation. Files are under 4
//! GiB, so Zip64 is not needed.

use std::{collections::HashMap, ops::Range};

use super::{
    Parsed,
    cursor::Cursor,
    elements::Entry,
    object::{self, Object},
    pickle::Pickle,
    problem,
    state_dict::StateDict,
    value::StorageRef,
};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Bytes of the end record without its comment.
const END_BYTES: usize = 22;
/// Largest number of members; the largest network has 216 tensors, and PyTorch adds a few members.
const MAX_MEMBERS: u16 = 4096;

pub(super) fn entries(file: &[u8]) -> Parsed<Vec<Entry>> {
    let archive = Archive::open(file)?;
    let pickle = archive.pickle()?;
    StateDict::new(&pickle)?.entries(|storage| archive.locate(storage))
}

/// Returns whatever the archive holds.
pub(super) fn object(file: &[u8]) -> Parsed<Object> {
    let archive = Archive::open(file)?;
    object::build(&archive.pickle()?, file, |storage| archive.locate(storage))
}

/// An archive of PyTorch's.
struct Archive<'a> {
    file: &'a [u8],
    members: HashMap<&'a str, Range<usize>>,
    /// What the names of all members begin with.
    prefix: &'a str,
}

impl<'a> Archive<'a> {
    fn open(file: &'a [u8]) -> Parsed<Self> {
        let members = members(file)?;
        let prefix = members.keys().find_map(|name| {
            let prefix = name.strip_suffix("data.pkl")?;
            (prefix.is_empty() || prefix.ends_with('/')).then_some(prefix)
        });
        let Some(prefix) = prefix else {
            return problem("it is a zip archive without PyTorch's data.pkl");
        };
        let archive = Self {
            file,
            members,
            prefix,
        };
        if let Some(order) = archive.member("byteorder")
            && &file[order] != b"little"
        {
            return problem("it was saved on a big-endian machine");
        }
        Ok(archive)
    }

    fn member(&self, name: &str) -> Option<Range<usize>> {
        self.members
            .get(format!("{}{name}", self.prefix).as_str())
            .cloned()
    }

    fn pickle(&self) -> Parsed<Pickle<'a>> {
        let range = self.member("data.pkl");
        let (pickle, _) = Pickle::load(&self.file[range.unwrap_or_default()])?;
        Ok(pickle)
    }

    /// Returns the bytes of a storage.
    fn locate(&self, StorageRef { key, .. }: StorageRef<'_>) -> Parsed<Range<usize>> {
        match self.member(&format!("data/{key}")) {
            Some(range) => Ok(range),
            None => problem(format!("its storage {key} is missing")),
        }
    }
}

/// Every member's bytes by name, their checksums verified.
fn members(file: &[u8]) -> Parsed<HashMap<&str, Range<usize>>> {
    let (count, start) = directory(file)?;
    let mut at = Cursor::new(file, start);
    let mut members = HashMap::new();
    for _ in 0..count {
        let (name, range) = member(file, &mut at)?;
        if members.insert(name, range).is_some() {
            return problem(format!("its member {name} is there twice"));
        }
    }
    Ok(members)
}

/// Number of members and start of the central directory, from the end record.
fn directory(file: &[u8]) -> Parsed<(u16, usize)> {
    // The comment that may follow has at most u16::MAX bytes.
    let earliest = file.len().saturating_sub(END_BYTES + usize::from(u16::MAX));
    let latest = file.len().saturating_sub(END_BYTES);
    for at in (earliest..=latest).rev() {
        let mut end = Cursor::new(file, at);
        if end.u32()? != END {
            continue;
        }
        let (disk, directory_disk) = (end.u16()?, end.u16()?);
        let (here, count) = (end.u16()?, end.u16()?);
        let (_bytes, start) = (end.u32()?, end.u32()?);
        let comment = usize::from(end.u16()?);
        if end.at() + comment != file.len() {
            continue;
        }
        if disk != 0 || directory_disk != 0 || here != count || count > MAX_MEMBERS {
            return problem(format!("its zip directory claims {count} members"));
        }
        return Ok((count, start as usize));
    }
    problem("it is cut off: the zip directory at its end is missing")
}

/// Reads the next entry of the central directory.
fn member<'a>(file: &'a [u8], at: &mut Cursor<'a>) -> Parsed<(&'a str, Range<usize>)> {
    if at.u32()? != CENTRAL {
        return problem("its zip directory is damaged");
    }
    let (_made_by, _needed) = (at.u16()?, at.u16()?);
    let (flags, method) = (at.u16()?, at.u16()?);
    let _time = at.u32()?;
    let (checksum, packed, size) = (at.u32()?, at.u32()?, at.u32()?);
    let (name, extra, comment) = (at.u16()?, at.u16()?, at.u16()?);
    let (_disk, _internal, _external) = (at.u16()?, at.u16()?, at.u32()?);
    let local = at.u32()?;
    let name = at.take(name.into())?;
    at.take(usize::from(extra) + usize::from(comment))?;
    let Ok(name) = std::str::from_utf8(name) else {
        return problem("a member's name is not UTF-8");
    };
    if flags & 1 != 0 || method != 0 || packed != size {
        return problem(format!(
            "its member {name} is compressed or encrypted, which PyTorch never does"
        ));
    }
    let range = local_data(file, name, local as usize, size as usize)?;
    if crc32fast::hash(&file[range.clone()]) != checksum {
        return problem(format!("its member {name} does not match its checksum"));
    }
    Ok((name, range))
}

/// Returns the range of the `size` bytes of a member whose local header is at `local`.
fn local_data(file: &[u8], name: &str, local: usize, size: usize) -> Parsed<Range<usize>> {
    let mut at = Cursor::new(file, local);
    if at.u32()? != LOCAL {
        return problem(format!("its member {name} is not where the directory says"));
    }
    at.take(22)?;
    let (name_bytes, extra) = (at.u16()?, at.u16()?);
    at.take(usize::from(name_bytes) + usize::from(extra))?;
    let start = at.at();
    at.take(size)?;
    Ok(start..start + size)
}
