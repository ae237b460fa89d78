//! The element's properties: their specifications, their values, and what a session is
//! told of them.

use std::{path::PathBuf, sync::Arc};

use gst::{glib, prelude::*};
use propainter::{Config, Error};

/// The engine that fills the holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterModel")]
pub enum Model {
    #[default]
    #[enum_value(
        name = "The networks where their checkpoints are found, else propagation",
        nick = "auto"
    )]
    Auto,
    #[enum_value(name = "The ProPainter networks", nick = "propainter")]
    Propainter,
    #[enum_value(
        name = "Propagation along optical flow, without checkpoints",
        nick = "propagation"
    )]
    Propagation,
}

impl From<Model> for propainter::Model {
    fn from(model: Model) -> Self {
        match model {
            Model::Auto => Self::Auto,
            Model::Propainter => Self::Propainter,
            Model::Propagation => Self::Propagation,
        }
    }
}

/// How the stream is cut into windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterMode")]
pub enum Mode {
    #[default]
    #[enum_value(
        name = "Frame by frame what the official script gives for the whole clip",
        nick = "reference"
    )]
    Reference,
}

impl From<Mode> for propainter::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Reference => Self::Reference,
        }
    }
}

/// One rectangle of `mask-regions`, in pixels of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub x: i32,
    pub y: i32,
    pub width: u32,
    pub height: u32,
}

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
    pub mask_dilation: u32,
    pub mask_location: Option<String>,
    pub mask_regions: Arc<[Region]>,
    pub width: u32,
    pub height: u32,
    pub resize_ratio: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: Model::default(),
            weights: None,
            device: "auto".to_owned(),
            mode: Mode::default(),
            subvideo_length: 80,
            neighbor_length: 10,
            ref_stride: 10,
            raft_iterations: 20,
            mask_dilation: 4,
            mask_location: None,
            mask_regions: Arc::new([]),
            width: 0,
            height: 0,
            resize_ratio: 1.0,
        }
    }
}

impl Settings {
    /// A session's configuration for frames of this size.
    ///
    /// # Errors
    /// A device name that means nothing.
    pub fn config(&self, width: usize, height: usize) -> Result<Config, Error> {
        let wanted = |side: u32| (side > 0).then_some(side as usize);
        Ok(Config {
            model: self.model.into(),
            weights: self.weights.as_ref().map(PathBuf::from),
            device: self.device.parse()?,
            mode: self.mode.into(),
            subvideo_length: self.subvideo_length as usize,
            neighbor_length: self.neighbor_length as usize,
            ref_stride: self.ref_stride as usize,
            raft_iterations: self.raft_iterations as usize,
            mask_dilation: self.mask_dilation as usize,
            processing_width: wanted(self.width),
            processing_height: wanted(self.height),
            resize_ratio: self.resize_ratio,
            ..Config::new(width, height)
        })
    }

    /// Takes a property's new value. The types are the specifications', so that a value of
    /// another type never gets here.
    ///
    /// # Errors
    /// What is wrong with a value that the specification cannot rule out.
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
            "mask-dilation" => self.mask_dilation = take(value)?,
            "mask-location" => self.mask_location = text(value)?,
            "mask-regions" => self.mask_regions = parse_regions(value)?,
            "width" => self.width = take(value)?,
            "height" => self.height = take(value)?,
            "resize-ratio" => self.resize_ratio = take(value)?,
            _ => return Err("there is no such property".to_owned()),
        }
        Ok(())
    }

    /// A property's value; `None` for one that is no setting.
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
            "mask-dilation" => self.mask_dilation.to_value(),
            "mask-location" => self.mask_location.to_value(),
            "mask-regions" => regions_value(&self.mask_regions),
            "width" => self.width.to_value(),
            "height" => self.height.to_value(),
            "resize-ratio" => self.resize_ratio.to_value(),
            _ => return None,
        })
    }
}

fn take<'a, T: glib::value::FromValue<'a>>(value: &'a glib::Value) -> Result<T, String> {
    let taken = value.get().ok();
    taken.ok_or_else(|| format!("{value:?} has another type"))
}

