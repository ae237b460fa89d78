//! Frames that are not in a video file: Y4M in pipes, and images.
//!
//! - [`input`]: where they come from
//! - [`output`]: where they go
//! - [`ends`]: what the threads that read and write tell

mod ends;
mod input;
mod output;

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::fd::AsFd,
    path::PathBuf,
    time::Instant,
};

use gst::prelude::*;
use gst_video::{VideoCapsBuilder, VideoFormat, VideoInfo};

use crate::{
    output::{OutputError, OutputFolder},
    recode::{Job, Recode, RecodeError, Source, branches, named},
    y4m::{Header, PIPE, Y4mError},
};

use self::output::{ImageFiles, Writer, Y4m, sink};
pub use self::{
    ends::{Shared, change},
    input::Frames,
};
use super::{
    images::options::ImageKind,
    job::{ClipJob, RunError, new_element},
    play::{Observer, Outcome, play},
    space,
};

/// What becomes of the frames.
enum Target {
    Pipe,
    Images(OutputFolder, ImageKind),
}

/// Returns the video file that frames of no file become, with the element that outputs them.
pub(super) fn into_file(
    files: &Job,
    frames: Frames,
    ends: &Shared,
    element: &gst::Element,
) -> Result<Recode, RunError> {
    let mut coded = frames.info().to_caps()?;
    if let Frames::Images(images) = &frames {
        let lossless = files.encoding.is_lossless();
        let format = images.coded_format(lossless).to_str();
        coded.make_mut().set("format", format);
    }
    let source = Source::of_frames(coded, frames.length());
    let source_of_frames = frames.feed(ends)?;
    Ok(Recode::of_frames(
        files,
        source,
        source_of_frames.upcast_ref(),
        element,
    )?)
}

/// Sends a clip through the element to the standard output, or into a folder of images of the kind
/// `images`.
///
/// # Errors
/// The input cannot be read, the output cannot be written, or an element fails. It is no error if the
/// reader of the standard output goes away.
pub(super) fn run_raw(
    job: &ClipJob,
    images: Option<ImageKind>,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    let element = new_element(&job.settings)?;
    let pipeline = gst::Pipeline::new();
    pipeline.add(&element)?;
    let frames = Frames::open(job)?;
    let target = match images {
        None => Target::Pipe,
        Some(kind) => {
            let mut inputs = job.mask.files();
            inputs.extend(files_of(job, frames.as_ref()));
            if let Some(Frames::Images(images)) = &frames {
                // Compressed as the input is, as far as that can be told.
                space::check(&job.output, images.bytes() / 2)?;
            }
            Target::Images(
                OutputFolder::create(&job.output, &inputs, job.existing)?,
                kind,
            )
        }
    };
    let ends = Shared::default();
    let mut turn = None;
    let mut files = ImageFiles {
        folder: PathBuf::new(),
        names: Vec::new(),
        kind: ImageKind::Png,
        quality: job.encoding.quality,
        has_alpha: false,
        next: 0,
    };
    let mut like = None;
    match frames {
        Some(frames) => {
            match &frames {
                Frames::Y4m(header, _) => like = Some(header.clone()),
                Frames::Images(images) => {
                    (files.names, files.has_alpha) = (images.stems(), images.has_alpha);
                }
            }
            let source = frames.feed(&ends)?;
            pipeline.add(&source)?;
            source.link(&element)?;
        }
        None => {
            let source = Source::open(&job.input)?;
            let info = VideoInfo::from_caps(&source.decoded)?;
            files.has_alpha = info.format_info().has_alpha();
            turn = source.orientation.map(|turn| turn.direction);
            add_file(&pipeline, &element, job, matches!(target, Target::Pipe))?;
        }
    }
    let after = after(&target, turn, like.is_some());
    let (name, folder) = match target {
        Target::Pipe => ("standard output", None),
        Target::Images(folder, kind) => {
            (files.folder, files.kind) = (folder.part().to_owned(), kind);
            ("folder of images", Some(folder))
        }
    };
    match folder {
        Some(_) => add_output(&pipeline, &element, after, name, files, &ends)?,
        None => {
            let output = io::stdout().as_fd().try_clone_to_owned();
            let output = File::from(output.map_err(Y4mError::Read)?);
            let writer = Y4m {
                output,
                like,
                begun: false,
            };
            add_output(&pipeline, &element, after, name, writer, &ends)?;
        }
    }
    let masks = job.mask.attach(&element, &pipeline, 0)?;
    let mut notes = Vec::new();
    if turn.is_some() {
        let text = "the frames are rotated, as the output cannot store an orientation";
        observer.notice(text);
        notes.push(text.to_owned());
    }

    let start = Instant::now();
    let played = play(&pipeline, &element, observer);
    let ends = change(&ends, std::mem::take);
    match ends.write {
        None => {}
        Some(source) if folder.is_some() => {
            let output = job.output.clone();
            return Err(OutputError::Write { output, source }.into());
        }
        Some(error) if error.kind() != ErrorKind::BrokenPipe => return Err(RunError::Pipe(error)),
        Some(_) => {
            let frames = ends.frames;
            let note = format!("the reader of the output has ended after {frames} frames");
            observer.notice(&note);
            return Ok(Outcome {
                frames,
                duration: start.elapsed(),
                notes: vec![note],
                ..Outcome::default()
            });
        }
    }
    // What could not be read is the reason of what follows from it.
    if let Some(error) = ends.read {
        return Err(error);
    }
    let mut outcome = played.map_err(|error| masks.real_names(error))?;
    if outcome.frames == 0 {
        return Err(RecodeError::NoVideo(job.input.clone()).into());
    }
    if let Some(text) = job.mask.remark(&masks, (0, outcome.sample.frames_in)) {
        observer.notice(&text);
        outcome.notes.push(text);
    }
    outcome.notes.splice(0..0, notes);
    if let Some(folder) = folder {
        folder.commit()?;
    }
    Ok(outcome)
}

