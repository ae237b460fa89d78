//! What tells whether a file is still the one that a job was planned for.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Files up to this size are hashed whole.
const WHOLE: u64 = 32 << 20;
/// Of larger ones so many blocks, evenly spaced from the first byte to the last.
const BLOCKS: u64 = 64;
const BLOCK: u64 = 64 << 10;

/// A file by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Identity {
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change, in nanoseconds since 1970.
    pub modified: u64,
    /// SHA-256 of the content; of a large file, of some of its blocks.
    pub hash: String,
}

impl Identity {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let (size, modified) = dates(&path)?;
        Ok(Self {
            hash: hash(&path, size)?,
            path,
            size,
            modified,
        })
    }

    /// Returns whether the file is unchanged. One of another date, such as a copy, counts as
    /// unchanged if its content does.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_unchanged(&self) -> io::Result<bool> {
        let (size, modified) = dates(&self.path)?;
        Ok(
            size == self.size
                && (modified == self.modified || hash(&self.path, size)? == self.hash),
        )
    }
}

fn dates(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::metadata(path)?;
    let modified = found.modified()?.duration_since(UNIX_EPOCH);
    let modified = modified.map_or(0, |since| since.as_nanos());
    Ok((found.len(), u64::try_from(modified).unwrap_or(u64::MAX)))
}

fn hash(path: &Path, size: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hash, mut block) = (Sha256::new(), Vec::new());
    if size <= WHOLE {
        loop {
            block.clear();
            if file.by_ref().take(BLOCK).read_to_end(&mut block)? == 0 {
                return Ok(format!("sha256:{}", hex(&hash.finalize())));
            }
            hash.update(&block);
        }
    }
    for i in 0..BLOCKS {
        file.seek(SeekFrom::Start((size - BLOCK) / (BLOCKS - 1) * i))?;
        block.clear();
        file.by_ref().take(BLOCK).read_to_end(&mut block)?;
        hash.update(&block);
    }
    Ok(format!("sha256-of-blocks:{}", hex(&hash.finalize())))
}

/// Returns bytes as text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_copy_is_the_same_file_and_changed_content_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        for size in [3, (WHOLE + 5) as usize] {
            let mut content = vec![7; size];
            fs::write(&file, &content).unwrap();
            let identity = Identity::of(&file).unwrap();
            assert!(identity.is_unchanged().unwrap());
            let touched = Identity {
                modified: 5,
                ..identity.clone()
            };
            assert!(touched.is_unchanged().unwrap());
            content[2] = 8;
            fs::write(&file, &content).unwrap();
            assert!(!touched.is_unchanged().unwrap());
            fs::write(&file, &content[1..]).unwrap();
            assert!(!identity.is_unchanged().unwrap());
        }
    }
}
