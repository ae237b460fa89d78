//! Conversion between video buffers and the RGB frames of a session.
//!
//! [`converter`] is the entry. It finds the samples in a buffer ([`layout`]) and converts them by
//! kind: packed RGB ([`packed`]), other RGB ([`channels`]), YUV and gray ([`planar`], [`matrix`])
//! and alpha ([`alpha`]). Buffers in the memory of a GPU go through [`device`].

mod alpha;
mod channels;
pub mod converter;
pub mod device;
pub mod error;
pub mod formats;
mod hole_rows;
mod layout;
mod matrix;
mod packed;
mod planar;
pub mod pool;
#[cfg(test)]
mod tests;
pub mod trim;
