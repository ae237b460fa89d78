//! The values of the writable properties, and the configuration that a session gets from them.

use std::{path::PathBuf, sync::Arc};

use gst::{ClockTime, glib, prelude::*};
use propainter::{Border, Config, Error, Limits, Segment};

use crate::propainter::properties::enums::{
    AllowedDegradation, CropMode, LatePolicy, Mode, Model, Precision,
};

/// The value of `clip-part` that finds the frames at which a segment may begin.
const FIND: &str = "find";

/// The values of all writable properties.
#[derive(Clone, Debug)]
pub struct Settings {
    pub model: Model,
    pub weights: Option<String>,
    pub device: String,
    pub mode: Mode,
    pub subvideo_length: u32,
    pub neighbor_length: u32,
    pub ref_stride: u32,
    pub raft_iterations: u32,
    pub lookahead: u32,
    /// 0 stands for as many as the windows need. A stall reduces it.
    pub max_held_frames: u32,
    pub scene_cuts: bool,
    pub scene_threshold: f64,
    pub mask_dilation: u32,
    pub mask_location: Option<Arc<str>>,
    /// Luma above it is hole.
    pub mask_threshold: u32,
    pub mask_invert: bool,
    pub mask_from_alpha: bool,
    pub mask_roi_type: Option<String>,
    pub mask_feather: u32,
    pub width: u32,
    pub height: u32,
    pub resize_ratio: f64,
    pub expand_left: u32,
    pub expand_right: u32,
    pub expand_top: u32,
    pub expand_bottom: u32,
    pub crop_mode: CropMode,
    pub vram_budget: u64,
    pub vram_reserve: u64,
    pub host_budget: u64,
    pub precision: Precision,
    pub allow_degradation: AllowedDegradation,
    pub late_policy: LatePolicy,
    /// `None` stands for one hop of the windows if frames may be late, otherwise for 0.
    pub processing_latency: Option<ClockTime>,
    pub qos: bool,
    pub clip_part: Option<Arc<str>>,
}

impl Default for Settings {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            model: Model::default(),
            weights: None,
            device: "auto".to_owned(),
            mode: Mode::default(),
            subvideo_length: 80,
            neighbor_length: 10,
            ref_stride: 10,
            raft_iterations: 20,
            lookahead: 10,
            max_held_frames: 0,
            scene_cuts: true,
            scene_threshold: 0.45,
            mask_dilation: 4,
            mask_location: None,
            mask_threshold: 0,
            mask_invert: false,
            mask_from_alpha: false,
            mask_roi_type: None,
            mask_feather: 0,
            width: 0,
            height: 0,
            resize_ratio: 1.0,
            expand_left: 0,
            expand_right: 0,
            expand_top: 0,
            expand_bottom: 0,
            crop_mode: CropMode::default(),
            vram_budget: limits.vram_budget,
            vram_reserve: limits.vram_reserve,
            host_budget: limits.host_budget,
            precision: Precision::default(),
            allow_degradation: AllowedDegradation::default(),
            late_policy: LatePolicy::default(),
            processing_latency: None,
            qos: true,
            clip_part: None,
        }
    }
}

impl Settings {
    /// Returns the configuration of a session for frames of this size, in pixels, and for an
    /// upstream that is live or not.
    ///
    /// # Errors
    /// The device name is unknown, or settings contradict each other.
    pub fn config(&self, (width, height): (usize, usize), live: bool) -> Result<Config, Error> {
        let wanted = |side: u32| (side > 0).then_some(side as usize);
        let find_segments = self.clip_part.as_deref() == Some(FIND);
        let config = Config {
            model: self.model.into(),
            weights: self.weights.as_ref().map(PathBuf::from),
            device: self.device.parse()?,
            mode: self.mode.resolve(live),
            subvideo_length: self.subvideo_length as usize,
            neighbor_length: self.neighbor_length as usize,
            ref_stride: self.ref_stride as usize,
            raft_iterations: self.raft_iterations as usize,
            lookahead: self.lookahead as usize,
            scene_cuts: self.scene_cuts,
            scene_threshold: self.scene_threshold,
            mask_dilation: self.mask_dilation as usize,
            mask_feather: self.mask_feather as usize,
            processing_width: wanted(self.width),
            processing_height: wanted(self.height),
            resize_ratio: self.resize_ratio,
            border: self.border(),
            find_segments,
            segment: self.segment()?,
            limits: Limits {
                vram_budget: self.vram_budget,
                vram_reserve: self.vram_reserve,
                host_budget: self.host_budget,
                precision: self.precision.into(),
                allow_degradation: self.allow_degradation.into(),
                ..Limits::default()
            },
            ..Config::new(width, height)
        };
        let config = self.limit_held_frames(config)?;
        Ok(Config {
            crop_mode: self.crop_mode.resolve(config.engine(), config.mode, live),
            ..config
        })
    }

