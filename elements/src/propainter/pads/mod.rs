//! The pad functions. The sink pad appends frames, events and queries to the output queue
//! ([`sink`], [`sink_query`]), the pad `mask_sink` collects masks ([`mask_sink`]), and the task of the source pad
//! sends out what is ready ([`task`], [`src`]). Both pads answer queries for a CUDA context ([`cuda_context`]).
//!
//! All functions get the [context](crate::propainter::stream::context) of the element.

pub mod cuda_context;
pub mod latency_query;
pub mod mask_sink;
pub mod proxy;
pub mod sink;
pub mod sink_query;
pub mod src;
pub mod task;
pub mod templates;
