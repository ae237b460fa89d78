//! The duration of a frame by the frame rate.

use gst::{ClockTime, prelude::*};

/// The least duration that is assumed where caps name no rate.
pub const UNKNOWN: ClockTime = ClockTime::from_mseconds(40);

/// The longest duration that is believed. It keeps sums of durations within 64 bits.
const LONGEST: ClockTime = ClockTime::from_seconds(3600);

/// Returns the duration of a frame at this rate; `None` where the rate is unknown or variable.
pub fn frame_duration(fps: Option<gst::Fraction>) -> Option<ClockTime> {
    fps.filter(|fps| fps.numer() > 0 && fps.denom() > 0)
        .and_then(|fps| ClockTime::SECOND.mul_div_ceil(fps.denom() as u64, fps.numer() as u64))
        .map(|duration| duration.min(LONGEST))
}
