//! Where a pixel of the hole comes from.

use std::collections::VecDeque;

use crate::{
    Mask,
    classical::{fields::grid::CELL, window::frame::Held},
};

/// Pixels of a cell.
pub const PIXELS: usize = CELL * CELL;
/// Where a pixel of the hole comes from.
#[derive(Clone, Copy)]
pub struct Source {
    /// Index in the window.
    pub frame: usize,
    pub x: f32,
    pub y: f32,
    /// What to add to the colour found there.
    pub colour: [f32; 3],
    /// Distance in frames and expected error; infinite where there is no source.
    pub cost: f32,
}

pub const NOWHERE: Source = Source {
    frame: 0,
    x: 0.0,
    y: 0.0,
    colour: [0.0; 3],
    cost: f32::INFINITY,
};

impl Source {
    /// Whether this is an earlier fill rather than a frame that shows the place.
    pub fn inherited(&self) -> bool {
        self.cost == f32::MAX
    }
}

/// The window around the frame being filled.
pub struct Window<'a> {
    pub frames: &'a VecDeque<Held>,
    /// The frame being filled.
    pub now: usize,
    pub hole: &'a Mask,
}

impl<'a> Window<'a> {
    pub fn held(&self) -> &'a Held {
        &self.frames[self.now]
    }
}
