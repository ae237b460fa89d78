//! Frames that are read here and not by GStreamer: Y4M, and images.

use std::{
    fs::File,
    io::{self, BufReader},
    os::fd::AsFd,
    thread,
};

use gst::prelude::*;
use gst_app::AppSrc;
use gst_video::VideoInfo;

use crate::{
    run::{
        images::Images,
        job::{ClipJob, RunError},
    },
    y4m::{Header, PIPE, Y4mError},
};

use super::ends::{Shared, change};

/// Buffers in front of the element.
const QUEUED: u64 = 4;

/// Frames per second of Y4M that does not tell them.
const RATE: i32 = 25;

/// The frames of a clip that is in no video file.
pub enum Frames {
    Y4m(Header, BufReader<File>),
    Images(Images),
}

impl Frames {
    /// Reads the header or the first image of a clip; `None` if it is in a video file.
    ///
    /// # Errors
    /// The input is no Y4M, or an image cannot be read.
    pub fn open(job: &ClipJob) -> Result<Option<Self>, RunError> {
        if job.input.as_os_str() == PIPE {
            // The standard input has a lock and a buffer of its own.
            let input = io::stdin().as_fd().try_clone_to_owned();
            let mut input = BufReader::new(File::from(input.map_err(Y4mError::Read)?));
            let header = Header::read(&mut input)?;
            return Ok(Some(Self::Y4m(header, input)));
        }
        Ok(Images::find(&job.input, job.frames.fps.0)?.map(Self::Images))
    }

    /// Returns size, format and rate.
    pub fn info(&self) -> &VideoInfo {
        match self {
            Self::Y4m(header, _) => &header.info,
            Self::Images(images) => &images.info,
        }
    }

    /// Returns the length of the clip where it is known.
    pub fn length(&self) -> Option<gst::ClockTime> {
        match self {
            Self::Y4m(..) => None,
            Self::Images(images) => Some(self.time(images.files().len() as u64)),
        }
    }

    /// Returns the time of a frame.
    fn time(&self, number: u64) -> gst::ClockTime {
        let rate = Some(self.info().fps()).filter(|rate| rate.numer() > 0);
        let rate = rate.unwrap_or(gst::Fraction::new(RATE, 1));
        let (rate, base) = (rate.numer().unsigned_abs(), rate.denom().unsigned_abs());
        let second = gst::ClockTime::SECOND;
        let ticks = second.mul_div_floor(number.saturating_mul(base.into()), rate.into());
        ticks.unwrap_or(gst::ClockTime::MAX)
    }

    fn read(&mut self, number: u64) -> Result<Option<gst::Buffer>, RunError> {
        Ok(match self {
            Self::Y4m(header, input) => header.read_frame(input, number)?,
            Self::Images(images) => images.read(number)?,
        })
    }

    /// Returns an element that outputs the frames, which a thread reads from now on.
    ///
    /// # Errors
    /// GStreamer has no caps for them.
    pub fn feed(mut self, ends: &Shared) -> Result<AppSrc, RunError> {
        let caps = self.info().to_caps()?;
        let name = match &self {
            Self::Y4m(..) => "standard input",
            Self::Images(_) => "images",
        };
        let source = AppSrc::builder()
            .name(name)
            .caps(&caps)
            .format(gst::Format::Time)
            .max_buffers(QUEUED)
            .block(true);
        let source = match self.length() {
            Some(length) => source.duration(length.nseconds()).build(),
            None => source.build(),
        };
        let (ends, fed) = (ends.clone(), source.clone());
        // It may wait for the standard input for ever, so nobody waits for it.
        thread::spawn(move || {
            for number in 0.. {
                match self.read(number) {
                    Ok(Some(mut buffer)) => {
                        let made = buffer.make_mut();
                        made.set_pts(self.time(number));
                        made.set_duration(self.time(number + 1) - self.time(number));
                        // Refused once the pipeline stops; the reason is on the bus.
                        if fed.push_buffer(buffer).is_err() {
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
            let _ = fed.end_of_stream();
        });
        Ok(source)
    }
}
