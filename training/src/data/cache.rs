//! Frames of videos at the training size, on disk.
//!
//! An entry belongs to a file by its path, size and time of change, and to a training size. It has an
//! index (`KEY.json`: times of the frames, first frames of the scenes) and, as long as there is room,
//! the frames (`KEY.rgb`: RGB, one after another). Both appear complete or not at all.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use propainter::{Frame, Mask, internals::scene_cuts::Detector};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{DataError, Size, video::decode};

/// Version of the entries; a different one is made anew.
const VERSION: u32 = 1;
/// Difference above which two frames belong to two scenes; the element's default.
const SCENE_THRESHOLD: f64 = 0.45;
/// Shortest scene in frames that a cut may end.
const SHORTEST_SCENE: usize = 3;
/// Largest distance in frames at which decoding goes on rather than seeking.
const NEAR: usize = 64;

/// A folder of decoded videos with a limit.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    /// Bytes of frames that may be kept.
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes of frames that are kept or being written.
    used: u64,
    /// Keys of the entries that this process uses; others make room for them.
    wanted: HashSet<String>,
}

/// The frames of a video.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    version: u32,
    file: PathBuf,
    /// Time of each frame in nanoseconds.
    times: Vec<u64>,
    /// Numbers of the frames that begin a scene; the first is 0.
    scenes: Vec<usize>,
}

/// A video whose frames are in the cache, or are decoded where it is full.
#[derive(Debug)]
pub struct CachedVideo {
    cache: Arc<Cache>,
    file: PathBuf,
    size: Size,
    key: String,
    index: Index,
}

