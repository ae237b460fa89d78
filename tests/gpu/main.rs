//! What runs on a GPU: every GPU form beside its reference form, and the networks on a device against
//! their golden vectors. `PROPAINTER_TEST_DEVICE` names the device; without it CubeCL's CPU runtime
//! computes the kernels.

mod assemble;
mod driver;
#[path = "../goldens/mod.rs"]
mod goldens;
mod kernels;