/// A string; an empty one is none.
fn text(value: &glib::Value) -> Result<Option<String>, String> {
    let text: Option<String> = take(value)?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn parse_regions(value: &glib::Value) -> Result<Arc<[Region]>, String> {
    let regions: gst::ArrayRef = take(value)?;
    regions.iter().map(parse_region).collect()
}

fn parse_region(value: &glib::SendValue) -> Result<Region, String> {
    let region: gst::ArrayRef = take(value)?;
    let numbers: Result<Vec<i32>, _> = region.iter().map(|number| number.get()).collect();
    let Ok(&[x, y, width, height]) = numbers.as_deref() else {
        return Err("a region is <x, y, width, height>, four integers".to_owned());
    };
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(width), Ok(height)) => Ok(Region {
            x,
            y,
            width,
            height,
        }),
        _ => Err(format!("a region is {width}x{height} pixels")),
    }
}

fn regions_value(regions: &[Region]) -> glib::Value {
    gst::Array::from_iter(regions.iter().map(|region| {
        let size =
            [region.width, region.height].map(|side| i32::try_from(side).unwrap_or(i32::MAX));
        gst::Array::new([region.x, region.y, size[0], size[1]]).to_send_value()
    }))
    .to_value()
}

/// The specifications, in the order `gst-inspect-1.0` shows them.
pub fn specifications() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    let count = |name, nick, blurb, least, default| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(blurb)
            .minimum(least)
            .maximum(100_000)
            .default_value(default)
            .mutable_ready()
            .build()
    };
    let side = |name, nick, blurb| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(blurb)
            .maximum(32_768)
            .default_value(0)
            .mutable_ready()
            .build()
    };
    let number = glib::ParamSpecInt::builder("number")
        .nick("Number")
        .blurb("x, y, width or height in pixels")
        .build();
    let region = gst::ParamSpecArray::builder("region")
        .nick("Region")
        .blurb("x, y, width and height of a rectangle")
        .element_spec(&number)
        .build();
    vec![
        glib::ParamSpecEnum::builder_with_default("model", default.model)
            .nick("Model")
            .blurb("The engine that fills the hole")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("weights")
            .nick("Weights")
            .blurb(
                "Folder that holds the checkpoints of the networks; unset: $PROPAINTER_WEIGHTS, \
                 then the user's data folder",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("device")
            .nick("Device")
            .blurb("Where to compute: auto (a CUDA card where there is one), cpu, cuda, cuda:N")
            .default_value(Some(default.device.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("mode", default.mode)
            .nick("Mode")
            .blurb("How the stream is cut into windows")
            .mutable_ready()
            .build(),
        count(
            "subvideo-length",
            "Sub-video length",
            "Frames over which flow is completed and pictures are propagated at once; more \
             frames see farther and take more memory and latency",
            2,
            default.subvideo_length,
        ),
        count(
            "neighbor-length",
            "Neighbor length",
            "Neighbouring frames in a window of the generator",
            2,
            default.neighbor_length,
        ),
        count(
            "ref-stride",
            "Reference stride",
            "Distance between the reference frames of a window",
            1,
            default.ref_stride,
        ),
        count(
            "raft-iterations",
            "RAFT iterations",
            "Refinement steps of the optical flow",
            1,
            default.raft_iterations,
        ),
        count(
            "mask-dilation",
            "Mask dilation",
            "Pixels by which the hole is widened, at processing size",
            0,
            default.mask_dilation,
        ),
        glib::ParamSpecString::builder("mask-location")
            .nick("Mask location")
            .blurb(
                "Mask image for all frames, or numbered images such as mask%05d.png, one for \
                 each frame; what is not black is hole",
            )
            .mutable_playing()
            .build(),
        gst::ParamSpecArray::builder("mask-regions")
            .nick("Mask regions")
            .blurb("Rectangles of the hole in pixels of the frame: <<x, y, width, height>, ...>")
            .element_spec(&region)
            .mutable_playing()
            .build(),
        side(
            "width",
            "Width",
            "Width to process at, rounded down to a multiple of 8 (0 = the frames' own)",
        ),
        side(
            "height",
            "Height",
            "Height to process at, rounded down to a multiple of 8 (0 = the frames' own)",
        ),
        glib::ParamSpecDouble::builder("resize-ratio")
            .nick("Resize ratio")
            .blurb("Factor from the frames' size to the processing size where none is given")
            .minimum(0.01)
            .maximum(4.0)
            .default_value(default.resize_ratio)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Frames, time and the engine at work")
            .read_only()
            .build(),
        glib::ParamSpecUInt64::builder("latency")
            .nick("Latency")
            .blurb("Time between a frame's coming and its going, in ns; 0 until it is known")
            .read_only()
            .build(),
    ]
}
