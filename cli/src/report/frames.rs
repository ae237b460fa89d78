//! Compares the frames at the element's pads, and keeps those that were changed most or, where a
//! truth is known, those that miss it most.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gst::prelude::*;
use gst_app::AppSink;
use gst_video::{VideoInfo, prelude::*};
use propainter::Frame;

use crate::recode::{RecodeError, Source, named};

use super::rgb::ToRgb;

/// Most pairs of frames that are shown.
const SHOWN: usize = 4;
/// Number of frames of which one pair is kept, and from one pair shown to the next at least.
const STRETCH: u64 = 12;
const APART: u64 = 6;
/// Most pairs that are kept, as some of them may be too near to each other.
const KEPT: usize = 6;

/// A frame before and after, and how it was judged.
#[derive(Clone)]
pub struct Pair {
    pub number: u64,
    /// The time of the frame in its stream.
    pub time: Option<gst::ClockTime>,
    pub before: Frame,
    pub after: Frame,
    /// Share of the pixels that were changed, from 0 to 1.
    pub changed: f64,
    /// PSNR of the changed pixels in dB; `None` where no truth is known.
    pub psnr: Option<f64>,
}

impl Pair {
    /// Returns by how much the pair should be looked at.
    fn badness(&self) -> f64 {
        match self.psnr {
            Some(psnr) => -psnr,
            None => self.changed,
        }
    }
}

/// What was seen of a whole clip.
#[derive(Clone, Default)]
pub struct Seen {
    /// The worst frames, in their order.
    pub pairs: Vec<Pair>,
    /// PSNR of all changed pixels in dB; `None` where no truth is known.
    pub psnr: Option<f64>,
    /// Number of frames that were compared with the truth.
    pub compared: u64,
}

/// Watches the pads of an element.
pub struct Watch(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The frames that are in the element.
    inside: VecDeque<(gst::Buffer, VideoInfo)>,
    number: u64,
    /// The worst pair of each stretch of [`STRETCH`] frames, the worst first.
    worst: Vec<Pair>,
    to_rgb: [ToRgb; 2],
    truth: Option<Truth>,
    /// Sum of squared differences, number of values, and number of frames.
    squared: f64,
    values: f64,
    compared: u64,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Watches an element whose stream has not begun. `truth` is a video of the clip without what
    /// is removed.
    ///
    /// # Errors
    /// The truth cannot be read.
    pub fn new(element: &gst::Element, truth: Option<&Path>) -> Result<Self, RecodeError> {
        let state = State {
            truth: truth.map(Truth::open).transpose()?,
            ..State::default()
        };
        let watch = Self(Arc::new(Mutex::new(state)));
        for (name, is_before) in [("sink", true), ("src", false)] {
            let pad = element.static_pad(name);
            let pad =
                pad.ok_or_else(|| gst::glib::bool_error!("propainter has no pad {}", name))?;
            let state = watch.0.clone();
            pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                let caps = pad.current_caps();
                let format = caps.and_then(|caps| VideoInfo::from_caps(&caps).ok());
                if let Some((buffer, format)) = info.buffer().map(ToOwned::to_owned).zip(format) {
                    match is_before {
                        true => lock(&state).inside.push_back((buffer, format)),
                        false => lock(&state).add(&buffer, &format),
                    }
                }
                gst::PadProbeReturn::Ok
            });
        }
        Ok(watch)
    }

    /// Returns what was seen once the stream has ended.
    pub fn finish(self) -> Seen {
        let state = std::mem::take(&mut *lock(&self.0));
        let known = state.values > 0.0;
        Seen {
            psnr: known.then(|| decibels(state.squared / state.values)),
            compared: state.compared,
            pairs: state.shown(),
        }
    }
}

