//! The frames of the output queue: as they come in, go to the worker and go out.

use std::sync::Arc;

use gst::ClockTime;
use propainter::{Border, Frame, InpaintedFrame, Mask};

use crate::propainter::{
    masks::combine::FrameMasks,
    video::{
        canvas::Canvas, converter::Converter, device::frames::DeviceFrames,
        layout::error::InvalidBuffer, reading::Reading,
    },
};

/// A frame that came in.
#[derive(Clone)]
pub struct InputFrame {
    pub buffer: gst::Buffer,
    /// The frame in RGB, until the worker takes it; [`InputFrame::take_frame`] converts it again.
    pub frame: Option<Reading>,
    pub masks: FrameMasks,
    pub converter: Arc<Converter>,
    /// The frame that goes out, where a border is added.
    pub canvas: Option<Arc<Canvas>>,
    pub running_time: Option<ClockTime>,
    /// Running time from which the frame's stay is counted. It is later than the frame's own time
    /// where the source is late.
    pub stay_from: Option<ClockTime>,
    /// The frame does not continue the frame before it.
    pub discont: bool,
    /// The frame is only the context of the part of a clip that is sent.
    pub context: bool,
}

impl InputFrame {
    /// Returns width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        let info = self.converter.info();
        (info.width() as usize, info.height() as usize)
    }

    /// Returns size and border.
    pub fn geometry(&self) -> Geometry {
        Geometry {
            size: self.size(),
            border: self.border(),
        }
    }

    /// Returns the border that is added.
    pub fn border(&self) -> Border {
        let canvas = self.canvas.as_ref();
        canvas.map(|canvas| canvas.border()).unwrap_or_default()
    }

    /// Returns the frame in RGB. Reads it in `frames`, if it has to be read.
    ///
    /// # Errors
    /// The buffer can no longer be read.
    pub fn take_frame(&mut self, frames: Option<&DeviceFrames>) -> Result<Frame, InvalidBuffer> {
        let reading = match (self.frame.take(), frames) {
            (Some(begun), _) => begun,
            (None, Some(frames)) => {
                Reading::begin_on_device(&self.converter, &self.buffer, frames)?
            }
            (None, None) => Reading::begin(&self.converter, &self.buffer)?,
        };
        reading.frame()
    }
}

/// The size of frames and the border that is added to them; a session is opened for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Geometry {
    /// Width and height in pixels.
    pub size: (usize, usize),
    pub border: Border,
}

/// A frame for the worker.
pub struct FrameTask {
    /// Number of the frame since the element was created. It is never used twice.
    pub id: u64,
    pub geometry: Geometry,
    /// The frame in RGB; `None` if it was taken before, see [`input`](super::OutputQueue::input).
    pub frame: Option<Reading>,
    pub masks: FrameMasks,
    pub running_time: Option<ClockTime>,
    pub stay_from: Option<ClockTime>,
    /// The frame's mask, if it is known from an earlier attempt.
    pub mask: Option<Arc<Mask>>,
}

/// The worker's next job.
pub enum Job {
    Frame(FrameTask),
    /// Finish all frames before this place, then start anew.
    Drain,
}

/// How a frame goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Inpainted by the engine.
    Engine(InpaintedFrame),
    /// Filled by the fallback.
    Fallback(InpaintedFrame),
    /// Unchanged, with its hole.
    PassedThrough,
    /// Not at all.
    Dropped,
}

/// A frame that leaves the queue before its outcome is decided.
pub struct UndecidedFrame {
    pub id: u64,
    pub input: InputFrame,
    /// The frame's mask, if it is known.
    pub mask: Option<Arc<Mask>>,
    /// The worker has taken the frame, and the frame's mask from `mask_sink` with it.
    pub taken: bool,
}

/// What goes out next.
pub enum Output {
    Frame { input: InputFrame, outcome: Outcome },
    Event(gst::Event),
    Query(gst::Query),
}
