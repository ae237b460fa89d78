//! How much of a clip its masks mark.

use std::path::{Path, PathBuf};

use gst::prelude::*;
use image::{DynamicImage, ImageError};
use propainter::Mask;
use thiserror::Error;

use crate::{
    recode::{RecodeError, StopOnDrop},
    run::mask::{MaskError, MaskSource},
};

/// Most images of a sequence that are read, evenly spread.
const SAMPLES: usize = 100;
/// The brightest luma that still counts as black: what lossy codecs leave around a mask.
const BLACK: u8 = 24;

/// A mask that cannot be used.
#[derive(Debug, Error)]
pub enum HolesError {
    #[error(transparent)]
    Mask(#[from] MaskError),
    #[error("the mask {}: {problem}", file.display())]
    Image { file: PathBuf, problem: ImageError },
    #[error("the mask {}: {problem}", file.display())]
    Video { file: PathBuf, problem: RecodeError },
    #[error("the mask {} marks nothing", .0.display())]
    Nothing(PathBuf),
}

/// The holes of a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Holes {
    /// Share of the pixels that are marked in frames with a mask, 0 to 1.
    pub share: f64,
    /// Share of the frames that have a mask, 0 to 1.
    pub length: f64,
    /// The largest mask, at the size of the clip.
    pub largest: Mask,
}

/// Adds up the masks of a clip.
struct Sum {
    size: (usize, usize),
    frames: usize,
    marked: usize,
    pixels: f64,
    largest: Option<(usize, Mask)>,
}

impl Sum {
    fn new(size: (usize, usize)) -> Self {
        Self {
            size,
            frames: 0,
            marked: 0,
            pixels: 0.0,
            largest: None,
        }
    }

    /// Adds a mask of any size: luma, row by row.
    fn add(&mut self, width: usize, height: usize, mut luma: Vec<u8>) {
        self.frames += 1;
        for value in &mut luma {
            *value = u8::from(*value > BLACK);
        }
        let mask = Mask::from_luma(width, height, luma).resized(self.size.0, self.size.1);
        let pixels = mask.hole().iter().filter(|&&hole| hole == 1).count();
        if pixels == 0 {
            return;
        }
        self.marked += 1;
        self.pixels += pixels as f64;
        if self.largest.as_ref().is_none_or(|(most, _)| pixels > *most) {
            self.largest = Some((pixels, mask));
        }
    }

    fn holes(self) -> Option<Holes> {
        let (_, largest) = self.largest?;
        let all = (self.size.0 * self.size.1 * self.marked) as f64;
        Some(Holes {
            share: self.pixels / all,
            length: self.marked as f64 / self.frames as f64,
            largest,
        })
    }
}

impl Holes {
    /// Returns one hole of this share in every frame: a rectangle in the middle, in the frame's
    /// shape.
    pub fn assumed(size: (usize, usize), share: f64) -> Self {
        let side =
            |length: usize| ((length as f64 * share.sqrt()).round() as usize).clamp(1, length);
        let (width, height) = (side(size.0), side(size.1));
        let mut largest = Mask::empty(size.0, size.1);
        let start = |length: usize, side: usize| ((length - side) / 2) as i64;
        largest.add_rectangle(
            start(size.0, width),
            start(size.1, height),
            width as u64,
            height as u64,
        );
        Self {
            share,
            length: 1.0,
            largest,
        }
    }

    /// Reads the masks at a location, as `propainter run` takes them, for a clip of this size.
    ///
    /// # Errors
    /// They cannot be read, or mark nothing.
    pub fn read(location: &Path, size: (usize, usize)) -> Result<Self, HolesError> {
        let mut sum = Sum::new(size);
        match MaskSource::find(location)? {
            MaskSource::None => {}
            MaskSource::Image(file) => add_image(&file, &mut sum)?,
            MaskSource::Sequence(files) => {
                let step = files.len().div_ceil(SAMPLES);
                for (_, file) in files.iter().step_by(step) {
                    add_image(file, &mut sum)?;
                }
            }
            MaskSource::Video(file) => add_video(&file, &mut sum).map_err(|problem| {
                let file = file.clone();
                HolesError::Video { file, problem }
            })?,
        }
        let holes = sum.holes();
        holes.ok_or_else(|| HolesError::Nothing(location.to_owned()))
    }
}

