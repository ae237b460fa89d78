//! What a page about a clip is made of.
//!
//! - [`frames`]: compares the frames at the element's pads
//! - [`html`]: text, tables, pictures and curves
//! - [`rgb`]: frames of any format as RGB

pub mod frames;
pub mod html;
pub mod rgb;
