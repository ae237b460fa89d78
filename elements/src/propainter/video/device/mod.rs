//! Memory of a GPU: whether its frames are supported, and what the GPU does for them.
//!
//! [`mod@transfer`] says what that is, for the [`planes`] of a frame. [`cuda`] does it with NVIDIA's
//! [`driver`] ([`memory`], and a kernel: [`merge`]) and GStreamer's library ([`gst_cuda`]), in the
//! [`mod@shared_context`] if the neighbours ask for one. Networks on the same device read [`frames`] there.

mod cuda;
mod driver;
pub mod frames;
mod gst_cuda;
mod memory;
mod merge;
pub mod planes;
mod shared_context;
#[cfg(test)]
mod tests;
pub mod transfer;

use std::sync::{Arc, LazyLock};

use gst_video::{VideoFormat, VideoInfo};

use self::{
    cuda::{CudaFrames, Libraries},
    gst_cuda::CONTEXT_TYPE,
    shared_context::shared_context,
    transfer::DeviceTransfer,
};

/// The caps feature of buffers in the memory of a GPU.
pub const FEATURE: &str = "memory:CUDAMemory";

/// The formats that are supported in that memory.
pub const FORMATS: [VideoFormat; 4] = [
    VideoFormat::Nv12,
    VideoFormat::P01010le,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
];

/// The libraries of the GPU, loaded once.
static LIBRARIES: LazyLock<Option<Libraries>> = LazyLock::new(Libraries::load);

/// Returns what handles frames of caps with [`FEATURE`]; `None` for frames on the host, or without the
/// libraries.
pub fn transfer(caps: &gst::CapsRef) -> Option<Arc<dyn DeviceTransfer>> {
    let on_device = caps.features(0)?.contains(FEATURE);
    let libraries = LIBRARIES.as_ref().filter(|_| on_device)?;
    Some(Arc::new(CudaFrames::new(libraries)))
}

/// Returns whether a query asks for a context of CUDA.
pub fn is_context_query(query: &gst::QueryRef) -> bool {
    match query.view() {
        gst::QueryView::Context(query) => query.context_type() == CONTEXT_TYPE,
        _ => false,
    }
}

/// Answers such a query with the context that the networks compute in on device `index`. Returns whether
/// there is one.
///
/// # Errors
/// The device does not open.
pub fn answer_context_query(
    element: &gst::Element,
    query: &mut gst::QueryRef,
    index: usize,
) -> Result<bool, String> {
    let Some(Libraries { gst, .. }) = LIBRARIES.as_ref() else {
        return Ok(false);
    };
    Ok(gst.answer(element, query, &shared_context(gst, index)?))
}

/// Returns the caps of frames in the memory of a GPU, if there are its libraries.
pub fn caps() -> Option<gst::Caps> {
    LIBRARIES.is_some().then(device_caps)
}

fn device_caps() -> gst::Caps {
    gst_video::VideoCapsBuilder::new()
        .features([FEATURE])
        .format_list(FORMATS)
        .build()
}

/// Returns whether frames of these caps are supported in the memory of a GPU.
pub fn is_supported(info: &VideoInfo) -> bool {
    FORMATS.contains(&info.format())
}
