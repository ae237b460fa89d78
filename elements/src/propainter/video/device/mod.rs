//! Memory of a GPU: whether its frames are supported, and the transfer of rows between that memory
//! and the host ([`mod@transfer`], [`cuda`]).

mod cuda;
pub mod transfer;

use std::sync::{Arc, LazyLock};

use gst_video::{VideoFormat, VideoInfo};

use self::{cuda::Driver, transfer::DeviceTransfer};

/// The caps feature of buffers in the memory of a GPU.
pub const FEATURE: &str = "memory:CUDAMemory";

/// The only format that is supported in that memory.
pub const FORMAT: VideoFormat = VideoFormat::Nv12;

/// The driver of the GPU, loaded once.
static DRIVER: LazyLock<Option<Arc<Driver>>> = LazyLock::new(|| Driver::load().map(Arc::new));

/// Returns the transfer for caps with [`FEATURE`]; `None` for frames on the host, or without a
/// driver.
pub fn transfer(caps: &gst::CapsRef) -> Option<Arc<dyn DeviceTransfer>> {
    let on_device = caps.features(0)?.contains(FEATURE);
    let driver = DRIVER.clone().filter(|_| on_device)?;
    Some(driver)
}

/// Returns the caps of frames in the memory of a GPU, if there is a driver.
pub fn caps() -> Option<gst::Caps> {
    DRIVER.is_some().then(device_caps)
}

fn device_caps() -> gst::Caps {
    gst_video::VideoCapsBuilder::new()
        .features([FEATURE])
        .format(FORMAT)
        .build()
}

/// Returns whether frames of these caps are supported in the memory of a GPU.
pub fn is_supported(info: &VideoInfo) -> bool {
    info.format() == FORMAT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_of_the_host_have_no_transfer_and_those_of_a_gpu_name_nv12() {
        gst::init().unwrap();
        let host = gst_video::VideoCapsBuilder::new().format(FORMAT).build();
        assert!(transfer(&host).is_none());
        let device = device_caps();
        assert!(device.features(0).unwrap().contains(FEATURE));
        assert_eq!(transfer(&device).is_some(), caps().is_some());
        assert!(!device.can_intersect(&host), "never taken for one another");
    }
}
