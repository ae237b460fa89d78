//! Frames that are written here and not by GStreamer: Y4M, and images.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufWriter, ErrorKind, Write},
    path::PathBuf,
};

use gst_app::AppSink;
use gst_video::{VideoFrameRef, VideoInfo, prelude::*};
use image::codecs::jpeg::JpegEncoder;

use crate::{
    run::images::{options::ImageKind, pixels},
    y4m::{Header, write_frame},
};

use super::ends::{Shared, change};

/// Quality of JPEG files if nothing is said.
const QUALITY: u8 = 95;

type Frame<'a> = VideoFrameRef<&'a gst::BufferRef>;

/// Takes the frames of a clip.
pub trait Writer: Send + 'static {
    /// Takes the next frame. All have one size and format.
    ///
    /// # Errors
    /// It cannot be written.
    fn write(&mut self, frame: &Frame<'_>) -> io::Result<()>;
}

/// Writes Y4M, with the header of the input if that is Y4M too.
pub struct Y4m<W> {
    pub output: W,
    pub like: Option<Header>,
    pub begun: bool,
}

impl<W: Write + Send + 'static> Writer for Y4m<W> {
    fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        if !self.begun {
            let info = frame.info();
            let header = match &self.like {
                Some(header) => Some(header.with(info)),
                None => Header::of(info),
            };
            let header = header.ok_or(ErrorKind::InvalidData)?;
            header.write(&mut self.output)?;
            self.begun = true;
        }
        write_frame(frame, &mut self.output)
    }
}

/// Writes each frame as an image of its own.
pub struct ImageFiles {
    pub folder: PathBuf,
    /// The names of the first frames without extension; others are numbered.
    pub names: Vec<OsString>,
    pub kind: ImageKind,
    pub quality: Option<u8>,
    pub has_alpha: bool,
    pub next: usize,
}

impl Writer for ImageFiles {
    fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let image = pixels::image(frame, self.has_alpha);
        let image = image.ok_or(ErrorKind::InvalidData)?;
        let numbered = || format!("{:05}", self.next).into();
        let mut name: OsString = self.names.get(self.next).cloned().unwrap_or_else(numbered);
        name.push(".");
        name.push(self.kind.extension());
        let mut file = BufWriter::new(File::create_new(self.folder.join(name))?);
        let written = match self.kind {
            ImageKind::Jpeg => {
                let quality = self.quality.unwrap_or(QUALITY);
                image.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality))
            }
            _ => image.write_to(&mut file, self.kind.format()),
        };
        written.map_err(|error| match error {
            image::ImageError::IoError(error) => error,
            error => io::Error::other(error),
        })?;
        self.next += 1;
        file.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    }
}

/// Returns an element that passes the frames to `writer`.
pub fn sink(name: &str, mut writer: impl Writer, ends: &Shared) -> AppSink {
    let ends = ends.clone();
    let mut known: Option<VideoInfo> = None;
    let mut write = move |sample: &gst::Sample| -> io::Result<()> {
        let caps = sample.caps().ok_or(ErrorKind::InvalidData)?;
        let info = VideoInfo::from_caps(caps).map_err(io::Error::other)?;
        if known.get_or_insert_with(|| info.clone()) != &info {
            return Err(io::Error::other(
                "the size or the format changes within the clip",
            ));
        }
        let buffer = sample.buffer().ok_or(ErrorKind::InvalidData)?;
        let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info);
        writer.write(&frame.map_err(io::Error::other)?)
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
    AppSink::builder()
        .name(name)
        .sync(false)
        .callbacks(callbacks.build())
        .build()
}
