//! `propainter run FOLDER`: the clips of a folder in one process.
//!
//! - [`pairs`]: which mask belongs to which clip
//! - [`record`]: what was begun or done before
//! - [`job`]: one clip, from what is there of it to its final name
//! - [`budgets`]: the memory of one of several clips
//! - [`room`]: the space that clips take
//! - [`divided`]: a long clip in segments, which are complete one by one
//! - [`workers`]: several clips at once within one budget of memory
//! - [`networks`]: checkpoints that are read once, and what they are known by
//! - [`table`]: what became of the clips

pub mod budgets;
pub mod divided;
pub mod job;
pub mod networks;
pub mod pairs;
pub mod record;
pub mod room;
pub mod table;
pub mod workers;

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::json;
use thiserror::Error;

use crate::{Console, output::Existing, recode::Encoding};

use self::{
    job::{Common, Job, JobError},
    networks::Networks,
    pairs::{Pair, PairError},
    record::RecordError,
    table::{Fate, Row},
    workers::Event,
};
use crate::run::{CommandError, MaskSource, Options, RunError, images::is_clip, space};

/// The folder in the output folder that holds records and whatever is not complete.
pub const WORK: &str = ".propainter";

/// An error that ends the run of a folder.
#[derive(Debug, Error)]
pub enum FolderError {
    #[error(transparent)]
    Pair(#[from] PairError),
    #[error(transparent)]
    Options(#[from] CommandError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("{} cannot be written: {source}", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error(
        "another `propainter run` writes into {}: wait until it ends, or name another output folder",
        .0.display()
    )]
    Busy(PathBuf),
    #[error("a report is about one clip: leave out --report for a folder")]
    Report,
    #[error("{failed} of {} failed", match clips { 1 => "1 clip".to_owned(), _ => format!("{clips} clips") })]
    Failed { failed: usize, clips: usize },
}

/// Returns whether an input is a folder of clips, and not one of images that are the frames of one.
pub fn is_folder(input: &Path) -> bool {
    input.is_dir() && !is_clip(input)
}

/// Runs the clips of the input folder.
///
/// # Errors
/// Nothing can be begun, or a clip failed.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), FolderError> {
    let start = Instant::now();
    let folder = options.subject.mask.as_deref().filter(|mask| mask.is_dir());
    let output = options.output.as_deref().ok_or(CommandError::NoOutput)?;
    let ending = ending(&options.encoding);
    let pairs = pairs::pair(&options.input, folder, output, ending)?;
    for remark in &pairs.remarks {
        console.note("run", remark)?;
    }
    if options.report.is_some() {
        return Err(FolderError::Report);
    }
    let shared = match folder {
        Some(_) => MaskSource::None,
        None => options.subject.masks()?.ok_or(CommandError::NoMask)?,
    };
    let work = output.join(WORK);
    let _lock = lock(&work)?;
    gst::init().map_err(RunError::from)?;
    propainter_elements::plugin_register_static().map_err(RunError::from)?;

    let networks = Networks::of(&options.subject.properties)?;
    let common = Common {
        work,
        encoding: options.encoding.clone(),
        existing: Existing::with_force(options.force),
        weights: networks.digest().map(str::to_owned),
        segment_frames: options.segment_frames as usize,
        free_memory: propainter::memory::free_and_total().map(|(free, _)| free),
    };
    let mut rows: Vec<Option<Row>> = Vec::new();
    let mut jobs = Vec::new();
    for (number, pair) in pairs.clips.into_iter().enumerate() {
        let name = pair.name.clone();
        let fate = match prepare(options, &shared, pair, &common) {
            Ok(job) if job.is_done() => Some(Fate::Kept),
            Ok(job) => {
                jobs.push((number, job));
                None
            }
            Err(error) => Some(Fate::Failed(error.to_string())),
        };
        let row = fate.map(|fate| Row::of(&name, fate));
        if let Some(row) = &row {
            tell(options, row, console)?;
        }
        rows.push(row);
    }
    job::order(&mut jobs);
    let rooms: Vec<_> = jobs.iter().map(|(_, job)| job.room(&common)).collect();
    let needed = room::needed(&rooms, options.jobs.into());
    space::check(&common.work, needed).map_err(RunError::from)?;

    let _networks = networks.hold(&options.subject.properties, jobs.len())?;
    workers::run(jobs, &common, options, |event| match event {
        Event::Notice { clip, text } if options.json => {
            let notice = json!({ "type": "notice", "clip": clip, "text": text });
            console.say(&notice.to_string())
        }
        Event::Notice { .. } if options.quiet => Ok(()),
        Event::Notice { clip, text } => console.note("run", &format!("{clip}: {text}")),
        Event::Ended(number, row) => {
            let told = tell(options, &row, console);
            rows[number] = Some(row);
            told
        }
    })?;
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    report(options, &rows, start, console)?;
    let failed = rows
        .iter()
        .filter(|row| matches!(row.fate, Fate::Failed(_)))
        .count();
    match failed {
        0 => Ok(()),
        _ => Err(FolderError::Failed {
            failed,
            clips: rows.len(),
        }),
    }
}

/// Finds out what is there of a clip, whose masks are the `shared` ones if it has none of its own.
fn prepare(
    options: &Options,
    shared: &MaskSource,
    pair: Pair,
    common: &Common,
) -> Result<Job, JobError> {
    if let Some(problem) = pair.problem {
        return Err(problem.into());
    }
    let settings = options.subject.settings(&pair.input)?;
    let mask = match &pair.mask {
        Some(mask) => MaskSource::find(mask).map_err(RunError::from)?,
        None => shared.clone(),
    };
    Job::new(pair.name, pair.input, pair.output, mask, settings, common)
}

/// Returns the extension of the only container that holds what an encoder writes; `None` where
/// there are several.
fn ending(encoding: &Encoding) -> Option<&'static str> {
    match encoding.encoder.as_deref() {
        _ if encoding.lossless => Some("mkv"),
        Some("ffv1") => Some("mkv"),
        Some("prores") => Some("mov"),
        _ => None,
    }
}

/// Takes the output folder for this process, until the returned file is closed.
fn lock(work: &Path) -> Result<Option<File>, FolderError> {
    let error = |source| FolderError::Folder {
        folder: work.to_owned(),
        source,
    };
    fs::create_dir_all(work).map_err(error)?;
    let file = File::create(work.join("lock")).map_err(error)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            Err(FolderError::Busy(work.parent().unwrap_or(work).to_owned()))
        }
        // Some network file systems know no locks.
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Tells of a clip at once: of all to a program, of a failure to a person.
fn tell(options: &Options, row: &Row, console: &mut Console<'_>) -> io::Result<()> {
    match &row.fate {
        _ if options.json => console.say(&row.to_json().to_string()),
        Fate::Failed(error) => console.note("run", &format!("{}: {error}", row.clip)),
        _ => Ok(()),
    }
}

/// Tells of all clips.
fn report(
    options: &Options,
    rows: &[Row],
    start: Instant,
    console: &mut Console<'_>,
) -> io::Result<()> {
    let seconds = start.elapsed().as_secs_f64();
    if options.json {
        return console.say(&table::summary_json(rows, seconds).to_string());
    }
    if options.quiet {
        return Ok(());
    }
    table::table(rows, seconds)
        .iter()
        .try_for_each(|line| console.say(line))
}