/// Returns the files that the frames of a clip are read from.
pub(super) fn files_of(job: &ClipJob, frames: Option<&Frames>) -> Vec<PathBuf> {
    match frames {
        Some(Frames::Images(images)) => images.files().to_vec(),
        _ if job.input.as_os_str() == PIPE => Vec::new(),
        _ => vec![job.input.clone()],
    }
}

/// Decodes a file, into a format that Y4M holds if that is wanted.
fn add_file(
    pipeline: &gst::Pipeline,
    element: &gst::Element,
    job: &ClipJob,
    to_y4m: bool,
) -> Result<(), RunError> {
    let file = &job.input;
    let source = named("filesrc", file, ": reading")?;
    source.set_property("location", file);
    let decode = named("decodebin", file, "")?;
    let convert = gst::ElementFactory::make("videoconvert").build()?;
    let filter = gst::ElementFactory::make("capsfilter").build()?;
    if to_y4m {
        let formats = VideoCapsBuilder::new().format_list(Header::formats());
        filter.set_property("caps", formats.build());
    }
    pipeline.add_many([&source, &decode, &convert, &filter])?;
    source.link(&decode)?;
    gst::Element::link_many([&convert, &filter, element])?;
    let convert = convert.downgrade();
    decode.connect_pad_added(move |_, pad| {
        if let Some(sink) = convert
            .upgrade()
            .and_then(|convert| convert.static_pad("sink"))
        {
            // A pad that cannot be linked is that of another stream, such as sound.
            let _ = pad.link(&sink);
        }
    });
    Ok(())
}

/// Returns what the frames go through behind the element, as a description; `None` if nothing.
fn after(target: &Target, turn: Option<&str>, from_y4m: bool) -> Option<String> {
    let turn = turn.map(|turn| format!("videoconvert ! videoflip video-direction={turn} ! "));
    let formats: Vec<VideoFormat> = match target {
        Target::Pipe if from_y4m || turn.is_none() => return None,
        Target::Pipe => Header::formats().collect(),
        Target::Images(_, kind) => kind.formats().to_vec(),
    };
    let names: Vec<&str> = formats
        .iter()
        .map(|format| format.to_str().as_str())
        .collect();
    Some(format!(
        "{}videoconvert ! capsfilter caps=\"video/x-raw,format=(string){{{}}}\"",
        turn.unwrap_or_default(),
        names.join(",")
    ))
}

/// Passes the frames of the element to `writer`.
fn add_output(
    pipeline: &gst::Pipeline,
    element: &gst::Element,
    after: Option<String>,
    name: &str,
    writer: impl Writer,
    ends: &Shared,
) -> Result<(), RunError> {
    let sink = sink(name, writer, ends);
    pipeline.add(&sink)?;
    match after {
        None => element.link(&sink)?,
        Some(after) => {
            let after = branches::bin(&after)?;
            pipeline.add(&after)?;
            gst::Element::link_many([element, &after, sink.upcast_ref()])?;
        }
    }
    Ok(())
}