impl Cache {
    /// Opens a folder, which is created where it does not exist, for `limit` bytes of frames.
    ///
    /// # Errors
    /// The folder cannot be created or read.
    pub fn open(folder: &Path, limit: u64) -> Result<Self, DataError> {
        fs::create_dir_all(folder).map_err(DataError::write(folder))?;
        let used = stored(folder)
            .map_err(DataError::read(folder))?
            .iter()
            .map(|(_, len, _)| len)
            .sum();
        let wanted = HashSet::new();
        Ok(Self {
            folder: folder.to_owned(),
            limit,
            state: Mutex::new(State { used, wanted }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_file(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    fn frames_file(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.rgb"))
    }

    /// Returns the index of an entry, if it is there and whole.
    fn index(&self, key: &str) -> Option<Index> {
        let text = fs::read(self.index_file(key)).ok()?;
        let index: Index = serde_json::from_slice(&text).ok()?;
        (index.version == VERSION && index.scenes.first() == Some(&0)).then_some(index)
    }

    /// Returns whether there is room for so many more bytes, which then count as used. Frames that
    /// nobody here uses make room, the oldest first.
    fn reserve(&self, bytes: u64) -> bool {
        let mut state = self.state();
        if state.used + bytes > self.limit {
            let mut old = stored(&self.folder).unwrap_or_default();
            old.sort_by_key(|(_, _, changed)| *changed);
            for (file, len, _) in old {
                let key = super::images::stem(&file);
                if state.used + bytes <= self.limit {
                    break;
                }
                if !state.wanted.contains(&key) && fs::remove_file(&file).is_ok() {
                    state.used = state.used.saturating_sub(len);
                }
            }
        }
        let fits = state.used + bytes <= self.limit;
        state.used += if fits { bytes } else { 0 };
        fits
    }

    fn release(&self, bytes: u64) {
        let mut state = self.state();
        state.used = state.used.saturating_sub(bytes);
    }

    /// Decodes a video into the cache and returns its index.
    fn add(&self, file: &Path, size: Size, key: &str) -> Result<Index, DataError> {
        let mut detector = Detector::new(SCENE_THRESHOLD, SHORTEST_SCENE);
        let no_hole = Mask::empty(size.width, size.height);
        let mut index = Index {
            version: VERSION,
            file: file.to_owned(),
            times: Vec::new(),
            scenes: Vec::new(),
        };
        let mut writer = FramesWriter::new(self);
        decode(file, size, None, |time, frame| {
            if detector.begins(&frame, &no_hole) || index.times.is_empty() {
                index.scenes.push(index.times.len());
            }
            index.times.push(time);
            writer.push(&frame);
            ControlFlow::Continue(())
        })?;
        if index.times.is_empty() {
            return Err(DataError::file(file, "the video has no frames"));
        }
        writer.finish(&self.frames_file(key));
        let path = self.index_file(key);
        let text = serde_json::to_vec(&index).map_err(io::Error::other);
        let written = text.and_then(|text| {
            let mut part = NamedTempFile::new_in(&self.folder)?;
            part.write_all(&text)?;
            part.persist(&path).map_err(|error| error.error)
        });
        match written {
            // Without room for the index the video is decoded again by the next process.
            Err(error) if error.kind() != io::ErrorKind::StorageFull => {
                Err(DataError::write(path)(error))
            }
            _ => Ok(index),
        }
    }
}

/// Returns the files of frames in a folder with their lengths and times of change.
fn stored(folder: &Path) -> io::Result<Vec<(PathBuf, u64, i64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rgb")
            && let Ok(about) = path.metadata()
        {
            found.push((path, about.len(), about.mtime()));
        }
    }
    Ok(found)
}

/// Writes frames until there is no room; then the entry has none.
struct FramesWriter<'a> {
    cache: &'a Cache,
    part: Option<BufWriter<NamedTempFile>>,
    bytes: u64,
}

impl<'a> FramesWriter<'a> {
    fn new(cache: &'a Cache) -> Self {
        let part = NamedTempFile::new_in(&cache.folder)
            .ok()
            .map(BufWriter::new);
        Self {
            cache,
            part,
            bytes: 0,
        }
    }

    fn push(&mut self, frame: &Frame) {
        let bytes = frame.rgb().len() as u64;
        let Some(part) = &mut self.part else { return };
        let room = self.cache.reserve(bytes);
        self.bytes += if room { bytes } else { 0 };
        if !room || part.write_all(frame.rgb()).is_err() {
            self.give_up();
        }
    }

    fn finish(mut self, path: &Path) {
        let part = self.part.take().map(BufWriter::into_inner);
        let persisted = part.is_some_and(|part| part.is_ok_and(|part| part.persist(path).is_ok()));
        match persisted {
            true => self.bytes = 0,
            false => self.give_up(),
        }
    }

    fn give_up(&mut self) {
        self.part = None;
        self.cache.release(std::mem::take(&mut self.bytes));
    }
}

impl Drop for FramesWriter<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl CachedVideo {
    /// Opens a video; it is decoded once if the cache has no entry for it.
    ///
    /// # Errors
    /// The video cannot be read or decoded, or the cache cannot be written.
    pub fn open(cache: &Arc<Cache>, file: &Path, size: Size) -> Result<Self, DataError> {
        let key = key(file, size)?;
        cache.state().wanted.insert(key.clone());
        let index = match cache.index(&key) {
            Some(index) => index,
            None => cache.add(file, size, &key)?,
        };
        Ok(Self {
            cache: cache.clone(),
            file: file.to_owned(),
            size,
            key,
            index,
        })
    }

    /// Returns the number of frames.
    pub fn len(&self) -> usize {
        self.index.times.len()
    }

    /// Returns whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.index.times.is_empty()
    }

    /// Returns the frames that begin a scene, the first frame among them.
    pub fn scenes(&self) -> &[usize] {
        &self.index.scenes
    }

    /// Returns whether the frames are in the cache.
    pub fn is_cached(&self) -> bool {
        self.cache.frames_file(&self.key).exists()
    }

    /// Returns the frames with the given numbers.
    ///
    /// # Errors
    /// The video cannot be decoded, or has fewer frames than before.
    pub fn frames(&self, numbers: &[usize]) -> Result<Vec<Frame>, DataError> {
        if let Ok(frames) = self.read(numbers) {
            return Ok(frames);
        }
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut found: Vec<(usize, Frame)> = Vec::new();
        for group in sorted.chunk_by(|a, b| b - a <= NEAR) {
            found.extend(self.decode(group)?);
        }
        let frame = |number: &usize| {
            let place = found
                .binary_search_by_key(number, |(number, _)| *number)
                .ok()?;
            Some(found[place].1.clone())
        };
        let frames: Option<Vec<_>> = numbers.iter().map(frame).collect();
        let lost = || {
            DataError::file(
                &self.file,
                "the video has fewer frames than when it was read first",
            )
        };
        frames.ok_or_else(lost)
    }

    /// Reads frames from the cache.
    fn read(&self, numbers: &[usize]) -> io::Result<Vec<Frame>> {
        let file = File::open(self.cache.frames_file(&self.key))?;
        let bytes = 3 * self.size.pixels();
        if file.metadata()?.len() != (bytes * self.len()) as u64 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let frame = |&number: &usize| {
            let mut rgb = vec![0; bytes];
            file.read_exact_at(&mut rgb, (number * bytes) as u64)?;
            Ok(Frame::new(self.size.width, self.size.height, rgb))
        };
        numbers.iter().map(frame).collect()
    }

    /// Decodes the frames of ascending numbers, from a key frame before them if that works.
    fn decode(&self, numbers: &[usize]) -> Result<Vec<(usize, Frame)>, DataError> {
        let times = &self.index.times;
        if times.is_sorted_by(|a, b| a < b) && numbers[0] > NEAR {
            let mut found = Vec::new();
            let last = numbers[numbers.len() - 1];
            let sought = decode(
                &self.file,
                self.size,
                Some(times[numbers[0]]),
                |time, frame| {
                    if let Ok(number) = times.binary_search(&time)
                        && numbers.binary_search(&number).is_ok()
                    {
                        found.push((number, frame));
                    }
                    match time >= times[last] {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                },
            );
            if sought.is_ok() && found.iter().map(|(number, _)| number).eq(numbers) {
                return Ok(found);
            }
        }
        let (mut found, mut number) = (Vec::new(), 0);
        decode(&self.file, self.size, None, |_, frame| {
            if numbers.binary_search(&number).is_ok() {
                found.push((number, frame));
            }
            number += 1;
            match found.len() == numbers.len() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        Ok(found)
    }
}

/// Returns the name of a file's entry.
///
/// # Errors
/// The file cannot be found.
fn key(file: &Path, size: Size) -> Result<String, DataError> {
    let path = fs::canonicalize(file).map_err(DataError::read(file))?;
    let about = fs::metadata(&path).map_err(DataError::read(file))?;
    let mut digest = Sha256::new();
    digest.update(path.as_os_str().as_encoded_bytes());
    let changed = (about.mtime(), about.mtime_nsec());
    digest.update(format!("\0{VERSION} {} {changed:?} {size}", about.len()));
    let bytes = digest.finalize();
    Ok(bytes
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
