//! Which mask belongs to which clip, and where each result goes: by the names of the files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    recode::Container,
    run::images::{IMAGE, VIDEO, has_extension},
};

/// An error that leaves nothing to do in a folder, or in one clip of it.
#[derive(Debug, Error)]
pub enum PairError {
    #[error("{} cannot be read: {source}", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error(
        "{} holds neither videos nor images: clips are the files in it that end in {}; a folder of \
         images is one clip", .0.display(),
        VIDEO.map(|ending| format!(".{ending}")).join(" ")
    )]
    Empty(PathBuf),
    #[error(
        "{} lies in {}, which is read: name an output folder outside of it", output.display(),
        read.display()
    )]
    OutputInside { output: PathBuf, read: PathBuf },
    #[error(
        "{} holds no mask for it: name one {stem}.png, {stem}.mkv or {stem}_mask.png, or a folder \
         of images {stem}", masks.display()
    )]
    NoMask { masks: PathBuf, stem: String },
    #[error("{} holds several masks for it, {}: keep one", masks.display(), found.join(" and "))]
    SeveralMasks { masks: PathBuf, found: Vec<String> },
    #[error(
        "the mask {mask} would serve {other}, too: name their masks {clip}.png and {other}.png"
    )]
    SharedMask {
        mask: String,
        clip: String,
        other: String,
    },
    #[error("{other} has the same output, {output}: rename one of the two")]
    SharedOutput { other: String, output: String },
}

/// A clip of a folder with its mask and its output.
#[derive(Debug)]
pub struct Pair {
    /// The name of the clip's file.
    pub name: String,
    pub input: PathBuf,
    /// The mask of this clip; `None` where no mask is paired or found.
    pub mask: Option<PathBuf>,
    pub output: PathBuf,
    /// Why there is nothing to do for the clip.
    pub problem: Option<PairError>,
}

/// The clips of a folder, ordered by name.
#[derive(Debug)]
pub struct Pairs {
    pub clips: Vec<Pair>,
    /// One sentence for each file that nobody uses.
    pub remarks: Vec<String>,
}

/// A name in a folder.
struct Entry {
    name: String,
    is_folder: bool,
}

impl Entry {
    fn stem(&self) -> &str {
        match self.is_folder {
            true => &self.name,
            false => stem(&self.name),
        }
    }

    fn is_video(&self) -> bool {
        !self.is_folder && has_extension(&self.name, &VIDEO)
    }

    fn is_mask(&self) -> bool {
        self.is_folder || self.is_video() || has_extension(&self.name, &IMAGE)
    }

    /// Returns whether this is a mask in the folder of the `videos` themselves, where a video is a
    /// mask only as `clip_mask.mkv` beside `clip.mp4`.
    fn is_mask_beside(&self, videos: &[String]) -> bool {
        match self.is_video() {
            false => self.is_mask(),
            true => videos.iter().any(|video| {
                let base = self.stem().strip_suffix("_mask");
                base == Some(stem(video)) || base == Some(video)
            }),
        }
    }

