//! The file that the parts of a clip are copied into, with the clip's other streams.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use gst::{ClockTime, prelude::*};
use gst_app::{AppSink, AppSrc};

use super::super::{
    Container, Encoder, Job, Recode, RecodeError, Source, branches, named,
    pipeline::{changes, timescale},
    source::{StreamKind, reader},
    streams,
};
use crate::output::Output;

/// The parts of a clip in their order.
pub struct Parts {
    /// Each file, and the number of frames in it.
    pub files: Vec<(PathBuf, usize)>,
    /// Returns the running time of a frame of the clip.
    pub time: Box<dyn Fn(usize) -> Option<ClockTime> + Send>,
    /// Columns and rows that were added to each frame.
    pub added: (u32, u32),
}

impl Recode {
    /// Reads the beginning of the video and builds a pipeline that copies the frames of `parts` and
    /// the video's other streams into a file.
    ///
    /// # Errors
    /// As [`Recode::new`].
    pub fn joined(job: &Job, parts: Parts) -> Result<Self, RecodeError> {
        let container = Container::of(&job.output)?;
        crate::output::check(&job.output, &job.all_inputs(), job.existing)?;
        let source = Source::open(&job.video)?.grown(parts.added);
        let encoder = Encoder::choose(&source, container, &job.encoding)?;
        let output = Output::create(&job.output, &job.all_inputs(), job.existing)?;

        let pipeline = gst::Pipeline::new();
        let parse = reader(&job.video, &pipeline)?;
        let mux = named(container.muxer(), &job.output, "")?;
        let sink = named("filesink", &job.output, ": writing")?;
        sink.set_property("location", output.part());
        let frames = AppSrc::builder()
            .name("segments")
            .format(gst::Format::Time)
            .block(true)
            .build();
        let copy = branches::bin(&format!("{} ! {}", encoder.codec.parser, branches::QUEUE))?;
        pipeline.add_many([frames.upcast_ref(), &copy, &mux, &sink])?;
        frames.link(&copy)?;
        branches::link_to_muxer(&copy, &mux, container, StreamKind::Video)?;
        if let Some(pad) = mux.static_pad("video_0")
            && pad.has_property("trak-timescale")
        {
            pad.set_property("trak-timescale", timescale(&source.decoded));
        }
        mux.link(&sink)?;
        let (_, mut notes) = changes(job, &source, container, &encoder);
        let mut entries =
            streams::others(&pipeline, &source, &mux, container, &job.video, &mut notes)?;
        // The video is read for its tags: a file of which nothing is read is an error to demuxers.
        let ignored = branches::bin("queue ! fakesink sync=false async=false")?;
        pipeline.add(&ignored)?;
        let video = source.video.id.clone();
        entries.push((video.clone(), ignored));
        let tags = Tags::default();
        let tagged = tags.clone();
        streams::route(&parse, &pipeline, entries, move |id, pad| {
            if id == video {
                pass_tags(pad, tagged.clone());
            }
        });
        let sizes = parts.files.iter().map(|(file, _)| std::fs::metadata(file));
        let least_bytes = sizes.map(|file| file.map_or(0, |file| file.len())).sum();
        feed(frames, parts, tags);
        let info = gst_video::VideoInfo::from_caps(&source.decoded)?;
        let size = (info.width(), info.height());
        let orientation = source.orientation;
        let orientation = orientation.filter(|_| container.stores_orientation());
        Ok(Self {
            pipeline,
            notes,
            least_bytes,
            packets: Arc::default(),
            output,
            container,
            chapters: source.chapters,
            orientation: orientation.map(|turn| (turn, size)),
        })
    }
}

/// Tags of the video that have not gone into the new file.
type Tags = Arc<Mutex<Vec<gst::Event>>>;