/// Adds an image: its alpha where that varies, else its luma.
fn add_image(file: &Path, sum: &mut Sum) -> Result<(), HolesError> {
    let image = image::open(file).map_err(|problem| HolesError::Image {
        file: file.to_owned(),
        problem,
    })?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    sum.add(width, height, luma(&image));
    Ok(())
}

fn luma(image: &DynamicImage) -> Vec<u8> {
    if image.color().has_alpha() {
        let alpha: Vec<u8> = image.to_rgba8().pixels().map(|pixel| pixel.0[3]).collect();
        if alpha.iter().any(|value| *value != alpha[0]) {
            return alpha;
        }
    }
    image.to_luma8().into_raw()
}

/// Adds every frame of a video.
fn add_video(file: &Path, sum: &mut Sum) -> Result<(), RecodeError> {
    let pipeline = gst::parse::launch(
        "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=GRAY8 \
         ! appsink name=frames sync=false max-buffers=4",
    )?;
    let pipeline = pipeline.downcast::<gst::Pipeline>();
    let pipeline = pipeline.map_err(|_| gst::glib::bool_error!("no pipeline was made"))?;
    let _stop = StopOnDrop(&pipeline);
    if let Some(reader) = pipeline.by_name("file") {
        reader.set_property("location", file);
    }
    let sink = pipeline.by_name("frames");
    let sink = sink.and_then(|sink| sink.downcast::<gst_app::AppSink>().ok());
    let sink = sink.ok_or_else(|| gst::glib::bool_error!("the pipeline has no appsink"))?;
    pipeline.set_state(gst::State::Playing)?;
    while let Ok(sample) = sink.pull_sample() {
        let info = sample.caps().map(gst_video::VideoInfo::from_caps);
        let (Some(Ok(info)), Some(buffer)) = (info, sample.buffer()) else {
            continue;
        };
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info)?;
        let (width, height) = (info.width() as usize, info.height() as usize);
        let rows = frame.plane_data(0)?.chunks(info.stride()[0] as usize);
        let luma: Vec<u8> = rows
            .take(height)
            .flat_map(|row| &row[..width])
            .copied()
            .collect();
        sum.add(width, height, luma);
    }
    let bus = pipeline.bus();
    let error = bus.and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(RecodeError::of_message(error)),
        _ if sum.frames == 0 => Err(RecodeError::NoVideo(file.to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_rectangle_in_the_middle() {
        let holes = Holes::assumed((1280, 720), 0.05);
        let marked = holes.largest.hole().iter().map(|&hole| f64::from(hole));
        let share = marked.sum::<f64>() / (1280.0 * 720.0);
        assert!((share - 0.05).abs() < 1e-3, "{share}");
        assert_eq!((holes.share, holes.length), (0.05, 1.0));
        assert!(!Holes::assumed((16, 16), 1e-9).largest.is_empty());
        let all = Holes::assumed((16, 16), 1.0).largest;
        assert!(all.hole().iter().all(|&hole| hole == 1));
    }

    #[test]
    fn masks_are_counted_at_the_size_of_the_clip() {
        let mut sum = Sum::new((4, 4));
        sum.add(2, 2, vec![255, 0, 20, 0]);
        sum.add(4, 4, vec![0; 16]);
        sum.add(4, 4, [vec![255; 8], vec![0; 8]].concat());
        let holes = sum.holes().unwrap();
        assert_eq!(holes.share, (4.0 + 8.0) / 32.0);
        assert_eq!(holes.length, 2.0 / 3.0);
        assert_eq!(holes.largest.hole().iter().filter(|&&h| h == 1).count(), 8);
        assert_eq!(Sum::new((4, 4)).holes(), None);
    }
}
