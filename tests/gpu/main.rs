//! What runs on a GPU: every GPU form beside its reference form, and the networks on a device against
//! their golden vectors. `PROPAINTER_TEST_DEVICE` names the device; without it CubeCL's CPU runtime
//! computes the kernels.

mod assemble;
mod conv;
mod driver;
mod flow;
mod generator;
#[path = "../goldens/mod.rs"]
mod goldens;
mod kernels;
mod linear;
mod math;
mod memory;
mod pointwise;
mod problems;
mod self_test;
mod stored;
mod support;
mod toolkit;