    /// Returns whether this is a mask for the clip by its name: with the clip's whole name or its
    /// stem, with or without `_mask`.
    fn is_mask_for(&self, clip: &str, whole: bool) -> bool {
        let wanted = if whole { clip } else { stem(clip) };
        let mine = self.stem();
        mine == wanted || mine.strip_suffix("_mask") == Some(wanted)
    }
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Pairs the clips of `input` with the masks in `masks`, and with outputs in `output`, which need
/// not exist. Without a folder of masks no clip has a mask of its own. Outputs end in `ending` if the
/// encoder needs it.
///
/// # Errors
/// A folder cannot be read, holds no video, or would be written to while it is read.
pub fn pair(
    input: &Path,
    masks: Option<&Path>,
    output: &Path,
    ending: Option<&str>,
) -> Result<Pairs, PairError> {
    for read in masks.into_iter().chain([input]) {
        check_output(read, output)?;
    }
    let mut remarks = Vec::new();
    let entries = self::entries(input, &mut remarks)?;
    let videos: Vec<String> = entries
        .iter()
        .filter(|e| e.is_video())
        .map(|e| e.name.clone())
        .collect();
    let (masks_found, entries): (Vec<_>, Vec<_>) = match masks {
        Some(masks) if real(masks) == real(input) => entries
            .into_iter()
            .partition(|entry| entry.is_mask_beside(&videos)),
        Some(masks) => (self::entries(masks, &mut remarks)?, entries),
        None => (Vec::new(), entries),
    };
    let (videos, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(Entry::is_video);
    remarks.extend(others.iter().map(|entry| {
        let kind = if entry.is_folder {
            "a folder"
        } else {
            "no video by its extension"
        };
        format!(
            "{} is left out: it is {kind}",
            input.join(&entry.name).display()
        )
    }));
    if videos.is_empty() {
        return Err(PairError::Empty(input.to_owned()));
    }
    let clips = videos.into_iter().map(|video| Pair {
        input: input.join(&video.name),
        output: output.join(output_name(&video.name, ending)),
        name: video.name,
        mask: None,
        problem: None,
    });
    let mut clips: Vec<Pair> = clips.collect();
    if let Some(folder) = masks {
        assign(&mut clips, folder, &masks_found, &mut remarks);
    }
    check_outputs(&mut clips);
    Ok(Pairs { clips, remarks })
}

/// Returns the visible names in a folder, in order. A name that is not UTF-8 is a remark.
fn entries(folder: &Path, remarks: &mut Vec<String>) -> Result<Vec<Entry>, PairError> {
    let fail = |source| PairError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.starts_with('.') => {}
            Some(name) => found.push(Entry {
                name: name.to_owned(),
                is_folder: path.is_dir(),
            }),
            None => remarks.push(format!(
                "{} is left out: its name is not UTF-8",
                path.display()
            )),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Refuses an output folder that is, or lies in, a folder that is read.
fn check_output(read: &Path, output: &Path) -> Result<(), PairError> {
    let folder = fs::canonicalize(read).map_err(|source| PairError::Folder {
        folder: read.to_owned(),
        source,
    })?;
    match real(output).starts_with(&folder) {
        true => Err(PairError::OutputInside {
            output: output.to_owned(),
            read: read.to_owned(),
        }),
        false => Ok(()),
    }
}

/// Returns the absolute path without links, of which the end need not exist.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute
        .ancestors()
        .find_map(|existing| {
            let rest = absolute.strip_prefix(existing).ok()?;
            Some(fs::canonicalize(existing).ok()?.join(rest))
        })
        .unwrap_or(absolute)
}

/// Returns the name of a clip's output: its own where it can be written so; else its own with
/// another ending after it, so that no two clips get one name.
fn output_name(name: &str, ending: Option<&str>) -> String {
    let keeps = match ending {
        Some(ending) => has_extension(name, &[ending]),
        None => Container::of(Path::new(name)).is_ok(),
    };
    match keeps {
        true => name.to_owned(),
        false => format!("{name}.{}", ending.unwrap_or("mkv")),
    }
}

/// Gives each clip its mask. A mask with a clip's whole name (`clip.mp4.png`) wins over one with
/// its stem (`clip.png`), which may belong to one clip only.
fn assign(clips: &mut [Pair], folder: &Path, entries: &[Entry], remarks: &mut Vec<String>) {
    let mut users: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, clip) in clips.iter_mut().enumerate() {
        let named = |whole| -> Vec<&Entry> {
            let masks = entries.iter().filter(|entry| entry.is_mask());
            masks
                .filter(|entry| entry.is_mask_for(&clip.name, whole))
                .collect()
        };
        let mut found = named(true);
        if found.is_empty() {
            found = named(false);
        }
        for mask in &found {
            users.entry(&mask.name).or_default().push(index);
        }
        match found[..] {
            [mask] => clip.mask = Some(folder.join(&mask.name)),
            [] => {
                clip.problem = Some(PairError::NoMask {
                    masks: folder.to_owned(),
                    stem: stem(&clip.name).to_owned(),
                })
            }
            _ => {
                clip.problem = Some(PairError::SeveralMasks {
                    masks: folder.to_owned(),
                    found: found.iter().map(|mask| mask.name.clone()).collect(),
                })
            }
        }
    }
    for (mask, indices) in &users {
        let names: Vec<String> = indices
            .iter()
            .map(|&index| clips[index].name.clone())
            .collect();
        for (place, &index) in indices.iter().enumerate().filter(|_| names.len() > 1) {
            let other = names[usize::from(place == 0)].clone();
            let clip = &mut clips[index];
            clip.mask = None;
            clip.problem.get_or_insert_with(|| PairError::SharedMask {
                mask: (*mask).to_owned(),
                clip: clip.name.clone(),
                other,
            });
        }
    }
    let unused = entries
        .iter()
        .filter(|entry| !users.contains_key(entry.name.as_str()));
    remarks.extend(unused.map(|entry| {
        let mask = folder.join(&entry.name);
        format!(
            "{} is the mask of no clip: rename it after its clip, or remove it",
            mask.display()
        )
    }));
}

/// Refuses the clips whose outputs would have one name.
fn check_outputs(clips: &mut [Pair]) {
    let mut users: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
    for (index, clip) in clips.iter().enumerate() {
        // As on file systems that do not know the two cases apart.
        let output = clip.output.to_string_lossy().to_lowercase();
        users.entry(output.into()).or_default().push(index);
    }
    for indices in users.values().filter(|indices| indices.len() > 1) {
        let names: Vec<String> = indices
            .iter()
            .map(|&index| clips[index].name.clone())
            .collect();
        for (place, &index) in indices.iter().enumerate() {
            let output = clips[index].output.display().to_string();
            let other = names[usize::from(place == 0)].clone();
            clips[index]
                .problem
                .get_or_insert(PairError::SharedOutput { other, output });
        }
    }
}

#[cfg(test)]
mod tests;
