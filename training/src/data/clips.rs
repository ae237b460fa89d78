//! The clips of a data set.

use std::{
    collections::BTreeSet,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use propainter::Frame;
use rand::seq::SliceRandom;

use super::{
    Cache, DataError, Size,
    cache::CachedVideo,
    draws::{Subject, random_of},
    images::{entries, has_extension, images_in, read_image, stem},
    list::{self, Named},
    video::VIDEO,
};

/// Frames that belong together: a folder of images, or one scene of a video.
#[derive(Clone, Debug)]
pub struct Clip {
    /// The name of the video or folder, for messages and for the folder of its flows.
    pub name: String,
    source: Arc<Source>,
    /// The numbers of the frames in the source.
    range: Range<usize>,
}

#[derive(Debug)]
enum Source {
    Images(Vec<PathBuf>),
    Video(CachedVideo),
}

impl Clip {
    /// Returns the number of frames.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Returns whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Returns the frames with the given numbers, which count from the clip's first, at a size. For
    /// a video it is the size that the clips were found for.
    ///
    /// # Errors
    /// A frame cannot be read.
    pub fn frames(&self, numbers: &[usize], size: Size) -> Result<Vec<Frame>, DataError> {
        let numbers = numbers.iter().map(|number| self.range.start + number);
        match &*self.source {
            Source::Images(files) => numbers.map(|n| read_image(&files[n], size)).collect(),
            Source::Video(video) => video.frames(&numbers.collect::<Vec<_>>()),
        }
    }

    /// Returns the name of a frame in files that belong to it: of an image its own, of a video the
    /// number with five digits.
    pub fn frame_name(&self, number: usize) -> String {
        let number = self.range.start + number;
        match &*self.source {
            Source::Images(files) => stem(&files[number]),
            Source::Video(_) => format!("{number:05}"),
        }
    }
}

/// What clips are looked for.
#[derive(Debug)]
pub struct Scan<'a> {
    /// The size that frames are trained at.
    pub size: Size,
    /// The number of frames that a clip must exceed.
    pub frames: usize,
    /// Where decoded videos are kept.
    pub cache: Arc<Cache>,
    /// Number of videos that are decoded at once.
    pub threads: usize,
    /// When set, no further video is read.
    pub stop: &'a AtomicBool,
}

/// The clips of a data set.
#[derive(Clone, Debug)]
pub struct Clips {
    /// The clips, in the order of their names.
    pub clips: Vec<Clip>,
    /// One sentence for each video that cannot be used.
    pub skipped: Vec<String>,
    /// Number of videos whose frames did not fit into the cache, so that each use decodes them.
    pub uncached: usize,
}

impl Clips {
    /// Finds the clips of a data set: a folder of videos, a folder of folders of numbered images, a
    /// folder of images, or a list (`.json`, `.txt`). Scene cuts end the clips of videos. What cannot
    /// be used is named in `skipped`. `progress` is told how many videos of how many are read.
    ///
    /// # Errors
    /// The data set cannot be read, has no clip that is long enough, or the search is stopped.
    pub fn find(
        data: &Path,
        scan: &Scan<'_>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, DataError> {
        let videos = match has_extension(data, &["json", "txt"]) {
            true => list::read(data)?,
            false => named_in(data)?,
        };
        let mut found = Self {
            clips: Vec::new(),
            skipped: Vec::new(),
            uncached: 0,
        };
        for read in read_all(&videos, scan, progress) {
            match read {
                Ok((clips, cached)) => {
                    found.uncached += usize::from(!cached);
                    found.clips.extend(clips);
                }
                Err(error) => found.skipped.push(error.to_string()),
            }
        }
        if scan.stop.load(Ordering::Relaxed) {
            return Err(DataError::Stopped);
        }
        if found.clips.is_empty() {
            let mut problems = String::new();
            for problem in found.skipped.iter().take(3) {
                problems += &format!("\n  {problem}");
            }
            if found.skipped.len() > 3 {
                problems += &format!("\n  and {} more", found.skipped.len() - 3);
            }
            return Err(DataError::Nothing {
                data: data.to_owned(),
                frames: scan.frames,
                problems,
            });
        }
        Ok(found)
    }