/// Passes the tags of a stream on to the stream of the frames, but for those about its encoding, and
/// drops its data.
fn pass_tags(pad: &gst::Pad, passed: Tags) {
    pad.add_probe(gst::PadProbeType::BUFFER, |_, _| super::DROP);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::EventView::Tag(event)) = info.event().map(|event| event.view()) {
            let mut tags = event.tag_owned();
            let kept = tags.make_mut();
            kept.remove::<gst::tags::VideoCodec>();
            kept.remove::<gst::tags::Codec>();
            kept.remove::<gst::tags::Encoder>();
            kept.remove::<gst::tags::Bitrate>();
            kept.remove::<gst::tags::MaximumBitrate>();
            kept.remove::<gst::tags::MinimumBitrate>();
            kept.remove::<gst::tags::NominalBitrate>();
            let mut passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
            passed.push(gst::event::Tag::new(tags));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Pushes the frames of all parts, in a thread that ends with the pipeline.
fn feed(frames: AppSrc, parts: Parts, tags: Tags) {
    thread::spawn(move || {
        let mut feeder = Feeder {
            frames,
            caps: None,
            time: parts.time,
            tags,
            next: 0,
        };
        for (file, count) in &parts.files {
            match feeder.push_file(file, *count) {
                Ok(true) => {}
                Ok(false) => return,
                Err(problem) => {
                    let (frames, file) = (&feeder.frames, file.display());
                    gst::element_error!(frames, gst::ResourceError::Read, ("{file}: {problem}"));
                    return;
                }
            }
        }
        feeder.send_tags();
        // Refused only by a pipeline that stops.
        let _ = feeder.frames.end_of_stream();
    });
}

struct Feeder {
    frames: AppSrc,
    /// Caps of the first part.
    caps: Option<gst::Caps>,
    time: Box<dyn Fn(usize) -> Option<ClockTime> + Send>,
    tags: Tags,
    /// Number of the next frame of the clip.
    next: usize,
}

impl Feeder {
    /// Pushes the frames of a file. Returns false if the pipeline stops.
    ///
    /// # Errors
    /// The file cannot be read or is no such part; as a phrase.
    fn push_file(&mut self, file: &Path, count: usize) -> Result<bool, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let reader = gst::parse::launch(
            "filesrc name=file ! matroskademux ! appsink name=frames sync=false max-buffers=8",
        );
        let reader = reader.map_err(|error| text(&error))?;
        let reader = reader
            .downcast::<gst::Pipeline>()
            .map_err(|_| "no pipeline")?;
        let _stop = super::super::StopOnDrop(&reader);
        if let Some(source) = reader.by_name("file") {
            source.set_property("location", file);
        }
        let sink = reader.by_name("frames");
        let sink = sink.and_then(|sink| sink.downcast::<AppSink>().ok());
        let sink = sink.ok_or("no appsink")?;
        let started = reader.set_state(gst::State::Playing);
        started.map_err(|error| text(&error))?;
        let (first, mut last) = (self.next, None);
        // The end of the file, or an error: the count tells.
        while let Ok(sample) = sink.pull_sample() {
            let buffer = sample.buffer_owned().ok_or("a frame without data")?;
            match last {
                None => self.check_caps(sample.caps_owned())?,
                Some(_) if buffer.pts() <= last => {
                    return Err("its frames are not stored in the order of their times".to_owned());
                }
                Some(_) => {}
            }
            last = buffer.pts();
            if !self.push(buffer) {
                return Ok(false);
            }
        }
        match self.next - first {
            found if found == count => Ok(true),
            found => Err(format!(
                "it holds {found} frames in place of {count}: remove it and process the segment again"
            )),
        }
    }

    /// Checks that a part is encoded as the first one is.
    fn check_caps(&mut self, caps: Option<gst::Caps>) -> Result<(), String> {
        let caps = caps.ok_or("it has no format")?;
        let Some(first) = &self.caps else {
            let mut taken = caps.clone();
            for structure in taken.make_mut().iter_mut() {
                // The name that the muxer has for what the demuxer calls ffvversion.
                if structure.name() == "video/x-ffv" {
                    structure.set("ffversion", 1);
                }
            }
            self.frames.set_caps(Some(&taken));
            self.caps = Some(caps);
            return Ok(());
        };
        let codec = |caps: &gst::Caps| {
            let structure = caps.structure(0)?;
            let data = structure.get::<gst::Buffer>("codec_data").ok();
            let data = data.and_then(|data| Some(data.map_readable().ok()?.to_vec()));
            Some((structure.name().to_string(), data))
        };
        match codec(first) == codec(&caps) {
            true => Ok(()),
            false => Err(
                "it is encoded otherwise than the first segment: process all segments with one \
                 version of the encoder"
                    .to_owned(),
            ),
        }
    }

    /// Sends the tags that have come. The caps must have gone before them.
    fn send_tags(&self) {
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        for tag in tags.drain(..) {
            self.frames.send_event(tag);
        }
    }

    /// Pushes a frame with its time in the clip. Returns false if the pipeline stops.
    fn push(&mut self, mut buffer: gst::Buffer) -> bool {
        let (time, end) = ((self.time)(self.next), (self.time)(self.next + 1));
        if self.next > 0 {
            self.send_tags();
        }
        self.next += 1;
        let frame = buffer.make_mut();
        frame.set_pts(time);
        frame.set_dts(time);
        if let Some(duration) = end.zip(time).and_then(|(end, time)| end.checked_sub(time)) {
            frame.set_duration(duration);
        }
        self.frames.push_buffer(buffer).is_ok()
    }
}
