//! `propainter plan`: divides a clip into segments and writes the manifest.

use std::{fs, path::PathBuf};

use clap::Args;
use gst::prelude::*;
use gst_video::VideoInfo;
use propainter::{Config, Mode, Model, Segments, weights};
use propainter_elements::Propainter;

use super::{
    JobError,
    manifest::{Entry, MANIFEST, Manifest, Masks, VERSION, identity},
    record::remove_from,
    scan::{Scan, scan},
    times::Times,
};
use crate::{
    Console,
    output::Existing,
    recode::{Container, Encoder, Encoding, Source, pipeline::added},
    run::{
        Bar, ClipJob, ElementSettings, FrameOptions, MaskSource, Observer, Quiet, RunError, Subject,
    },
};

/// Divides a clip into segments that several machines can process, and writes the plan
///
/// `propainter run JOB --segment N` processes one of them, `propainter join JOB` puts them
/// together. The result is that of one run, frame by frame.
#[derive(Debug, Args)]
pub struct Options {
    /// Video to read
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// Folder of the job; it is created where it does not exist
    #[arg(long, short, value_name = "JOB")]
    pub output: PathBuf,
    /// Number of frames that a segment keeps, about; fewer cost more context
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub segment_frames: u32,
    /// Extension of the file that the segments are joined into: mp4, m4v, mov, mkv, webm or ts; that
    /// of the input by default
    #[arg(long, value_name = "EXTENSION")]
    pub container: Option<String>,
    /// Replace the plan where there is one, and remove the segments of it that the new one lacks
    #[arg(long)]
    pub force: bool,
    /// Show no progress and no report, only errors
    #[arg(long)]
    pub quiet: bool,
    #[command(flatten)]
    pub subject: Subject,
    #[command(flatten)]
    pub encoding: Encoding,
}

/// A clip to divide.
#[derive(Clone, Debug)]
pub struct PlanJob {
    pub input: PathBuf,
    pub mask: MaskSource,
    pub settings: ElementSettings,
    pub encoding: Encoding,
    /// The container that the segments are joined into, by its extension.
    pub container: String,
    pub segment_frames: usize,
}

/// Runs the subcommand.
///
/// # Errors
/// An input cannot be read, the clip cannot be divided, or the plan cannot be written.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), JobError> {
    let mask = options.subject.masks()?;
    let mask = mask.ok_or(JobError::NoMask)?;
    let extension = options.input.extension().unwrap_or_default();
    let extension = extension.to_string_lossy().into_owned();
    let job = PlanJob {
        input: options.input.clone(),
        mask,
        settings: options.subject.settings(&options.input)?,
        encoding: options.encoding.clone(),
        container: options.container.clone().unwrap_or(extension),
        segment_frames: usize::try_from(options.segment_frames).unwrap_or(usize::MAX),
    };
    let existing = Existing::with_force(options.force);
    // Before the clip is read.
    let folder = &options.output;
    fs::create_dir_all(folder.join("segments")).map_err(|source| JobError::Write {
        file: folder.clone(),
        source,
    })?;
    crate::output::check(&folder.join(MANIFEST), &[], existing)?;
    let manifest = match options.quiet {
        true => plan(&job, &mut Quiet)?,
        false => plan(&job, &mut Bar::new("plan", console.errors))?,
    };
    manifest.write(folder, existing)?;
    let removed = match options.force {
        true => remove_from(folder, manifest.segments.len())?,
        false => 0,
    };
    if !options.quiet {
        report(&manifest, folder, removed, console).map_err(JobError::Console)?;
    }
    Ok(())
}

fn report(
    manifest: &Manifest,
    folder: &std::path::Path,
    removed: usize,
    console: &mut Console<'_>,
) -> std::io::Result<()> {
    let (frames, segments) = (manifest.frames, &manifest.segments);
    let read: usize = segments.iter().map(|segment| segment.read.len()).sum();
    let parts = match segments.len() {
        1 => "1 segment".to_owned(),
        many => format!("{many} segments, which begin {}", manifest.division),
    };
    console.say(&format!(
        "wrote {}: {frames} frames in {parts}",
        folder.join(MANIFEST).display()
    ))?;
    if removed > 0 {
        console.say(&format!("removed {removed} segments of the plan before"))?;
    }
    let context = 100.0 * (read - frames) as f64 / frames as f64;
    console.say(&format!(
        "{} frames are read more than once, {context:.1} % of the clip",
        read - frames
    ))
}

