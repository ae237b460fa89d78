//! The source of a pixel of the hole, and the frames it is chosen from.

use std::collections::VecDeque;

use crate::{
    Mask, Rect,
    classical::{effort::Effort, fields::grid::CELL, window::frame::WindowFrame},
};

/// Number of pixels of a cell.
pub const CELL_PIXELS: usize = CELL * CELL;
/// The position that a pixel of the hole is copied from.
#[derive(Clone, Copy)]
pub struct SourcePixel {
    /// Index of the frame in the window.
    pub frame: usize,
    /// Column in that frame, in pixels.
    pub x: f32,
    /// Row in that frame, in pixels.
    pub y: f32,
    /// Offset to add to the colour at that position.
    pub colour: [f32; 3],
    /// Distance in frames plus weighted error. It is infinite without a source, and [`f32::MAX`]
    /// for an inherited fill.
    pub cost: f32,
}

impl SourcePixel {
    /// The absence of a source.
    pub const NONE: Self = Self {
        frame: 0,
        x: 0.0,
        y: 0.0,
        colour: [0.0; 3],
        cost: f32::INFINITY,
    };

    /// Returns whether the source is an earlier fill instead of a pixel that the frame shows.
    pub fn is_inherited(&self) -> bool {
        self.cost == f32::MAX
    }
}

/// The window around the frame being filled.
pub struct FillContext<'a> {
    /// All frames of the window.
    pub frames: &'a VecDeque<WindowFrame>,
    /// Index of the frame being filled.
    pub current: usize,
    /// The hole of that frame.
    pub hole: &'a Mask,
    /// The rectangle of the picture if there is a border around it.
    pub picture: Option<&'a Rect>,
    /// What the search may cost.
    pub effort: &'a Effort,
}

impl<'a> FillContext<'a> {
    /// Returns the frame being filled.
    pub fn current_frame(&self) -> &'a WindowFrame {
        &self.frames[self.current]
    }

    /// Returns whether a pixel lies in the border around the picture.
    pub fn is_border(&self, x: usize, y: usize) -> bool {
        let picture = self.picture;
        picture.is_some_and(|picture| picture.index([y, x]).is_none())
    }
}
