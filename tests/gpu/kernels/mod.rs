//! Every GPU form beside its reference form, on CubeCL's CPU runtime and on the device that
//! `PROPAINTER_TEST_DEVICE` names.

mod conv;
mod flow;
mod generator;
mod linear;
mod math;
mod operations;
mod pointwise;
mod samples;
pub mod support;
mod tf32;
