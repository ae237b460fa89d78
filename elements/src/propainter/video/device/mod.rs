//! Memory of a GPU: whether its frames are supported, and what the GPU does for them: [`transfer`] says
//! what that is, [`cuda`] does it with NVIDIA's [`driver`] and GStreamer's library ([`gst_cuda`]).

mod cuda;
mod driver;
mod gst_cuda;
#[cfg(test)]
mod tests;
pub mod transfer;

use std::sync::{Arc, LazyLock};

use gst_video::{VideoFormat, VideoInfo};

use self::{
    cuda::{CudaFrames, Libraries},
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