impl State {
    /// Takes a frame that comes out of the element.
    fn add(&mut self, after: &gst::Buffer, info: &VideoInfo) {
        let number = self.number;
        self.number += 1;
        // Frames may have been dropped before this one.
        let before = std::iter::from_fn(|| self.inside.pop_front())
            .find(|(before, _)| before.pts() == after.pts());
        let Some((before, before_info)) = before else {
            return;
        };
        let truth = self.truth.as_ref().and_then(Truth::next);
        let is_larger =
            (before_info.width(), before_info.height()) != (info.width(), info.height());
        if truth.is_none() && !is_larger && is_same(&before, after) {
            return;
        }
        let [to_rgb, to_rgb_after] = &mut self.to_rgb;
        let frames = to_rgb.convert(&before, &before_info);
        let Some((before, after_rgb)) = frames.zip(to_rgb_after.convert(after, info)) else {
            return;
        };
        let difference = Difference::of(&before, &after_rgb, truth.as_ref());
        self.squared += difference.squared;
        self.values += difference.values;
        self.compared += u64::from(difference.values > 0.0);
        let pixels = (after_rgb.width() * after_rgb.height()) as f64;
        self.keep(Pair {
            number,
            time: after.pts(),
            changed: difference.changed / pixels,
            psnr: (difference.values > 0.0)
                .then(|| decibels(difference.squared / difference.values)),
            before,
            after: after_rgb,
        });
    }

    /// Keeps a pair if it is among the worst.
    fn keep(&mut self, pair: Pair) {
        let stretch = pair.number / STRETCH;
        let same = |kept: &Pair| kept.number / STRETCH == stretch;
        match self.worst.iter().position(same) {
            Some(same) if pair.badness() > self.worst[same].badness() => {
                self.worst[same] = pair;
            }
            Some(_) => return,
            None => self.worst.push(pair),
        }
        self.worst
            .sort_by(|a, b| b.badness().total_cmp(&a.badness()));
        self.worst.truncate(KEPT);
    }

    /// Returns the pairs to show, in their order.
    fn shown(self) -> Vec<Pair> {
        let mut shown: Vec<Pair> = Vec::new();
        for pair in self.worst {
            let far = |other: &Pair| other.number.abs_diff(pair.number) >= APART;
            if shown.len() < SHOWN && shown.iter().all(far) {
                shown.push(pair);
            }
        }
        shown.sort_by_key(|pair| pair.number);
        shown
    }
}

/// Returns whether two buffers hold the same bytes.
fn is_same(a: &gst::Buffer, b: &gst::Buffer) -> bool {
    match (a.map_readable(), b.map_readable()) {
        (Ok(a), Ok(b)) => a.as_slice() == b.as_slice(),
        _ => false,
    }
}

/// The difference of frames before, after, and of the truth.
struct Difference {
    /// Number of pixels that were changed.
    changed: f64,
    /// Sum of the squared differences to the truth, and number of values, at these pixels.
    squared: f64,
    values: f64,
}

impl Difference {
    fn of(before: &Frame, after: &Frame, truth: Option<&Frame>) -> Self {
        let mut sum = Self {
            changed: 0.0,
            squared: 0.0,
            values: 0.0,
        };
        let size = |frame: &Frame| (frame.width(), frame.height());
        if size(before) != size(after) {
            // A picture that was expanded: its parts are not compared.
            return sum;
        }
        let truth = truth.filter(|truth| size(truth) == size(after));
        let pixels = before
            .rgb()
            .chunks_exact(3)
            .zip(after.rgb().chunks_exact(3));
        for (i, (before, after)) in pixels.enumerate() {
            if before == after {
                continue;
            }
            sum.changed += 1.0;
            if let Some(truth) = truth {
                let truth = &truth.rgb()[3 * i..3 * i + 3];
                let squares = after
                    .iter()
                    .zip(truth)
                    .map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2));
                sum.squared += squares.sum::<f64>();
                sum.values += 3.0;
            }
        }
        sum
    }
}

/// Returns the PSNR for a mean of squared differences of 8 bits.
fn decibels(mean: f64) -> f64 {
    // At most that of a single step in a thousand values.
    10.0 * (255.0 * 255.0 / mean.max(1e-3)).log10()
}

