//! Every source of a hole, and how the sources become the mask of a frame.
//!
//! Masks come from the pad `mask_sink` ([`stream_reader`], [`stream`]), from image files ([`image_sequence`],
//! [`image_file`]), from rectangles ([`regions`]) and from the frame itself ([`per_frame`]).
//! Grayscale masks are brought to full range ([`luma_analysis`]), oriented ([`orientation`],
//! [`fit`]) and compared with a threshold ([`threshold`]). [`combine`] unites all sources, and
//! [`diagnostics`] finds masks that look wrong.

pub mod combine;
pub mod diagnostics;
pub mod fit;
pub mod image_file;
pub mod image_sequence;
pub mod luma_analysis;
pub mod orientation;
pub mod per_frame;
pub mod regions;
pub mod stream;
pub mod stream_reader;
pub mod threshold;
