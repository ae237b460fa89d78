//! The pad `mask_sink`: GRAY8 pictures into the mask stream.

use std::time::Instant;

use gst::{EventView, FlowError, FlowSuccess, prelude::*, subclass::prelude::*};
use gst_video::{VideoColorRange, VideoColorimetry, VideoInfo};

use crate::propainter::{
    imp::Propainter,
    log::CAT,
    masks::{
        diagnostics::{Origin, Remark},
        luma_analysis::{Looks, Lossy},
        orientation::Turn,
        per_frame::positive,
        threshold::{About, Gray},
    },
    video::converter::read_gray,
};

/// What is known of the stream of masks.
#[derive(Default)]
pub struct MaskReader {
    stream: String,
    colorimetry: Option<VideoColorimetry>,
    looks: Looks,
    /// What a player does with its pictures.
    shown: Turn,
}

impl MaskReader {
    /// A stream begins; whether it is another one than before.
    fn start(&mut self, stream: &str) -> bool {
        let another = self.stream != stream;
        *self = Self {
            stream: stream.to_owned(),
            ..Self::default()
        };
        another
    }

    /// The mask in a picture of these caps, whose luma [`read_gray`] gave.
    fn read(&mut self, info: &VideoInfo, mut luma: Vec<u8>) -> (Gray, Vec<Remark>) {
        let colorimetry = info.colorimetry();
        if self.colorimetry.replace(colorimetry) != Some(colorimetry) {
            self.looks = Looks::default();
        }
        // Caps of limited range are right. Full range they also say of luma that was copied.
        let limited = colorimetry.range() == VideoColorRange::Range16_235;
        self.looks.read(&mut luma, limited, Lossy::Perhaps);
        let about = About {
            noise: self.looks.noise(),
            shown: self.shown,
            pixel: positive(info.par()),
            ..About::default()
        };
        let size = (info.width() as usize, info.height() as usize);
        (
            Gray::new(size.0, size.1, luma, about),
            self.looks.news("mask_sink"),
        )
    }
}

impl Propainter {
    pub(crate) fn mask_chain(
        &self,
        pad: &gst::Pad,
        buffer: &gst::BufferRef,
    ) -> Result<FlowSuccess, FlowError> {
        let caps = pad.current_caps().ok_or(FlowError::NotNegotiated)?;
        let info = VideoInfo::from_caps(&caps).map_err(|_| FlowError::NotNegotiated)?;
        let luma = read_gray(&info, buffer).map_err(|problem| {
            self.post_bad_format(&problem.to_string());
            FlowError::Error
        })?;
        // What of it is hole is decided for each frame that it serves.
        let (mask, remarks) = self.own.reader.lock().read(&info, luma);
        self.post_remarks(remarks);
        let segment = pad.sticky_event::<gst::event::Segment>(0);
        let start = segment.and_then(|segment| {
            let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
            segment.to_running_time(buffer.pts()?)
        });
        let mut state = self.shared.lock();
        state.mask_arrivals.begin(Instant::now());
        loop {
            if state.mask_flushing || state.stopping {
                return Err(FlowError::Flushing);
            }
            if state.masks.has_room() {
                break;
            }
            self.shared.wait(&mut state);
        }
        state.masks.push(mask, start, buffer.duration());
        state.mask_arrivals.end(Instant::now());
        drop(state);
        self.shared.notify();
        Ok(FlowSuccess::Ok)
    }

    pub(crate) fn mask_activate(
        &self,
        mode: gst::PadMode,
        active: bool,
    ) -> Result<(), gst::LoggableError> {
        if mode != gst::PadMode::Push {
            return Err(gst::loggable_error!(CAT, "masks can be pushed only"));
        }
        self.shared.lock().mask_flushing = !active;
        self.shared.notify();
        Ok(())
    }

    /// Nobody sends masks any more: the last one stays.
    pub(crate) fn mask_unlinked(&self) {
        self.shared.lock().masks.end();
        self.shared.notify();
    }

    /// Nothing of it goes downstream.
    pub(crate) fn mask_event(&self, pad: &gst::Pad, event: &gst::Event) -> bool {
        gst::log!(CAT, imp = self, "mask event {event:?}");
        match event.view() {
            EventView::StreamStart(start) => {
                let another = self.own.reader.lock().start(start.stream_id());
                if another {
                    self.own.begin(Origin::Stream);
                }
            }
            EventView::Tag(tag) => {
                if let Some(shown) = Turn::of_pad(pad, tag.tag()) {
                    self.own.reader.lock().shown = shown;
                }
            }
            _ => {}
        }
        let mut state = self.shared.lock();
        match event.view() {
            EventView::FlushStart(_) => state.mask_flushing = true,
            EventView::FlushStop(_) => {
                state.mask_flushing = false;
                state.masks.flush();
                state.mask_arrivals.interrupt();
            }
            EventView::StreamStart(_) | EventView::Segment(_) => state.masks.resume(),
            EventView::Gap(gap) => {
                let (start, duration) = gap.get();
                let end = start.saturating_add(duration.unwrap_or_default());
                drop(state);
                let segment = pad.sticky_event::<gst::event::Segment>(0);
                let end = segment.and_then(|segment| {
                    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
                    segment.to_running_time(end)
                });
                state = self.shared.lock();
                if let Some(end) = end {
                    state.masks.advance(end);
                }
            }
            EventView::Eos(_) => state.masks.end(),
            _ => {}
        }
        drop(state);
        self.shared.notify();
        true
    }
}
