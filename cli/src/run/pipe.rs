//! A clip whose frames go to the standard output, and perhaps come from the standard input, as Y4M.

use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Write},
    os::fd::AsFd,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use gst::prelude::*;
use gst_app::{AppSink, AppSrc};
use gst_video::{VideoFrameRef, VideoInfo};

use crate::{
    recode::{RecodeError, Source, named},
    y4m::{Header, PIPE, Y4mError, write_frame},
};

use super::{
    job::{ClipJob, RunError, new_element},
    play::{Observer, Outcome, play},
};

/// Buffers in front of the element.
const QUEUED: u64 = 4;

/// What went wrong in the threads that read and write, and the number of frames that were written.
#[derive(Default)]
struct Ends {
    read: Option<Y4mError>,
    write: Option<io::Error>,
    frames: u64,
}

type Shared = Arc<Mutex<Ends>>;

fn change<T>(ends: &Shared, change: impl FnOnce(&mut Ends) -> T) -> T {
    change(&mut ends.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Sends a clip through the element to the standard output.
///
/// # Errors
/// The input cannot be read or is no Y4M, or an element fails. It is no error if the reader of the
/// output goes away.
pub(super) fn run_pipe(job: &ClipJob, observer: &mut dyn Observer) -> Result<Outcome, RunError> {
    // The standard streams have locks and buffers of their own.
    let stdin = || Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    let stdout = || Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    let output = stdout().map_err(Y4mError::Read)?;
    match job.input.as_os_str() == PIPE {
        true => {
            let input = stdin().map_err(Y4mError::Read)?;
            through(Some(input), job, output, observer)
        }
        false => through(None::<File>, job, output, observer),
    }
}

/// Sends Y4M from `input`, or the clip of `job`, through the element to `output`.
fn through(
    input: Option<impl io::Read + Send + 'static>,
    job: &ClipJob,
    output: impl Write + Send + 'static,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    let element = new_element(&job.settings)?;
    let pipeline = gst::Pipeline::new();
    pipeline.add(&element)?;
    let ends = Shared::default();
    let like = match input {
        Some(input) => {
            let input = BufReader::new(input);
            Some(add_input(&pipeline, &element, input, &ends)?)
        }
        None => {
            add_file(&pipeline, &element, &job.input)?;
            None
        }
    };
    add_output(&pipeline, &element, output, like, &ends)?;
    let masks = job.mask.attach(&element, &pipeline, 0)?;

    let start = Instant::now();
    let played = play(&pipeline, &element, observer);
    let ends = change(&ends, std::mem::take);
    if let Some(error) = ends.write {
        if error.kind() != ErrorKind::BrokenPipe {
            return Err(RunError::Pipe(error));
        }
        let note = format!(
            "the reader of the output has ended after {} frames",
            ends.frames
        );
        observer.notice(&note);
        return Ok(Outcome {
            frames: ends.frames,
            duration: start.elapsed(),
            notes: vec![note],
            ..Outcome::default()
        });
    }
    let mut outcome = played.map_err(|error| masks.real_names(error))?;
    if let Some(error) = ends.read {
        return Err(error.into());
    }
    if outcome.frames == 0 {
        return Err(RecodeError::NoVideo(job.input.clone()).into());
    }
    if let Some(text) = job.mask.remark(&masks, (0, outcome.sample.frames_in)) {
        observer.notice(&text);
        outcome.notes.push(text);
    }
    Ok(outcome)
}

/// Reads Y4M in a thread, and returns its header.
fn add_input(
    pipeline: &gst::Pipeline,
    element: &gst::Element,
    mut input: BufReader<impl io::Read + Send + 'static>,
    ends: &Shared,
) -> Result<Header, RunError> {
    let header = Header::read(&mut input)?;
    let like = header.clone();
    let caps = header.info.to_caps()?;
    let source = AppSrc::builder()
        .name("standard input")
        .caps(&caps)
        .format(gst::Format::Time)
        .max_buffers(QUEUED)
        .block(true)
        .build();
    pipeline.add(&source)?;
    source.link(element)?;
    let ends = ends.clone();
    // It may wait for the standard input for ever, so nobody waits for it.
    thread::spawn(move || {
        let rate = header.rate.unwrap_or(gst::Fraction::new(25, 1));
        let (rate, base) = (rate.numer().unsigned_abs(), rate.denom().unsigned_abs());
        let time = |number: u64| {
            let second = gst::ClockTime::SECOND;
            let ticks = second.mul_div_floor(number.saturating_mul(base.into()), rate.into());
            ticks.unwrap_or(gst::ClockTime::MAX)
        };
        for number in 0.. {
            match header.read_frame(&mut input, number) {
                Ok(Some(mut buffer)) => {
                    let made = buffer.make_mut();
                    made.set_pts(time(number));
                    made.set_duration(time(number + 1) - time(number));
                    // Refused once the pipeline stops; the reason is on the bus.
                    if source.push_buffer(buffer).is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    change(&ends, |ends| ends.read = Some(error));
                    break;
                }
            }
        }
        let _ = source.end_of_stream();
    });
    Ok(like)
}

/// Decodes a file into a format that Y4M holds.
fn add_file(pipeline: &gst::Pipeline, element: &gst::Element, file: &Path) -> Result<(), RunError> {
    // The first frame tells whether there is one.
    Source::open(file)?;
    let source = named("filesrc", file, ": reading")?;
    source.set_property("location", file);
    let decode = named("decodebin", file, "")?;
    let convert = gst::ElementFactory::make("videoconvert").build()?;
    let filter = gst::ElementFactory::make("capsfilter").build()?;
    let formats = gst_video::VideoCapsBuilder::new()
        .format_list(Header::formats())
        .build();
    filter.set_property("caps", formats);
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

/// Writes Y4M with the header of the input, if that is Y4M too.
fn add_output(
    pipeline: &gst::Pipeline,
    element: &gst::Element,
    mut output: impl Write + Send + 'static,
    like: Option<Header>,
    ends: &Shared,
) -> Result<(), RunError> {
    let ends = ends.clone();
    let mut known: Option<VideoInfo> = None;
    let mut write = move |sample: &gst::Sample| -> io::Result<()> {
        let caps = sample.caps().ok_or(ErrorKind::InvalidData)?;
        let info = VideoInfo::from_caps(caps).map_err(io::Error::other)?;
        if known.as_ref() != Some(&info) {
            if known.is_some() {
                return Err(io::Error::other(
                    "the size or the format changes within the clip",
                ));
            }
            let header = match &like {
                Some(header) => Some(header.with(&info)),
                None => Header::of(&info),
            };
            let header = header.ok_or(ErrorKind::InvalidData)?;
            header.write(&mut output)?;
            known = Some(info.clone());
        }
        let buffer = sample.buffer().ok_or(ErrorKind::InvalidData)?;
        let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info);
        write_frame(&frame.map_err(io::Error::other)?, &mut output)
    };
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        match write(&sample) {
            Ok(()) => {
                change(&ends, |ends| ends.frames += 1);
                Ok(gst::FlowSuccess::Ok)
            }
            Err(error) => {
                change(&ends, |ends| ends.write = Some(error));
                Err(gst::FlowError::Error)
            }
        }
    });
    let sink = AppSink::builder()
        .name("standard output")
        .sync(false)
        .callbacks(callbacks.build())
        .build();
    pipeline.add(&sink)?;
    element.link(&sink)?;
    Ok(())
}
