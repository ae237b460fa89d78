//! Where a pixel of the hole comes from.

use std::collections::VecDeque;

use crate::{
    Mask,
    classical::{fields::grid::CELL, window::frame::WindowFrame},
};

/// Pixels of a cell.
pub const CELL_PIXELS: usize = CELL * CELL;
/// Where a pixel of the hole comes from.
#[derive(Clone, Copy)]
pub struct SourcePixel {
    /// Index in the window.
    pub frame: usize,
    pub x: f32,
    pub y: f32,
    /// What to add to the colour found there.
    pub colour: [f32; 3],
    /// Distance in frames and expected error; infinite where there is no source.
    pub cost: f32,
}

impl SourcePixel {
    /// No source.
    pub const NONE: Self = Self {
        frame: 0,
        x: 0.0,
        y: 0.0,
        colour: [0.0; 3],
        cost: f32::INFINITY,
    };

    /// Whether this is an earlier fill rather than a frame that shows the place.
    pub fn is_inherited(&self) -> bool {
        self.cost == f32::MAX
    }
}

/// The window around the frame being filled.
pub struct FillContext<'a> {
    pub frames: &'a VecDeque<WindowFrame>,
    /// The frame being filled.
    pub current: usize,
    pub hole: &'a Mask,
}

impl<'a> FillContext<'a> {
    pub fn current_frame(&self) -> &'a WindowFrame {
        &self.frames[self.current]
    }
}
