//! Messages about late frames: overload of the engine, late sources, and QoS.

use gst::{ClockTime, prelude::*};
use propainter::Model;

use super::post_element;
use crate::propainter::properties::enums::LatePolicy;

/// Warns that an engine is too slow, how late frames go out, and what would help; `late` is the
/// number of late frames so far.
pub fn warn_overload(element: &gst::Element, model: Option<Model>, policy: LatePolicy, late: u64) {
    let classical = model == Some(Model::Propagation);
    let consequence = match policy {
        LatePolicy::Drop => "are dropped",
        LatePolicy::PassThrough => "pass through with their hole",
        LatePolicy::Auto | LatePolicy::Wait | LatePolicy::Fill if classical => {
            "are filled from the pixels around the mask"
        }
        LatePolicy::Auto | LatePolicy::Wait | LatePolicy::Fill => "are filled without the networks",
    };
    let remedies = match classical {
        true => {
            "a smaller mask, crop-mode=crop, a smaller width and height, a lower frame rate or more \
             CPU cores make it fast enough; a longer processing-latency helps against single late \
             frames"
        }
        false => {
            "a smaller width and height, fewer raft-iterations or a shorter subvideo-length make it \
             faster"
        }
    };
    gst::element_warning!(
        element,
        gst::ResourceError::Busy,
        (
            "the engine is too slow for this stream: late frames {}; {}",
            consequence,
            remedies
        )
    );
    post_overload(element, true, late);
}

/// Posts that an overload begins or ends.
pub fn post_overload(element: &gst::Element, active: bool, late: u64) {
    let structure = gst::Structure::builder("propainter-overload")
        .field("active", active)
        .field("late", late)
        .build();
    post_element(element, structure);
}

/// Warns that the source delivers many frames late, by up to `delay`.
pub fn warn_late_source(element: &gst::Element, delay: ClockTime) {
    gst::element_warning!(
        element,
        gst::ResourceError::Settings,
        (
            "frames come late: they reach the engine up to {} ms after their timestamps; the \
             timestamps or the clock of the source are behind, or its latency is higher than it \
             reports. If the latency of the source or of the pipeline covers this delay, sinks \
             show the frames in time",
            delay.mseconds()
        )
    );
    post_element(
        element,
        gst::Structure::builder("propainter-late-source")
            .field("delay", delay)
            .build(),
    );
}

/// The fields of a QoS message.
pub struct QosReport {
    pub live: bool,
    pub running_time: Option<ClockTime>,
    pub stream_time: Option<ClockTime>,
    pub timestamp: Option<ClockTime>,
    pub duration: Option<ClockTime>,
    /// Time since the frame was due.
    pub jitter: ClockTime,
    /// Frames that were processed as intended.
    pub processed: u64,
    /// Frames that were not, this one included.
    pub dropped: u64,
}

/// Posts the QoS message of a frame.
pub fn post_qos(element: &gst::Element, report: &QosReport) {
    let buffers =
        |count: u64| gst::GenericFormattedValue::from(gst::format::Buffers::from_u64(count));
    let jitter = i64::try_from(report.jitter.nseconds()).unwrap_or(i64::MAX);
    let message = gst::message::Qos::builder(report.live)
        .src(element)
        .running_time(report.running_time)
        .stream_time(report.stream_time)
        .timestamp(report.timestamp)
        .duration(report.duration)
        .values(jitter, 1.0, 1_000_000)
        .stats(buffers(report.processed), buffers(report.dropped))
        .build();
    // Without a bus nobody listens.
    let _ = element.post_message(message);
}
