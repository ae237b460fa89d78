//! NVIDIA's driver on a machine without a GPU.
//!
//! The library of this crate is `libcuda.so.1` and `libnvidia-ml.so.1`: a test makes links of these
//! names to it in a folder, and runs a process with that folder first in `LD_LIBRARY_PATH`. As both
//! links are one file, the loader loads it once, and NVML tells of the memory that CUDA allocates.
//! Everything above the driver is the real thing: burn, CubeCL, LLVM, PTX.
//!
//! What comes through the interface ([`abi`], [`nvml`]) goes to one [`driver`] behind a lock:
//!
//! - [`driver::memory`] gives addresses. Device memory is host memory between guard pages: a kernel or a
//!   copy that leaves its allocation, or uses one that was freed, ends the process with a line that
//!   names it. Where kernels are computed, fresh memory holds NaNs.
//! - [`driver::execution`] holds contexts, streams, events, graphs and modules. A stream runs its work at
//!   once, or as late as it may. A graph counts as one launch.
//! - [`ptx`] computes kernels, if [`settings`] ask for it. Otherwise launches are only counted.
//! - [`counters`] hold what was counted, [`failures`] what is to fail: allocations, or a launch that
//!   reads an illegal address, after which every call of the context fails until it is destroyed.
//! - [`assemble`] reads what `ptxas` says of a module.
//! - [`symbols`] hides the functions that the driver's version does not have.
//!
//! A test runs itself on the virtual GPU with [`harness`], and reads counts and orders failures through
//! [`client`].
//!
//! Checks go beyond those of a GPU's driver where a program could not want otherwise: handles are
//! never reused, copies must stay within an allocation, waiting while a stream captures fails.

pub mod abi;
pub mod assemble;
pub mod client;
pub mod counters;
pub mod driver;
pub mod failures;
pub mod handles;
pub mod harness;
pub mod nvml;
pub mod ptx;
pub mod settings;
pub mod status;
pub mod symbols;