    /// Returns the clips that are trained on and those that are kept apart: `percent` of the videos,
    /// at least one, chosen by the seed. Scenes of one video stay together. If there is only one
    /// video, nothing is kept apart.
    pub fn split(self, percent: f64, seed: u64) -> (Self, Self) {
        let videos: BTreeSet<&str> = self.clips.iter().map(|clip| clip.name.as_str()).collect();
        let mut videos: Vec<String> = videos.into_iter().map(str::to_owned).collect();
        videos.shuffle(&mut random_of(seed, Subject::Apart, 0));
        let wanted = (percent / 100.0 * videos.len() as f64).round() as usize;
        let most = videos.len().saturating_sub(1);
        let count = if percent > 0.0 {
            wanted.max(1).min(most)
        } else {
            0
        };
        let apart: BTreeSet<String> = videos.into_iter().take(count).collect();
        let (apart, trained) = self
            .clips
            .into_iter()
            .partition(|clip| apart.contains(&clip.name));
        let rest = Self {
            clips: apart,
            skipped: Vec::new(),
            uncached: 0,
        };
        (
            Self {
                clips: trained,
                ..self
            },
            rest,
        )
    }
}

/// Returns the videos and folders of images in a folder.
fn named_in(data: &Path) -> Result<Vec<Named>, DataError> {
    let named = |path: PathBuf| Named {
        name: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        path,
        frames: None,
    };
    if !data.is_dir() {
        std::fs::metadata(data).map_err(DataError::read(data))?;
        return match has_extension(data, &VIDEO) {
            true => Ok(vec![named(data.to_owned())]),
            false => Err(DataError::file(
                data,
                "this is no folder, no video and no list (.json, .txt)",
            )),
        };
    }
    let mut found = Vec::new();
    for path in entries(data)? {
        let is_folder = path.is_dir() && !images_in(&path)?.is_empty();
        if is_folder || has_extension(&path, &VIDEO) {
            found.push(named(path));
        }
    }
    if found.is_empty() && !images_in(data)?.is_empty() {
        found.push(named(data.to_owned()));
    }
    match found.is_empty() {
        true => Err(DataError::file(
            data,
            "the folder has neither videos nor folders of images",
        )),
        false => Ok(found),
    }
}

/// The clips of a video, and whether its frames need no decoding.
type Read = Result<(Vec<Clip>, bool), DataError>;

/// Reads the videos on several threads and returns them in their order.
fn read_all(
    videos: &[Named],
    scan: &Scan<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Vec<Read> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Read>>> = Mutex::new(videos.iter().map(|_| None).collect());
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..scan.threads.clamp(1, videos.len().max(1)) {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let video = videos.get(number);
                    let Some(video) = video.filter(|_| !scan.stop.load(Ordering::Relaxed)) else {
                        break;
                    };
                    let read = clips_of(video, scan);
                    done.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some(read);
                    // The receiver lives as long as this scope.
                    let _ = sender.send(());
                }
            });
        }
        drop(sender);
        for (number, ()) in receiver.iter().enumerate() {
            progress(number + 1, videos.len());
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_iter().flatten().collect()
}

/// Reads a video or a folder of images.
fn clips_of(video: &Named, scan: &Scan<'_>) -> Read {
    let short = |what: String| DataError::file(&video.path, what);
    let clip = |source: &Arc<Source>, range| Clip {
        name: video.name.clone(),
        source: source.clone(),
        range,
    };
    if video.path.is_dir() {
        let mut files = images_in(&video.path)?;
        let count = files.len();
        if let Some(stated) = video.frames.filter(|&stated| stated > count) {
            return Err(short(format!(
                "the list states {stated} frames, but {count} images are there"
            )));
        }
        files.truncate(video.frames.unwrap_or(count));
        if files.len() <= scan.frames {
            let count = files.len();
            return Err(short(format!(
                "{count} images, but a clip needs more than {}",
                scan.frames
            )));
        }
        // The first image tells whether the folder can be read at all.
        read_image(&files[0], scan.size)?;
        let range = 0..files.len();
        return Ok((vec![clip(&Arc::new(Source::Images(files)), range)], true));
    }
    let read = CachedVideo::open(&scan.cache, &video.path, scan.size)?;
    let (count, cached) = (read.len(), read.is_cached());
    let mut ends = read.scenes()[1..].to_vec();
    ends.push(count);
    let starts = read.scenes().to_vec();
    let source = Arc::new(Source::Video(read));
    let scenes = starts.into_iter().zip(ends).map(|(start, end)| start..end);
    let (all, long): (Vec<_>, Vec<_>) = {
        let all: Vec<_> = scenes.collect();
        let long = all
            .iter()
            .filter(|scene| scene.len() > scan.frames)
            .cloned()
            .collect();
        (all, long)
    };
    if long.is_empty() {
        let parts = match all.len() {
            1 => String::new(),
            scenes => format!(" in {scenes} scenes"),
        };
        let need = scan.frames;
        return Err(short(format!(
            "{count} frames{parts}, but a clip needs more than {need}"
        )));
    }
    Ok((
        long.into_iter().map(|range| clip(&source, range)).collect(),
        cached,
    ))
}