/// The frames of a video in which what is removed never was.
struct Truth {
    pipeline: gst::Pipeline,
    sink: AppSink,
}

impl Truth {
    fn open(file: &Path) -> Result<Self, RecodeError> {
        // The first frame tells whether it is a video.
        Source::open(file)?;
        let pipeline = gst::Pipeline::new();
        let source = named("filesrc", file, ": reading")?;
        source.set_property("location", file);
        let decode = named("decodebin", file, "")?;
        let convert = gst::ElementFactory::make("videoconvert").build()?;
        let caps = gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::Rgb);
        let sink = AppSink::builder()
            .caps(&caps.build())
            .sync(false)
            .max_buffers(4)
            .build();
        pipeline.add_many([&source, &decode, &convert, sink.upcast_ref()])?;
        source.link(&decode)?;
        convert.link(&sink)?;
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
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self { pipeline, sink })
    }

    /// Returns the next frame; `None` after the last one.
    fn next(&self) -> Option<Frame> {
        let sample = self.sink.pull_sample().ok()?;
        let info = VideoInfo::from_caps(sample.caps()?).ok()?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info);
        let frame = frame.ok()?;
        let (width, height) = (info.width() as usize, info.height() as usize);
        let stride = usize::try_from(frame.plane_stride()[0]).ok()?;
        let rows = frame.plane_data(0).ok()?.chunks(stride).take(height);
        let data = rows.flat_map(|row| &row[..3 * width]).copied().collect();
        Some(Frame::new(width, height, data))
    }
}

impl Drop for Truth {
    fn drop(&mut self) {
        // A failure to stop has no remedy.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(number: u64, changed: f64, psnr: Option<f64>) -> Pair {
        let frame = Frame::new(1, 1, vec![0; 3]);
        Pair {
            number,
            time: None,
            before: frame.clone(),
            after: frame,
            changed,
            psnr,
        }
    }

    fn kept(pairs: impl IntoIterator<Item = Pair>) -> Vec<u64> {
        let mut state = State::default();
        for pair in pairs {
            state.keep(pair);
        }
        state.shown().iter().map(|pair| pair.number).collect()
    }

    #[test]
    fn the_worst_frames_are_kept_apart() {
        let changed = |n: u64| pair(n, ((n * 37) % 101) as f64 / 101.0, None);
        let numbers = kept((0..200).map(changed));
        assert_eq!(numbers.len(), SHOWN);
        assert!(
            numbers.windows(2).all(|pair| pair[1] - pair[0] >= APART),
            "{numbers:?}"
        );
        // The largest hole of all is among them.
        assert!(numbers.iter().any(|n| (n * 37) % 101 == 100), "{numbers:?}");
        // The lowest PSNR comes first where there is one.
        let by_psnr = (0..10).map(|n| pair(20 * n, 0.5, Some(30.0 + n as f64)));
        assert_eq!(kept(by_psnr), [0, 20, 40, 60]);
        // A clip that gets worse all the time does not show its end alone.
        let rising = (0..100).map(|n| pair(n, n as f64 / 100.0, None));
        assert_eq!(kept(rising), [59, 71, 83, 99]);
    }

    #[test]
    fn only_changed_pixels_are_compared_with_the_truth() {
        let before = Frame::new(2, 1, vec![10, 10, 10, 20, 20, 20]);
        let after = Frame::new(2, 1, vec![10, 10, 10, 30, 30, 30]);
        let truth = Frame::new(2, 1, vec![99, 99, 99, 33, 30, 30]);
        let difference = Difference::of(&before, &after, Some(&truth));
        assert_eq!(
            (difference.changed, difference.squared, difference.values),
            (1.0, 9.0, 3.0)
        );
        let larger = Frame::new(1, 1, vec![0; 3]);
        assert_eq!(Difference::of(&before, &larger, None).changed, 0.0);
    }
}