/// Reads a clip once and divides it.
///
/// # Errors
/// An input cannot be read, or these settings let no clip be divided.
pub fn plan(job: &PlanJob, observer: &mut dyn Observer) -> Result<Manifest, JobError> {
    gst::init().map_err(RunError::from)?;
    propainter_elements::plugin_register_static().map_err(RunError::from)?;
    let clip = ClipJob {
        input: job.input.clone(),
        mask: job.mask.clone(),
        output: PathBuf::new(),
        settings: job.settings.clone(),
        encoding: job.encoding.clone(),
        existing: Existing::Refuse,
        frames: FrameOptions::default(),
        part: None,
    };
    let container = Container::of(&PathBuf::from(format!("clip.{}", job.container)));
    let container = container.map_err(|_| JobError::Container(job.container.clone()))?;
    // Noted first: a clip that changes meanwhile is found out.
    let (input, mask) = (identity(&job.input)?, Masks::of(&job.mask)?);
    let source = Source::open(&job.input).map_err(RunError::from)?;
    let info = VideoInfo::from_caps(&source.decoded).map_err(RunError::from)?;
    let element = glib_element(&job.settings)?;
    let source = source.grown(added(element.upcast_ref()));
    let encoder = Encoder::choose(&source, container, &job.encoding).map_err(RunError::from)?;
    let size = (info.width() as usize, info.height() as usize);
    let config = element.config(size)?;
    let segments = Segments::new(&config)?;
    let settings = pinned(&job.settings, &config)?;

    let element: gst::Element = element.upcast();
    element.set_property("clip-part", "find");
    for side in ["left", "right", "top", "bottom"] {
        // Segments begin where the picture says, and nothing is filled.
        element.set_property(&format!("expand-{side}"), 0u32);
    }
    let element = segments.depends_on_frames().then_some(&element);
    let Scan {
        frames,
        keys,
        starts,
        filled,
        interrupted,
    } = scan(&clip, &source, element, observer)?;
    if let Some(frame) = interrupted {
        return Err(JobError::Interrupted {
            file: job.input.clone(),
            frame,
        });
    }
    let entries = segments.divide(frames.len(), job.segment_frames, &starts);
    let entries = entries.into_iter().map(|segment| {
        let first = frames[segment.read.start].timestamp;
        // Frames without times of their own are not found by them after a seek.
        let seeks = segment.read.start > 0 && !filled;
        let key = keys
            .iter()
            .filter(|(_, timestamp)| seeks && *timestamp <= first);
        Entry {
            key: key.max_by_key(|(_, timestamp)| timestamp).map(|key| key.0),
            read: segment.read,
            keep: segment.keep,
            first,
        }
    });
    let running: Vec<_> = frames.iter().map(|frame| frame.running).collect();
    let rate = [info.fps().numer(), info.fps().denom()];
    let rate = rate.map(|part| u32::try_from(part).unwrap_or_default());
    Ok(Manifest {
        version: VERSION,
        program: format!("propainter {}", env!("CARGO_PKG_VERSION")),
        input,
        mask,
        settings,
        weights: checkpoints(&config)?,
        container: job.container.clone(),
        encoder: encoder.name.clone(),
        quality: job.encoding.quality,
        frames: frames.len(),
        times: Times::of(&running, rate),
        division: segments.rule().to_owned(),
        segments: entries.collect(),
    })
}

/// Returns an element with these settings.
fn glib_element(settings: &ElementSettings) -> Result<Propainter, JobError> {
    let element: Propainter = gst::glib::Object::new();
    settings
        .apply(element.upcast_ref())
        .map_err(RunError::from)?;
    Ok(element)
}

/// Returns the settings with those that depend on the machine as they are on this one.
fn pinned(
    settings: &ElementSettings,
    config: &Config,
) -> Result<std::collections::BTreeMap<String, String>, JobError> {
    let mut settings = settings.clone();
    let model = match config.engine() {
        Model::Propagation => "propagation",
        Model::Auto | Model::Propainter => "propainter",
    };
    let mode = match config.mode {
        Mode::Reference => "reference",
        Mode::Sliding => "sliding",
    };
    let pins = [
        ("model", model),
        ("mode", mode),
        ("crop-mode", "off"),
        ("late-policy", "wait"),
    ];
    for (name, value) in pins {
        settings.set(name, value).map_err(RunError::from)?;
    }
    let all = settings.iter();
    Ok(all
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// Returns the checkpoints of a configuration by their content.
///
/// # Errors
/// One is missing or cannot be read.
pub fn checkpoints(config: &Config) -> Result<Vec<super::identity::Identity>, JobError> {
    if config.engine() == Model::Propagation {
        return Ok(Vec::new());
    }
    let paths = weights::find(config.weights.as_deref()).map_err(propainter::Error::from)?;
    [paths.raft, paths.flow_completion, paths.generator]
        .iter()
        .map(|file| identity(file))
        .collect()
}
