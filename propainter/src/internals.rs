//! Re-exports for the tests, the benchmarks and the GStreamer element. No part of the public face:
//! what is here may change at any time.

pub mod classical {
    pub use crate::classical::*;
}
pub mod cuda {
    pub use crate::device::cuda::*;
}
pub mod cuda_faults {
    pub use crate::device::cuda_faults::*;
}
pub mod cuda_info {
    pub use crate::device::cuda_info::*;
}
pub mod forecast {
    pub use crate::session::forecast::*;
}
pub mod device_frames {
    pub use crate::frame::device::*;
}
pub mod isa {
    pub use crate::device::isa::*;
}
pub mod memory {
    pub use crate::memory::*;
}
pub mod resize {
    pub use crate::resize::*;
}
pub mod scene_cuts {
    pub use crate::scene_cuts::*;
}
pub mod schedule {
    pub use crate::schedule::*;
}
pub mod synthetic {
    pub use crate::synthetic::*;
}

#[cfg(feature = "networks")]
pub use self::of_the_networks::*;

#[cfg(feature = "networks")]
mod of_the_networks {
    pub mod kernels {
        pub use crate::kernels::*;
    }
    pub mod networks {
        pub use crate::networks::*;
    }
    pub mod self_test {
        pub use crate::self_test::*;
    }
}
