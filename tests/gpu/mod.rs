//! The CUDA path. Every GPU form beside its reference form, on CubeCL's CPU runtime and on the device that
//! `PROPAINTER_TEST_DEVICE` names; whole sessions on the virtual GPU.

mod assemble;
mod computed;
mod conv;
mod driver;
mod flow;
mod generator;
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
