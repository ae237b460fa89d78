//! A clip in segments, which several machines process: `propainter plan`, `run JOB` and `join`.
//!
//! The folder of a job holds `job.json` and, for each complete segment, a file and a record of it.
//! Nothing else is shared: a segment knows its place in the clip from the manifest.
//!
//! - [`mod@plan`]: reads the clip once ([`scan`]) and divides it
//! - [`manifest`]: `job.json`; [`times`]: the times of the frames; [`identity`]: files by their content
//! - [`one`]: one segment, or all that are left; [`record`]: what was done of it
//! - [`mod@join`]: the segments into one file

pub mod identity;
pub mod join;
pub mod manifest;
pub mod one;
pub mod plan;
pub mod record;
pub mod scan;
pub mod times;

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{output::OutputError, run::RunError};

pub use self::{
    join::join,
    manifest::{MANIFEST, Manifest},
    one::{Done, run_segment},
    plan::{PlanJob, plan},
};

/// An error that keeps a job from going on.
#[derive(Debug, Error)]
pub enum JobError {
    #[error("{} cannot be read: {source}", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{} cannot be written: {source}", file.display())]
    Write { file: PathBuf, source: io::Error },
    #[error("{} is no plan of a job ({problem}): write it again with propainter plan --force", file.display())]
    Manifest { file: PathBuf, problem: String },
    #[error(
        "{} is a plan of version {version}, and this program reads version {}: use the program that \
         wrote it, or plan the job again", file.display(), manifest::VERSION
    )]
    Version { file: PathBuf, version: u32 },
    #[error("{} is not the file that the job was planned for: restore it, or plan the job again", .0.display())]
    Changed(PathBuf),
    #[error("{} has other weights than the job was planned with: use those, or plan the job again", .0.display())]
    Weights(PathBuf),
    #[error("--container={0}: use mp4, m4v, mov, mkv, webm or ts")]
    Container(String),
    #[error(
        "{}: the stream is interrupted before frame {frame}, so the clip cannot be divided; run it \
         as a whole", file.display()
    )]
    Interrupted { file: PathBuf, frame: usize },
    #[error("{name}={value} is no number of a segment")]
    Variable { name: &'static str, value: String },
    #[error("--segment-offset={offset}: with number {number} it gives no segment; the first is 0")]
    Offset { number: i64, offset: i64 },
    #[error(
        "there is no segment {number}: {} has {count}, from 0 on; --segment-offset moves the numbers \
         of an array", file.display()
    )]
    NoSegment {
        file: PathBuf,
        number: usize,
        count: usize,
    },
    #[error("segment {number} gave {got} frames in place of {expected}: the clip may be damaged")]
    Frames {
        number: usize,
        expected: usize,
        got: u64,
    },
    #[error(
        "{}: {} missing; process {} with propainter run {} --segment N", file.display(),
        list(numbers), match numbers.len() { 1 => "it", _ => "them" },
        file.parent().unwrap_or(file).display()
    )]
    Missing { file: PathBuf, numbers: Vec<usize> },
    #[error(
        "{} cannot be joined: {problem}; remove it and process segment {number} again",
        file.display()
    )]
    Unusable {
        file: PathBuf,
        number: usize,
        problem: String,
    },
    #[error("{} is none of the job's {count} segments: move it to another folder", file.display())]
    Foreign { file: PathBuf, count: usize },
    #[error(
        "segment {number} is there twice, as {} and {}: remove one", files[0].display(),
        files[1].display()
    )]
    Doubled { number: usize, files: [PathBuf; 2] },
    #[error(
        "{}: the segments are encoded for .{container}; name such an output, or plan the job with \
         another --container", output.display()
    )]
    Extension { output: PathBuf, container: String },
    #[error("{} has its mask, output and settings: leave out these options, or plan the job again with them", .0.display())]
    OwnSettings(PathBuf),
    #[error(transparent)]
    Settings(#[from] propainter::Error),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("nothing is to be removed: name a mask (--mask, --mask-regions, --mask-from-alpha)")]
    NoMask,
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot write: {0}")]
    Console(io::Error),
}

/// Returns the numbers of segments as the subject of a sentence; of many only the first.
fn list(numbers: &[usize]) -> String {
    let first: Vec<_> = numbers.iter().take(10).map(usize::to_string).collect();
    let more = match numbers.len() {
        count if count > first.len() => format!(" and {} more", count - first.len()),
        _ => String::new(),
    };
    match numbers.len() {
        1 => format!("segment {} is", first[0]),
        _ => format!("the segments {}{more} are", first.join(", ")),
    }
}