    /// Returns the border that is set. The one in force is that of the canvas.
    pub fn border(&self) -> Border {
        Border {
            left: self.expand_left as usize,
            right: self.expand_right as usize,
            top: self.expand_top as usize,
            bottom: self.expand_bottom as usize,
        }
    }

    /// Returns the part of a clip that the stream is; `None` if it is a clip.
    ///
    /// # Errors
    /// The property `clip-part` is none.
    pub fn segment(&self) -> Result<Option<Segment>, Error> {
        let part = self.clip_part.as_deref().filter(|part| *part != FIND);
        let segment = part.map(str::parse).transpose();
        segment.map_err(|problem| Error::Setting {
            name: "clip-part",
            problem,
        })
    }

    /// Limits the windows to `max_held_frames`.
    fn limit_held_frames(&self, config: Config) -> Result<Config, Error> {
        let most = self.max_held_frames as usize;
        if most == 0 {
            return Ok(config);
        }
        let needed = config.latency_frames();
        if self.mode == Mode::Reference && needed > most {
            return Err(Error::Setting {
                name: "max-held-frames",
                problem: format!(
                    "{most} frames are too few for mode=reference, which holds {needed}; set \
                     max-held-frames to 0 or mode to auto"
                ),
            });
        }
        Ok(config.with_latency_within(most))
    }

