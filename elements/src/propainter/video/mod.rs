//! Conversion between video buffers and the RGB frames of a session.
//!
//! [`converter`] is the entry. It finds the samples in a buffer ([`layout`]) and converts them by
//! their colour model ([`color_model`]): packed RGB ([`packed`]), other RGB ([`channels`]), YUV and
//! gray ([`planar`], [`matrix`]) and alpha ([`alpha`]). Buffers in the memory of a GPU go through
//! [`device`] and are on their way for a while ([`reading`]). [`canvas`] puts a border around frames.

mod alpha;
pub mod canvas;
mod channels;
mod color_model;
pub mod converter;
pub mod device;
pub mod formats;
mod hole_rows;
pub mod layout;
mod matrix;
mod packed;
mod planar;
pub mod pool;
pub mod reading;
#[cfg(test)]
mod tests;
