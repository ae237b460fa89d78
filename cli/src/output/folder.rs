//! A folder of files that get their final names together.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::{TempDir, TempPath};

use super::{Existing, OutputError, RemoveOnInterrupt, paths::folder_of};

/// An incomplete folder of files. Dropped before [`OutputFolder::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct OutputFolder {
    named: PathBuf,
    /// The final folder: where the part lies, or the part's name to be.
    target: PathBuf,
    part: TempDir,
    existing: Existing,
    _remove_on_interrupt: RemoveOnInterrupt,
}

impl OutputFolder {
    /// Creates a folder for files that will be in the folder `path`. That may exist if it is empty,
    /// or if files in it may be replaced. The caller writes into [`part`](Self::part).
    ///
    /// # Errors
    /// `path` is a file, holds files, is the folder of one of the `inputs`, or cannot be written.
    pub fn create(
        path: &Path,
        inputs: &[PathBuf],
        existing: Existing,
    ) -> Result<Self, OutputError> {
        let write = |source| OutputError::Write {
            output: path.to_owned(),
            source,
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".propainter-").suffix(".part");
        // The usual permissions of a new folder; the umask reduces them.
        builder.permissions(Permissions::from_mode(0o777));
        // Without a slash at its end, which a file has no place for.
        let plain: PathBuf = path.components().collect();
        let (target, beside) = match fs::canonicalize(&plain) {
            Ok(target) if !target.is_dir() => {
                return Err(OutputError::NotAFolder(path.to_owned()));
            }
            Ok(target) => {
                let is_here = |input: &&PathBuf| {
                    fs::canonicalize(folder_of(input)).is_ok_and(|folder| folder == target)
                };
                if let Some(input) = inputs.iter().find(is_here) {
                    return Err(OutputError::Input {
                        output: path.to_owned(),
                        input: folder_of(input).to_owned(),
                    });
                }
                let mut names = fs::read_dir(&target).map_err(write)?;
                if existing == Existing::Refuse && names.next().is_some() {
                    return Err(OutputError::NotEmpty(path.to_owned()));
                }
                (target.clone(), target)
            }
            Err(_) => {
                let folder = folder_of(path);
                if !folder.is_dir() {
                    return Err(OutputError::NoFolder {
                        output: path.to_owned(),
                        folder: folder.to_owned(),
                    });
                }
                let name = path.file_name().unwrap_or(OsStr::new("."));
                (folder.join(name), folder.to_owned())
            }
        };
        let part = builder.tempdir_in(beside).map_err(write)?;
        Ok(Self {
            named: path.to_owned(),
            target,
            _remove_on_interrupt: RemoveOnInterrupt::new(part.path()),
            part,
            existing,
        })
    }

    /// Returns the path of the incomplete folder.
    pub fn part(&self) -> &Path {
        self.part.path()
    }

    /// Gives all files their final names. They are on the disk already.
    ///
    /// # Errors
    /// The file system refuses, or another program has created a file there meanwhile.
    pub fn commit(self) -> Result<(), OutputError> {
        let moved = match self.target.is_dir() {
            // Onto a folder that is made meanwhile only if that is empty.
            false => fs::rename(self.part.path(), &self.target),
            true => self.move_files(),
        };
        let moved = moved.and_then(|()| File::open(&self.target)?.sync_all());
        moved.map_err(|source| OutputError::Write {
            output: self.named.clone(),
            source,
        })
    }

    fn move_files(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.part.path())? {
            let entry = entry?;
            let (from, to) = (entry.path(), self.target.join(entry.file_name()));
            match self.existing {
                Existing::Replace => fs::rename(from, to)?,
                Existing::Refuse => {
                    let moved = TempPath::try_from_path(from)?.persist_noclobber(to);
                    moved.map_err(|error| error.error)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_appear_together_and_replace_only_those_of_their_names() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out");
        let make = |existing, text: &str| -> Result<(), OutputError> {
            let folder = OutputFolder::create(&out, &[], existing)?;
            fs::write(folder.part().join("1.png"), text).unwrap();
            assert!(!out.join("1.png").exists() || existing == Existing::Replace);
            folder.commit()
        };
        make(Existing::Refuse, "a").unwrap();
        fs::write(out.join("2.png"), "b").unwrap();
        let refused = make(Existing::Refuse, "c").unwrap_err();
        assert!(matches!(refused, OutputError::NotEmpty(_)), "{refused}");
        make(Existing::Replace, "c").unwrap();
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        assert_eq!((read("1.png"), read("2.png")), ("c".into(), "b".into()));
        assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
        drop(OutputFolder::create(&root.path().join("new"), &[], Existing::Refuse).unwrap());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        let inputs = [out.join("1.png")];
        let read = OutputFolder::create(&out, &inputs, Existing::Replace).unwrap_err();
        assert!(matches!(read, OutputError::Input { .. }), "{read}");
    }
}
