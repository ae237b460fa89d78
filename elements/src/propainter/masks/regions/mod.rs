//! The value of `mask-regions`: rectangles, as an array of arrays of four integers.

pub mod children;
pub mod object;

use gst::{glib, prelude::*};

use crate::propainter::properties::settings::take;

/// One rectangle of `mask-regions`, in pixels of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    pub x: i32,
    pub y: i32,
    pub width: u32,
    pub height: u32,
}

impl Region {
    /// Returns x, y, width and height.
    pub fn numbers(self) -> [i32; 4] {
        let [width, height] =
            [self.width, self.height].map(|side| i32::try_from(side).unwrap_or(i32::MAX));
        [self.x, self.y, width, height]
    }
}

/// Parses the value of `mask-regions`.
///
/// # Errors
/// The value is no array of arrays of four integers, or a side is negative.
pub fn parse(value: &glib::Value) -> Result<Vec<Region>, String> {
    let regions: gst::ArrayRef = take(value)?;
    regions.iter().map(parse_region).collect()
}

fn parse_region(value: &glib::SendValue) -> Result<Region, String> {
    let region: gst::ArrayRef = take(value)?;
    let numbers: Result<Vec<i32>, _> = region.iter().map(|number| number.get()).collect();
    let Ok(&[x, y, width, height]) = numbers.as_deref() else {
        return Err("a region must be <x, y, width, height>, four integers".to_owned());
    };
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(width), Ok(height)) => Ok(Region {
            x,
            y,
            width,
            height,
        }),
        _ => Err(format!("a region cannot have {width}x{height} pixels")),
    }
}

/// Returns the value of `mask-regions` for some rectangles.
pub fn to_value(regions: &[Region]) -> glib::Value {
    let regions = regions
        .iter()
        .map(|region| gst::Array::new(region.numbers()));
    gst::Array::from_iter(regions.map(|region| region.to_send_value())).to_value()
}