    /// Sets a property. GObject has checked the type and the range of the value by the
    /// specification.
    ///
    /// # Errors
    /// There is no such property, or the value has another type.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), String> {
        match name {
            "model" => self.model = take(value)?,
            "weights" => self.weights = text(value)?,
            "device" => self.device = text(value)?.unwrap_or_else(|| "auto".to_owned()),
            "mode" => self.mode = take(value)?,
            "subvideo-length" => self.subvideo_length = take(value)?,
            "neighbor-length" => self.neighbor_length = take(value)?,
            "ref-stride" => self.ref_stride = take(value)?,
            "raft-iterations" => self.raft_iterations = take(value)?,
            "lookahead" => self.lookahead = take(value)?,
            "max-held-frames" => self.max_held_frames = take(value)?,
            "scene-cuts" => self.scene_cuts = take(value)?,
            "scene-threshold" => self.scene_threshold = take(value)?,
            "mask-dilation" => self.mask_dilation = take(value)?,
            "mask-location" => self.mask_location = text(value)?.map(Arc::from),
            "mask-threshold" => self.mask_threshold = take(value)?,
            "mask-invert" => self.mask_invert = take(value)?,
            "mask-from-alpha" => self.mask_from_alpha = take(value)?,
            "mask-roi-type" => self.mask_roi_type = text(value)?,
            "mask-feather" => self.mask_feather = take(value)?,
            "width" => self.width = take(value)?,
            "height" => self.height = take(value)?,
            "resize-ratio" => self.resize_ratio = take(value)?,
            "expand-left" => self.expand_left = take(value)?,
            "expand-right" => self.expand_right = take(value)?,
            "expand-top" => self.expand_top = take(value)?,
            "expand-bottom" => self.expand_bottom = take(value)?,
            "crop-mode" => self.crop_mode = take(value)?,
            "vram-budget" => self.vram_budget = take(value)?,
            "vram-reserve" => self.vram_reserve = take(value)?,
            "host-budget" => self.host_budget = take(value)?,
            "precision" => self.precision = take(value)?,
            "allow-degradation" => self.allow_degradation = take(value)?,
            "late-policy" => self.late_policy = take(value)?,
            "processing-latency" => {
                let latency: u64 = take(value)?;
                let set = (latency != u64::MAX).then_some(latency);
                self.processing_latency = set.map(ClockTime::from_nseconds);
            }
            "qos" => self.qos = take(value)?,
            "clip-part" => self.clip_part = text(value)?.map(Arc::from),
            _ => return Err("there is no such property".to_owned()),
        }
        Ok(())
    }

    /// Returns the value of a property; `None` if it is not writable.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "model" => self.model.to_value(),
            "weights" => self.weights.to_value(),
            "device" => self.device.to_value(),
            "mode" => self.mode.to_value(),
            "subvideo-length" => self.subvideo_length.to_value(),
            "neighbor-length" => self.neighbor_length.to_value(),
            "ref-stride" => self.ref_stride.to_value(),
            "raft-iterations" => self.raft_iterations.to_value(),
            "lookahead" => self.lookahead.to_value(),
            "max-held-frames" => self.max_held_frames.to_value(),
            "scene-cuts" => self.scene_cuts.to_value(),
            "scene-threshold" => self.scene_threshold.to_value(),
            "mask-dilation" => self.mask_dilation.to_value(),
            "mask-location" => self.mask_location.as_deref().to_value(),
            "mask-threshold" => self.mask_threshold.to_value(),
            "mask-invert" => self.mask_invert.to_value(),
            "mask-from-alpha" => self.mask_from_alpha.to_value(),
            "mask-roi-type" => self.mask_roi_type.to_value(),
            "mask-feather" => self.mask_feather.to_value(),
            "width" => self.width.to_value(),
            "height" => self.height.to_value(),
            "resize-ratio" => self.resize_ratio.to_value(),
            "expand-left" => self.expand_left.to_value(),
            "expand-right" => self.expand_right.to_value(),
            "expand-top" => self.expand_top.to_value(),
            "expand-bottom" => self.expand_bottom.to_value(),
            "crop-mode" => self.crop_mode.to_value(),
            "vram-budget" => self.vram_budget.to_value(),
            "vram-reserve" => self.vram_reserve.to_value(),
            "host-budget" => self.host_budget.to_value(),
            "precision" => self.precision.to_value(),
            "allow-degradation" => self.allow_degradation.to_value(),
            "late-policy" => self.late_policy.to_value(),
            "processing-latency" => {
                let latency = self.processing_latency.map(ClockTime::nseconds);
                latency.unwrap_or(u64::MAX).to_value()
            }
            "qos" => self.qos.to_value(),
            "clip-part" => self.clip_part.as_deref().to_value(),
            _ => return None,
        })
    }
}

/// Returns the value as a `T`.
///
/// # Errors
/// The value has another type.
pub fn take<'a, T: glib::value::FromValue<'a>>(value: &'a glib::Value) -> Result<T, String> {
    let taken = value.get().ok();
    taken.ok_or_else(|| format!("{value:?} has another type"))
}

/// Returns a string; an empty one stands for none.
fn text(value: &glib::Value) -> Result<Option<String>, String> {
    let text: Option<String> = take(value)?;
    Ok(text.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_dilation_and_feather_are_in_the_configuration() {
        let mut settings = Settings::default();
        assert_eq!(settings.config((8, 8), false).unwrap().mask_feather, 0);
        settings.set("mask-feather", &7u32.to_value()).unwrap();
        settings.set("mask-dilation", &3u32.to_value()).unwrap();
        let config = settings.config((8, 8), false).unwrap();
        assert_eq!((config.mask_feather, config.mask_dilation), (7, 3));
    }

    #[test]
    fn live_streams_are_processed_in_crops_and_files_whole() {
        let mut settings = Settings {
            model: Model::Propagation,
            ..Settings::default()
        };
        let crop_mode = |settings: &Settings, live| {
            let config = settings.config((1920, 1080), live).unwrap();
            config.crop_mode
        };
        assert_eq!(crop_mode(&settings, true), propainter::CropMode::Crops);
        assert_eq!(crop_mode(&settings, false), propainter::CropMode::Whole);
        // The parts of a file that segments are have no crops.
        settings.mode = Mode::Sliding;
        assert_eq!(crop_mode(&settings, false), propainter::CropMode::Whole);
        settings.crop_mode = CropMode::Off;
        assert_eq!(crop_mode(&settings, true), propainter::CropMode::Whole);
    }
}
